"""A CSI camera of a Raspberry Pi, through picamera2: open all the time, nothing automatic.

It runs free, or at the pulse of a sensor (docs/cameras.md), and lends its frames out of a small
ring: each is given back as soon as it is copied, or not wanted. Old ones wait there, so the time
stamp says whether a frame shows this part.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from threading import Thread
from typing import Any, Self

import numpy as np
import structlog

from edge.camera.picamera_setup import off_by, set_up
from edge.camera.source import Frame, Shot
from edge.config import PicameraSettings
from edge.core.clock import Clock, ns
from edge.core.errors import CameraLost, CameraTimeout
from edge.core.preprocess import Image

TROUBLE = (RuntimeError, OSError, CancelledError)  # what picamera2 and libcamera raise
_log = structlog.get_logger()


class PiCamera:
    """A FrameSource over picamera2. What is left out is the real thing."""

    def __init__(
        self,
        settings: PicameraSettings,
        clock: Clock,
        open_camera: Callable[[int], Any] | None = None,
        suspended_ns: Callable[[], int] | None = None,
        close_s: float = 5.0,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._open = open_camera or camera_of
        self._suspended_ns = suspended_ns or time_suspended_ns
        self._close_s = close_s
        self._camera: Any = None
        self._job: Any = None  # a frame that was asked for and has not come yet
        self._closing: Thread | None = None
        self._stamp: int | None = None
        self._seq = 0

    @property
    def live(self) -> bool:
        return True

    def __enter__(self) -> Self:
        if self._closing is not None and self._closing.is_alive():
            raise CameraLost("the lost camera is still being let go")
        try:
            with ExitStack() as undo:
                camera = self._open(self._settings.number)
                undo.callback(camera.close)
                set_up(camera, self._settings)
                camera.start()
                undo.pop_all()
        except TROUBLE as error:
            where = f"CSI camera {self._settings.number}"
            raise CameraLost(f"{where} cannot be opened: {error}: {ADVICE}") from error
        self._camera, self._stamp, self._seq = camera, None, 0
        return self

    def __exit__(self, *exc: object) -> None:
        """A driver that hangs is left alone."""
        camera, job = self._camera, self._job
        self._camera = self._job = None
        self._closing = Thread(target=_let_go, args=(camera, job), name="picamera", daemon=True)
        self._closing.start()
        self._closing.join(timeout=self._close_s)

    def grab(self, shot: Shot, timeout_s: float) -> Frame:
        """The first frame whose exposure began after the trigger. Raises CameraTimeout without one
        in time, CameraLost if the driver fails."""
        until_ns = self._clock.monotonic_ns() + ns(1000 * timeout_s)
        why = f"no frame within {1000 * timeout_s:.0f} ms"
        while True:
            request = self._request(until_ns, why)
            try:
                found = self._frame(request, shot.not_before_ns)
            except TROUBLE as error:
                raise CameraLost(f"its driver failed: {error}") from error
            finally:
                request.release()
            if isinstance(found, Frame):
                return found
            why = found or why

    def _request(self, until_ns: int, why: str) -> Any:
        """The next frame of the ring, to be given back. One that was asked for stays asked for when
        the time is up: picamera2 would fetch it all the same, and nobody would give it back."""
        left_s = (until_ns - self._clock.monotonic_ns()) / 1e9
        if left_s <= 0:
            raise CameraTimeout(why)
        try:
            if self._job is None:
                self._job = self._camera.capture_request(wait=False)
            request = self._camera.wait(self._job, timeout=left_s)
        except TimeoutError as error:
            raise CameraTimeout(why) from error
        except TROUBLE as error:
            self._job = None
            raise CameraLost(f"its driver failed: {error}") from error
        self._job = None
        return request

    def _frame(self, request: Any, not_before_ns: int) -> Frame | str | None:
        """Our own copy; None for a frame of another part; or how its light is not what was asked
        for."""
        metadata = request.get_metadata()
        exposed_ns = self._exposed_ns(metadata)
        self._count(metadata["SensorTimestamp"])
        if exposed_ns < not_before_ns:
            return None
        wrong = off_by(metadata, self._settings)
        if wrong is not None:
            return wrong
        return Frame(self._picture(request), self._seq, exposed_ns)

    def _picture(self, request: Any) -> Image:
        array = request.make_array("main")
        if not self._settings.grey:
            return np.asarray(array, np.uint8)
        width_px, height_px = self._camera.camera_configuration()["main"]["size"]
        return np.array(array[:height_px, :width_px], np.uint8)  # the brightness of YUV420

    def _count(self, stamp: int) -> None:
        """The same stamp again is the same frame again."""
        self._seq += stamp != self._stamp
        self._stamp = stamp

    def _exposed_ns(self, metadata: Mapping[str, Any]) -> int:
        """When the exposure began, on CLOCK_MONOTONIC. The stamp is on CLOCK_BOOTTIME and says when
        the first line arrived, which is the end of its exposure. Raises CameraLost."""
        if not {"SensorTimestamp", "ExposureTime"} <= metadata.keys():
            raise CameraLost("it does not say when its frames were exposed; try kind = 'usb'")
        arrived_ns = int(metadata["SensorTimestamp"]) - self._suspended_ns()
        if arrived_ns > self._clock.monotonic_ns():
            raise CameraLost("its frames come from the future: another clock stamps them")
        return arrived_ns - 1000 * int(metadata["ExposureTime"])


ADVICE = (
    "does `rpicam-hello --list-cameras` show it, and does nothing else use it? Look at its ribbon "
    "cable, with the power off"
)


def camera_of(number: int) -> Any:
    """picamera2's. Raises CameraLost that says what to install."""
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise CameraLost(
            f"CSI cameras need picamera2: install python3-picamera2 of Raspberry Pi OS, and let "
            f"this Python see it (docs/cameras.md, Raspberry Pi): {error}"
        ) from error
    return Picamera2(number)


def time_suspended_ns() -> int:
    """How far CLOCK_BOOTTIME is ahead: never too little, lest a frame seem newer than it is."""
    monotonic_ns = time.monotonic_ns()
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - monotonic_ns


def _let_go(camera: Any, job: Any) -> None:
    try:
        camera.cancel_all_and_flush()  # a job that waits would keep the camera from stopping
        if job is not None:
            _give_back(camera, job)
        camera.close()
    except TROUBLE as error:
        _log.warning("picamera_not_closed", problem=str(error))


def _give_back(camera: Any, job: Any) -> None:
    """A frame that came after all, when nobody waited for it any more."""
    with suppress(TimeoutError, CancelledError):
        camera.wait(job, timeout=0).release()
