"""A CSI camera as its settings want it: nothing automatic, and every frame shows that it was so."""

from collections.abc import Mapping
from typing import Any

from edge.config import PicameraSettings
from edge.core.errors import CameraLost

BUFFERS = 4  # one waits, one is being copied, two are under way
GREY, COLOUR = "YUV420", "RGB888"  # picamera2's RGB888 lies in memory as blue, green, red
NAMES = {
    "exposure_us": "ExposureTime",
    "gain": "AnalogueGain",
    "colour_gains": "ColourGains",
    "focus_dioptres": "LensPosition",
}
LOCKED = {  # what only some cameras have, and then move by themselves
    "ColourGains": "it locks the white balance, of a grey picture, too",
    "LensPosition": "this camera's lens moves",
}
NEAR = 0.05  # sensors have their own steps
NEAR_US = 50  # two lines of a slow one


def set_up(camera: Any, settings: PicameraSettings) -> None:
    """Configure a camera that was just opened. Raises CameraLost that names the setting."""
    _configure(camera, settings)
    there = camera.camera_controls  # name: least, greatest, default
    for key, name in NAMES.items():
        if name in LOCKED and name in there and getattr(settings, key) is None:
            raise CameraLost(f"camera.picamera.{key} is missing: {LOCKED[name]}")
    wanted = _controls(settings)
    for key, (name, value) in wanted.items():
        _refuse(key, name, value, there)
    controls = dict(wanted.values())
    if "AfMode" in there:
        controls["AfMode"] = 0  # by hand
    # Neither AeEnable nor AwbEnable: fixed values switch these off, and libcamera may take an
    # explicit off as "stay where you are", with whatever exposure it has at the start.
    camera.set_controls(controls)


def _configure(camera: Any, settings: PicameraSettings) -> None:
    size = settings.width_px, settings.height_px
    if None in size:
        size = camera.sensor_resolution
    frame_us = round(1e6 / settings.fps)
    # A video's brightness goes from 16 to 235, a preview's from 0 to 255.
    configuration = camera.create_preview_configuration(
        main={"format": GREY if settings.grey else COLOUR, "size": size},
        buffer_count=BUFFERS,
        controls={"FrameDurationLimits": (frame_us, frame_us)},
    )
    camera.configure(configuration)
    got = camera.camera_configuration()["main"]["size"]
    if tuple(got) != tuple(size):
        raise CameraLost(
            f"camera.picamera.width_px, height_px: asked for {size[0]}x{size[1]}, the camera takes "
            f"{got[0]}x{got[1]}"
        )


def off_by(metadata: Mapping[str, Any], settings: PicameraSettings) -> str | None:
    """What is not as it was asked for in a frame, in words."""
    for key, (name, wanted) in _controls(settings).items():
        got = metadata.get(name)
        if got is None or not _near(key, wanted, got):
            return f"camera.picamera.{key}: asked for {wanted}, the frame has {got}"
    return None


def _controls(settings: PicameraSettings) -> dict[str, tuple[str, Any]]:
    """Our key, libcamera's control and its value: what a frame's metadata give back."""
    given = {key: (name, getattr(settings, key)) for key, name in NAMES.items()}
    return {key: (name, value) for key, (name, value) in given.items() if value is not None}


def _refuse(key: str, name: str, wanted: Any, there: Mapping[str, Any]) -> None:
    if name not in there:
        raise CameraLost(f"camera.picamera.{key}: this camera has no {name}")
    least, greatest, _ = there[name]
    for value in _numbers(wanted):
        if value < least or (greatest and value > greatest):
            raise CameraLost(
                f"camera.picamera.{key} = {value:g}: this camera takes {least:g} to {greatest:g}"
            )


def _near(key: str, wanted: Any, got: Any) -> bool:
    slack = NEAR_US if key == "exposure_us" else NEAR
    pairs = zip(_numbers(wanted), _numbers(got), strict=True)
    return all(abs(g - w) <= max(slack, NEAR * abs(w)) for w, g in pairs)


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)
