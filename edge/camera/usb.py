"""A camera of the operating system (V4L2: USB and others) or of the network (RTSP), through OpenCV.

Such cameras run free, and their drivers keep old frames. So a thread reads without pause and throws
away what nobody asked for; a frame counts if it came, minus the camera's own delay, after the
trigger. When it came, its stamp says: a stream that stood still comes in a burst afterwards, and
frames wait in the driver while one is decoded.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import cv2
import numpy as np

from edge.camera.device_clock import DeviceClock
from edge.camera.source import Frame, Shot
from edge.config import UsbSettings
from edge.core.clock import Clock, ns
from edge.core.errors import CameraLost, CameraTimeout
from edge.core.preprocess import Image, u8

OPEN_TIMEOUT_MS = 8000
READ_TIMEOUT_MS = 3000
V4L2_MANUAL = 1  # of its menu of exposures (V4L2_EXPOSURE_MANUAL)
V4L2_STEP_US = 100.0  # of its exposure
AT_ONCE_NS = 2_000_000  # a frame without a stamp that is read faster than this had been waiting
NEAR = 0.1  # drivers round what they are told

Capture = Any  # cv2.VideoCapture, or a test's


@dataclass(frozen=True, slots=True, eq=False)
class _Wish:
    not_before_ns: int
    answered: threading.Event


class UsbCamera:
    """A FrameSource over cv2.VideoCapture. `open_capture` is a seam for tests."""

    def __init__(
        self,
        settings: UsbSettings,
        clock: Clock,
        open_capture: Callable[[UsbSettings], Capture] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._open = open_capture or capture_of
        self._reader: _Reader | None = None

    @property
    def live(self) -> bool:
        """A compressed stream may well send the same pixels twice."""
        return not is_stream(self._settings.device)

    def __enter__(self) -> Self:
        self._reader = _Reader(self._open(self._settings), self._settings, self._clock)
        self._reader.start()
        return self

    def __exit__(self, *exc: object) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()

    def grab(self, shot: Shot, timeout_s: float) -> Frame:
        """The first frame that was exposed after the trigger. Raises CameraTimeout without one in
        time, CameraLost once the device or the stream is gone."""
        assert self._reader is not None
        return self._reader.frame_from(shot.not_before_ns, timeout_s)


class _Reader:
    """Owns the capture: nobody else reads it, and its thread closes it."""

    def __init__(self, capture: Capture, settings: UsbSettings, clock: Clock) -> None:
        self._capture = capture
        self._latency_ns = ns(settings.latency_ms)
        self._grey = settings.grey
        self._clock = clock
        self._dating = DeviceClock()
        self._lock = threading.Lock()
        self._wish: _Wish | None = None
        self._found: Frame | None = None
        self._gone: str | None = None
        self._stopping = threading.Event()
        self._seq = 0
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """A driver that hangs is left alone: its thread ends with the process."""
        self._stopping.set()
        self._thread.join(timeout=1.0)

    def frame_from(self, not_before_ns: int, timeout_s: float) -> Frame:
        wish = _Wish(not_before_ns, threading.Event())
        with self._lock:
            self._wish, self._found = wish, None
        arrived = wish.answered.wait(timeout_s)
        with self._lock:
            self._wish, found, gone = None, self._found, self._gone
        if found is not None:
            return found
        if gone is not None:
            raise CameraLost(gone)
        assert not arrived
        raise CameraTimeout(f"no frame within {1000 * timeout_s:.0f} ms")

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and self._read():
                pass
            self._end("the camera sends nothing any more: look at its cable or its address")
        except cv2.error as error:
            self._end(f"its driver failed: {error}")
        finally:
            self._capture.release()

    def _read(self) -> bool:
        """One frame; decoded only if it is wanted. False at the end of the stream."""
        asked_ns = self._clock.monotonic_ns()
        if not self._capture.grab():
            return False
        exposed_ns = self._exposed_ns(asked_ns)
        self._seq += 1
        wish = self._wish
        if wish is None or wish.answered.is_set() or exposed_ns is None:
            return True
        if exposed_ns < wish.not_before_ns:
            return True
        whole, image = self._capture.retrieve()
        if whole:
            frame = Frame(_own(image, self._grey), self._seq, exposed_ns)
            with self._lock:
                if self._wish is wish:
                    self._found = frame
            wish.answered.set()
        return True

    def _exposed_ns(self, asked_ns: int) -> int | None:
        """When the frame that was just read was exposed; None if nobody can tell."""
        came_ns = self._clock.monotonic_ns()
        stamp_ns = max(0, ns(self._capture.get(cv2.CAP_PROP_POS_MSEC)))  # 0: it has none
        fresh = self._dating.stamped_at_ns(stamp_ns, came_ns) - self._latency_ns
        if stamp_ns == 0:  # as the first one of a stream, which is as old as its opening
            return fresh if self._seq and came_ns - asked_ns >= AT_ONCE_NS else None
        return fresh if self._dating.settled else None

    def _end(self, why: str) -> None:
        with self._lock:
            self._gone = why
            if self._wish is not None:
                self._wish.answered.set()


def _own(image: np.ndarray, grey: bool) -> Image:
    if grey and image.ndim == 3:
        return u8(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    return np.array(image, dtype=np.uint8)


def is_stream(device: str) -> bool:
    return "://" in device


def shown(device: str) -> str:
    """Its address without the password in it."""
    parts = urlsplit(device)
    if parts.password is None:
        return device
    return parts._replace(netloc=f"{parts.username}:...@{parts.netloc.rpartition('@')[2]}").geturl()


def capture_of(settings: UsbSettings) -> Capture:
    """Open and set up. Raises CameraLost that names the device or the setting."""
    stream = is_stream(settings.device)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS]
    limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
    capture = (
        cv2.VideoCapture(settings.device, cv2.CAP_FFMPEG, limits)
        if stream
        else cv2.VideoCapture(settings.device, cv2.CAP_V4L2)
    )
    if not capture.isOpened():
        capture.release()
        raise CameraLost(f"{shown(settings.device)} cannot be opened: {_advice(stream)}")
    try:
        if not stream:
            _set_up(capture, settings)
    except CameraLost:
        capture.release()
        raise
    return capture


def _advice(stream: bool) -> str:
    if stream:
        return "is the camera on, the address right, the network up?"
    return "is it plugged in (`ls /dev/v4l/by-id`), and may this user read it (group `video`)?"


def _set_up(capture: Capture, settings: UsbSettings) -> None:
    """Nothing automatic: light must be the same for every part."""
    if settings.fourcc is not None:
        _set(capture, "fourcc", cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*settings.fourcc))
    for name, prop in (
        ("width_px", cv2.CAP_PROP_FRAME_WIDTH),
        ("height_px", cv2.CAP_PROP_FRAME_HEIGHT),
        ("fps", cv2.CAP_PROP_FPS),
        ("gain", cv2.CAP_PROP_GAIN),
    ):
        if getattr(settings, name) is not None:
            _set(capture, name, prop, getattr(settings, name))
    if settings.exposure_us is not None:
        capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, V4L2_MANUAL)
        _set(capture, "exposure_us", cv2.CAP_PROP_EXPOSURE, settings.exposure_us / V4L2_STEP_US)
    if settings.white_balance_k is not None:
        capture.set(cv2.CAP_PROP_AUTO_WB, 0)
        _set(capture, "white_balance_k", cv2.CAP_PROP_WB_TEMPERATURE, settings.white_balance_k)
    if settings.focus is not None:
        capture.set(cv2.CAP_PROP_AUTOFOCUS, 0)
        _set(capture, "focus", cv2.CAP_PROP_FOCUS, settings.focus)


def _set(capture: Capture, name: str, prop: int, value: float) -> None:
    capture.set(prop, value)
    got = capture.get(prop)
    if abs(got - value) > NEAR * max(1.0, abs(value)):
        raise CameraLost(f"camera.usb.{name}: asked for {value:g}, the camera takes {got:g}")
