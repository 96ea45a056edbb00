"""Which camera for which `kind`: the only place that knows them all."""

from edge.camera.gige import GigeCamera
from edge.camera.linescan_camera import LinescanCamera
from edge.camera.picamera import PiCamera
from edge.camera.replay import ReplayCamera
from edge.camera.simulator import Simulator
from edge.camera.source import FrameSource
from edge.camera.steady import SteadyCamera
from edge.camera.usb import UsbCamera
from edge.config import Camera
from edge.core.clock import Clock
from edge.core.errors import ConfigError


def open_camera(camera: Camera, clock: Clock) -> FrameSource:
    """The source that a camera's settings describe; entering it opens it."""
    if camera.kind == "simulator":
        return Simulator(camera.simulator, clock)
    if camera.usb is not None and camera.kind == "usb":
        return UsbCamera(camera.usb, clock)
    if camera.picamera is not None and camera.kind == "picamera":
        return PiCamera(camera.picamera, clock)
    if camera.kind == "gige":
        gige, lines = GigeCamera(camera.gige, clock), camera.gige.linescan
        return gige if lines is None else LinescanCamera(gige, lines, clock)
    if camera.replay is None:
        raise ConfigError(f"camera {camera.name!r}: kind = 'replay' needs [camera.replay]")
    return ReplayCamera(camera.replay, clock)


def steady_camera(camera: Camera, clock: Clock) -> SteadyCamera:
    """The same, for a station: one that is reopened when it is lost."""
    return SteadyCamera(open_camera(camera, clock), camera.name, clock)
