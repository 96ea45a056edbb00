"""Cameras of the system and the network: a real RTSP server, and a made-up V4L2 driver."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.camera import usb
from edge.camera.source import Shot
from edge.camera.steady import SteadyCamera
from edge.camera.usb import UsbCamera
from edge.clock import SystemClock
from edge.config import UsbSettings
from edge.core.errors import CameraError, CameraLost, CameraTimeout

SERVER = Path(__file__).parent / "rtsp_server.py"
PYTHON = "/usr/bin/python3"  # Debian's, which sees Debian's GStreamer
NEEDS = "import gi; gi.require_version('GstRtspServer', '1.0'); gi.require_version('Gst', '1.0')"


def shot() -> Shot:
    return Shot("P1", "main", time.monotonic_ns())


# ---- a real stream ----


class Server:
    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"rtsp://127.0.0.1:{self.port}/line"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [PYTHON, SERVER, str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()


@pytest.fixture
def server() -> Iterator[Server]:
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", NEEDS], check=False).returncode:
        pytest.skip("needs gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-good")
    made = Server()
    made.start()
    yield made
    made.kill()


@pytest.mark.slow
def test_stream_gives_frames_that_came_after_the_trigger_and_comes_back(server: Server) -> None:
    source = SteadyCamera(
        UsbCamera(UsbSettings(device=server.url), SystemClock()), "main", SystemClock()
    )
    with source:
        time.sleep(1.0)  # nobody asks: what is sent now is old afterwards
        seqs = []
        for _ in range(10):
            asked = shot()
            frame = source.grab(asked, 2.0)
            assert frame.exposed_at_ns >= asked.triggered_at_ns
            assert frame.image.shape == (240, 320, 3)
            seqs.append(frame.seq)
        assert seqs == sorted(set(seqs)) and seqs[0] > 10
        server.kill()
        until = time.monotonic() + 30
        while source.probe() and time.monotonic() < until:
            with suppress(CameraError):
                source.grab(shot(), 0.5)
        server.start()
        while not source.probe():
            assert time.monotonic() < until + 30
            time.sleep(0.1)
        assert source.grab(shot(), 5.0).seq > 0


class Stalling:
    """A real capture whose reader can be held up; it notes each frame's stream time."""

    def __init__(self, settings: UsbSettings) -> None:
        self._capture = usb.capture_of(settings)
        self.goes = threading.Event()
        self.goes.set()
        self.read: list[tuple[float, float]] = []  # stream time and ours, in seconds

    def grab(self) -> bool:
        self.goes.wait()
        grabbed = bool(self._capture.grab())
        self.read.append((self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, time.monotonic()))
        return grabbed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._capture, name)


@pytest.mark.slow
def test_frames_that_waited_in_the_network_are_old_when_they_come(server: Server) -> None:
    opened: list[Stalling] = []

    def open_stalling(settings: UsbSettings) -> Stalling:
        opened.append(Stalling(settings))
        return opened[0]

    with UsbCamera(UsbSettings(device=server.url), SystemClock(), open_stalling) as source:
        time.sleep(1.0)
        (stream,) = opened
        stream.goes.clear()
        time.sleep(1.0)
        before_s, read_s = stream.read[-1]
        asked = shot()
        stream.goes.set()
        frame = source.grab(asked, 3.0)
    passed_s = asked.triggered_at_ns / 1e9 - read_s
    assert passed_s > 0.5  # a dozen frames waited
    assert stream.read[frame.seq - 1][0] - before_s > passed_s - 0.05
    assert frame.exposed_at_ns >= asked.triggered_at_ns


def test_address_without_a_camera_is_named_without_its_password() -> None:
    settings = UsbSettings(device="rtsp://cell:secret@127.0.0.1:9/line")
    with pytest.raises(CameraLost, match=r"rtsp://cell:...@127.0.0.1:9/line cannot be opened"):
        UsbCamera(settings, SystemClock()).__enter__()


def test_device_that_is_not_there_is_named() -> None:
    with pytest.raises(CameraLost, match="/dev/v4l/by-id/none cannot be opened: is it plugged in"):
        UsbCamera(UsbSettings(device="/dev/v4l/by-id/none"), SystemClock()).__enter__()


# ---- a made-up driver ----


