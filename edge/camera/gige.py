"""A GigE Vision camera: one trigger, one frame, or none (docs/cameras.md).

Frames wait in a queue of Aravis, so an old one must never be taken for a new one: the camera's own
time stamp says when it was exposed. A frame that lacks packets, after they were asked for again, is
no frame.
"""

from collections import deque
from collections.abc import Sequence
from threading import Thread
from typing import Any, Self

import structlog

from edge.camera import formats
from edge.camera.aravis import aravis, failure, present
from edge.camera.device_clock import DeviceClock
from edge.camera.frame_ids import FrameIds
from edge.camera.gige_setup import configure
from edge.camera.source import Frame, Shot
from edge.config import GigeSettings
from edge.core.clock import Clock, ns
from edge.core.errors import CameraLost, CameraTimeout

BUFFERS = 8  # frames under way
_log = structlog.get_logger()


class GigeCamera:
    """A FrameSource over Aravis."""

    def __init__(self, settings: GigeSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._camera: Any = None
        self._stream: Any = None
        self._closing: Thread | None = None
        self._lost = False
        self._begun_ns: deque[int] = deque(maxlen=BUFFERS)  # frames that began to arrive
        self._arrived_ns: deque[tuple[int, int]] = deque(maxlen=4 * BUFFERS)  # id, when it began
        self._exposure_ns = 0
        self.ids = FrameIds()
        self._dating = DeviceClock()

    @property
    def live(self) -> bool:
        return True

    def __enter__(self) -> Self:
        if self._closing is not None and self._closing.is_alive():
            raise CameraLost("the lost camera is still being let go; it takes some seconds")
        camera = self._find()
        configure(camera, self._settings)
        self._start(camera)
        _log.info("gige_open", camera=f"{camera.get_vendor_name()} {camera.get_device_id()}")
        return self

    def __exit__(self, *exc: object) -> None:
        """To let go of a camera that does not answer takes Aravis eight seconds: not ours."""
        held, lost = [self._stream, self._camera], self._lost
        self._stream = self._camera = None
        self._closing = Thread(target=_let_go, args=(held, lost), name="gige", daemon=True)
        self._closing.start()
        if not lost:
            self._closing.join(timeout=5.0)

    def grab(self, shot: Shot, timeout_s: float) -> Frame:
        """The frame that was exposed for this shot. Raises CameraTimeout without a whole one in
        time, CameraLost if the camera does not answer."""
        until_ns = self._clock.monotonic_ns() + ns(1000 * timeout_s)
        fired_ns = self._fire() if self._settings.trigger == "Software" else None
        while True:
            left_us = (until_ns - self._clock.monotonic_ns()) // 1000
            buffer = self._stream.timeout_pop_buffer(max(1, left_us))
            if buffer is None:
                raise self._nothing(timeout_s)
            try:
                frame = self._frame(buffer, fired_ns)
            finally:
                self._stream.push_buffer(buffer)
            if frame is not None and frame.exposed_at_ns >= shot.not_before_ns:
                return frame

    def statistics(self) -> dict[str, int]:
        """Frames and packets since the camera was opened, as Aravis counts them."""
        if self._stream is None:
            return {}
        names = [self._stream.get_info_name(n) for n in range(self._stream.get_n_infos())]
        counted = {name: int(self._stream.get_info_uint64_by_name(name)) for name in names}
        return {"missed_frames": self.ids.missed, **counted}

    def _find(self) -> Any:
        wanted = self._settings.id
        try:
            camera = aravis().Camera.new(wanted)
        except failure() as error:
            there = ", ".join(present()) or "none"
            raise CameraLost(
                f"no GigE camera {wanted or 'at all'}: {error}; there is: {there}. Look at its "
                f"power, its cable and its address"
            ) from error
        camera.get_device().connect("control-lost", self._on_lost)
        return camera

    def _start(self, camera: Any) -> None:
        self._begun_ns.clear()
        self._arrived_ns.clear()
        self.ids, self._dating, self._lost = FrameIds(), DeviceClock(), False
        self._exposure_ns = ns(camera.get_exposure_time() / 1000)
        try:
            stream = camera.create_stream(self._on_stream, None)
            stream.set_property("packet-resend", aravis().GvStreamPacketResend.ALWAYS)
            for _ in range(BUFFERS):
                stream.push_buffer(aravis().Buffer.new_allocate(camera.get_payload()))
            camera.start_acquisition()
        except failure() as error:
            raise CameraLost(f"the camera does not start: {error}") from error
        self._camera, self._stream = camera, stream

    def _on_lost(self, *about: object) -> None:
        self._lost = True  # from a thread of Aravis

    def _on_stream(self, data: object, kind: Any, buffer: Any) -> None:
        """From a thread of Aravis: the first packet of a frame is here, or its last."""
        if kind.value_nick == "start-buffer":
            self._begun_ns.append(self._clock.monotonic_ns())
        elif kind.value_nick == "buffer-done" and self._begun_ns:
            self._arrived_ns.append((buffer.get_frame_id(), self._begun_ns.popleft()))

    def _fire(self) -> int:
        """Trigger by software; from when on the exposure counts."""
        while (old := self._stream.try_pop_buffer()) is not None:
            self._count(old)
            self._stream.push_buffer(old)
        fired_ns = self._clock.monotonic_ns()
        try:
            self._camera.software_trigger()
        except failure() as error:
            self._lost = True
            raise CameraLost(f"the camera does not answer: {error}") from error
        return fired_ns

    def _nothing(self, timeout_s: float) -> CameraLost | CameraTimeout:
        if self._lost:
            return CameraLost("the camera is gone: look at its power and its cable")
        return CameraTimeout(f"no frame within {1000 * timeout_s:.0f} ms")

    def _count(self, buffer: Any) -> int:
        """Its id, if it has one: so that a frame that never came is missed at once."""
        lost = self.ids.take(buffer.get_frame_id())
        if lost:
            _log.warning("frames_missing", frames=lost, before=buffer.get_frame_id())
        return lost

    def _frame(self, buffer: Any, fired_ns: int | None) -> Frame | None:
        """Its picture, our own copy; None if it is of an earlier trigger than that by software.
        Raises CameraTimeout if it is not whole."""
        self._count(buffer)
        stamped_ns = self._dating.stamped_at_ns(buffer.get_timestamp(), self._arrived(buffer))
        if fired_ns is not None and stamped_ns < fired_ns:
            return None
        status = buffer.get_status()
        if status != aravis().BufferStatus.SUCCESS:
            raise CameraTimeout(f"frame {buffer.get_frame_id()} is not whole: {status.value_nick}")
        size = buffer.get_image_width(), buffer.get_image_height()
        image = formats.picture(buffer.get_data(), self._settings.pixel_format, *size)
        exposed_ns = stamped_ns - self._exposure_ns
        return Frame(image, self.ids.seq, max(exposed_ns, fired_ns or exposed_ns))

    def _arrived(self, buffer: Any) -> int:
        """When its first packet came."""
        wanted, now_ns = buffer.get_frame_id(), self._clock.monotonic_ns()
        return next((at for frame, at in reversed(self._arrived_ns) if frame == wanted), now_ns)


def _let_go(held: Sequence[Any], lost: bool) -> None:
    """Stop and drop the stream, then the camera; every call may take its time."""
    stream, camera = held
    del held
    if camera is not None and not lost:
        try:
            camera.stop_acquisition()
        except failure():
            _log.warning("gige_not_stopped")
    del stream, camera