class Driver:
    """Frames every `every_s`, numbered in their pixels; properties it takes or ignores."""

    def __init__(self, every_s: float = 0.01, ignores: tuple[int, ...] = ()) -> None:
        self.every_s, self.ignores = every_s, ignores
        self.properties: dict[int, float] = {}
        self.n = self.decoded = 0
        self.hangs = threading.Event()
        self.ended = self.released = False

    def grab(self) -> bool:
        while self.hangs.is_set():
            time.sleep(0.01)
        time.sleep(self.every_s)
        self.n += 1
        return not self.ended

    def retrieve(self) -> tuple[bool, np.ndarray]:
        self.decoded += 1
        return True, np.full((4, 6, 3), self.n % 256, np.uint8)

    def set(self, prop: int, value: float) -> bool:
        if prop not in self.ignores:
            self.properties[prop] = value
        return True

    def get(self, prop: int) -> float:
        return self.properties.get(prop, 0.0)

    def release(self) -> None:
        self.released = True


def camera(driver: Driver, **settings: Any) -> UsbCamera:
    return UsbCamera(
        UsbSettings.model_validate({"device": "/dev/video9"} | settings),
        SystemClock(),
        lambda settings: driver,
    )


def test_only_wanted_frames_are_decoded_and_old_ones_never_come() -> None:
    driver = Driver()
    with camera(driver) as source:
        time.sleep(0.2)
        before = driver.n
        frame = source.grab(shot(), 1.0)
        assert frame.seq > before and frame.image[0, 0, 0] == frame.seq % 256
        assert driver.decoded == 1
    assert driver.released


class Backlog(Driver):
    """Its first `waiting` frames were there before it was opened."""

    def __init__(self, waiting: int, stamps: bool) -> None:
        super().__init__()
        self.waiting, self.stamps = waiting, stamps
        self.opened_s = time.monotonic()
        self.reads = threading.Event()

    def grab(self) -> bool:
        self.reads.wait()
        if self.n >= self.waiting:
            return super().grab()
        self.n += 1
        return True

    def get(self, prop: int) -> float:
        if prop != cv2.CAP_PROP_POS_MSEC or not self.stamps:
            return super().get(prop)
        waited_s = 0.04 * (self.waiting - self.n)
        return 1000 * (time.monotonic() if waited_s < 0 else self.opened_s - waited_s)


@pytest.mark.parametrize("stamps", [True, False])
def test_frame_that_waited_in_the_driver_is_not_given_out(stamps: bool) -> None:
    driver = Backlog(waiting=5, stamps=stamps)
    with camera(driver) as source:
        threading.Timer(0.05, driver.reads.set).start()
        assert source.grab(shot(), 1.0).seq > 5


def test_frame_that_was_under_way_at_the_trigger_is_of_another_part() -> None:
    driver = Driver(every_s=0.03)
    with camera(driver, latency_ms=100) as source:
        asked = shot()
        frame = source.grab(asked, 1.0)
        assert frame.exposed_at_ns >= asked.triggered_at_ns
        assert time.monotonic_ns() - asked.triggered_at_ns >= 100_000_000


def test_driver_that_hangs_costs_its_part_and_is_left_alone() -> None:
    driver = Driver()
    with camera(driver) as source:
        driver.hangs.set()
        time.sleep(0.05)
        begun = time.monotonic()
        with pytest.raises(CameraTimeout, match="no frame within 100 ms"):
            source.grab(shot(), 0.1)
        assert time.monotonic() - begun < 1
    assert time.monotonic() - begun < 3 and not driver.released
    driver.hangs.clear()


def test_device_that_is_pulled_out_is_lost_at_once() -> None:
    driver = Driver()
    with camera(driver) as source:
        driver.ended = True
        time.sleep(0.05)
        with pytest.raises(CameraLost, match="sends nothing any more"):
            source.grab(shot(), 1.0)
    assert driver.released


def test_grey_is_grey() -> None:
    with camera(Driver(), grey=True) as source:
        assert source.grab(shot(), 1.0).image.shape == (4, 6)


def test_settings_are_locked_and_one_that_is_ignored_is_named() -> None:
    settings = UsbSettings(
        device="x", fourcc="MJPG", width_px=640, exposure_us=5000, white_balance_k=4000, focus=30
    )
    driver = Driver()
    usb._set_up(driver, settings)
    assert driver.properties[cv2.CAP_PROP_EXPOSURE] == 50
    assert driver.properties[cv2.CAP_PROP_AUTO_EXPOSURE] == usb.V4L2_MANUAL
    assert driver.properties[cv2.CAP_PROP_AUTO_WB] == driver.properties[cv2.CAP_PROP_AUTOFOCUS] == 0
    with pytest.raises(CameraLost, match=r"camera\.usb\.focus: asked for 30, the camera takes 0"):
        usb._set_up(Driver(ignores=(cv2.CAP_PROP_FOCUS,)), settings)
