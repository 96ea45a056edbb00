"""A GigE Vision camera: one trigger, one frame, or none (docs/cameras.md).

Frames wait in a queue of Aravis, so an old one must never be taken for a new one: the camera's own
time stamp says when it was exposed. A frame that lacks packets, after they were asked for again, is
no frame. While nobody asks, the oldest go, so that a frame that is missing was lost on its way and
not for want of room.
"""

from collections import deque
from dataclasses import dataclass
from queue import Empty, Queue
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

BUFFERS = 8  # frames under way, and waiting
BLOCK_BUFFERS = 64  # blocks of lines are small, and the first ones of a part must wait for the gate
LEAST_FREE = 2
FIRST_FRAME_S = 2.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A frame in Aravis' buffer: its number, how many before it are missing, and when its first
    packet was here."""

    buffer: Any
    seq: int
    lost: int
    begun_ns: int


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
        self._arrived: Queue[_Arrived] = Queue(BLOCK_BUFFERS)
        self._exposure_ns = 0
        self._chunks: Any = None
        self._ids = FrameIds()
        self._dating = DeviceClock()
        self._passed_over = self._thrown_away = 0  # frames that no part was waiting for
        self.taken_ns = 0  # nothing that came before this waits in the queue any more
        self._spoilt_ns = -1  # no picture of what began at or before this comes any more

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
        while shot.not_before_ns > self._spoilt_ns:
            left_s = (until_ns - self._clock.monotonic_ns()) / 1e9
            try:
                arrived = self._arrived.get(timeout=max(0.0, left_s))
            except Empty:
                raise self._nothing(timeout_s) from None
            try:
                frame = self._frame(arrived, fired_ns)
            finally:
                self._stream.push_buffer(arrived.buffer)
            if frame is None:
                continue
            if frame.exposed_at_ns >= shot.not_before_ns:
                return frame
            self._passed_over += 1
        raise CameraTimeout("its frame is missing or not whole, and the next one may be another's")

    def counts(self) -> dict[str, int]:
        """What a technician may ask, since the camera was opened."""
        counted = self.statistics()
        if not counted:
            return {}
        names = {"broken_frames": "n_failures", "resent_packets": "n_resent_packets"}
        found = {name: counted[of_aravis] for name, of_aravis in names.items()}
        if self._of_a_pulse:
            found["unused_frames"] = self._passed_over + self._thrown_away
        return {"missed_frames": counted["missed_frames"], **found}

    def statistics(self) -> dict[str, int]:
        """Frames and packets since the camera was opened, as Aravis counts them."""
        if self._stream is None:
            return {}
        names = [self._stream.get_info_name(n) for n in range(self._stream.get_n_infos())]
        counted = {name: int(self._stream.get_info_uint64_by_name(name)) for name in names}
        return {"missed_frames": self._ids.missed, **counted}

    @property
    def _of_a_pulse(self) -> bool:
        """Whether each frame belongs to one pulse of the line's sensor."""
        return self._settings.trigger.startswith("Line") and self._settings.linescan is None

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
        self._arrived = Queue(BLOCK_BUFFERS)
        self._ids, self._dating, self._lost = FrameIds(), DeviceClock(), False
        self._passed_over = self._thrown_away = self.taken_ns = 0
        self._spoilt_ns = -1
        self._exposure_ns = ns(camera.get_exposure_time() / 1000)
        lines = self._settings.linescan
        try:
            if lines is not None and lines.encoder_chunk is not None:
                self._chunks = camera.create_chunk_parser()
            stream = camera.create_stream(self._on_stream, None)
            stream.set_property("packet-resend", aravis().GvStreamPacketResend.ALWAYS)
            for _ in range(BUFFERS if lines is None else BLOCK_BUFFERS):
                stream.push_buffer(aravis().Buffer.new_allocate(camera.get_payload()))
            self._camera, self._stream = camera, stream
            camera.start_acquisition()
        except failure() as error:
            self._camera = self._stream = None
            raise CameraLost(f"the camera does not start: {error}") from error
        if self._settings.trigger == "Software":
            self._calibrate()

    def _calibrate(self) -> None:
        """One frame that no part gets: nothing tells yet how old the first one is. Raises
        CameraLost without it."""
        wait_s = FIRST_FRAME_S + self._exposure_ns / 1e9
        try:
            self._fire()
            first = self._arrived.get(timeout=wait_s)
        except (CameraLost, Empty) as error:
            self.__exit__()
            raise CameraLost(f"no frame within {wait_s:.0f} s of a trigger by software") from error
        self._dating.stamped_at_ns(first.buffer.get_timestamp(), first.begun_ns)
        self._stream.push_buffer(first.buffer)

    def _on_lost(self, *about: object) -> None:
        self._lost = True  # from a thread of Aravis

    def _on_stream(self, data: object, kind: Any, buffer: Any) -> None:
        """From a thread of Aravis: the first packet of a frame is here, or its last."""
        if kind.value_nick == "start-buffer":
            self._begun_ns.append(self._clock.monotonic_ns())
        elif kind.value_nick == "buffer-done" and self._stream is not None:
            self._take(self._stream)

    def _take(self, stream: Any) -> None:
        """Number the frame, so that one that never came is missed at once, and let it wait; while
        nobody asks, the oldest gives its place to the next one."""
        buffer = stream.try_pop_buffer()
        lost = self._ids.take(buffer.get_frame_id())
        if lost:
            _log.warning("frames_missing", frames=lost, before=buffer.get_frame_id())
        begun_ns = self._begun_ns.popleft() if self._begun_ns else self._clock.monotonic_ns()
        self._arrived.put_nowait(_Arrived(buffer, self._ids.seq, lost, begun_ns))
        if stream.get_n_buffers()[0] < LEAST_FREE:
            self._thrown_away += self._drop_oldest(stream)

    def _drop_oldest(self, stream: Any) -> bool:
        try:
            oldest = self._arrived.get_nowait()
        except Empty:
            return False
        self.taken_ns = max(self.taken_ns, oldest.begun_ns)
        stream.push_buffer(oldest.buffer)
        return True

    def _fire(self) -> int:
        """Trigger by software; from when on the exposure counts."""
        while self._drop_oldest(self._stream):
            pass
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

    def _frame(self, arrived: _Arrived, fired_ns: int | None) -> Frame | None:
        """Its picture, our own copy; None if it is of an earlier trigger than that by software, or
        if nobody knows which pulse of the sensor it belongs to. Raises CameraTimeout if it is not
        whole."""
        buffer = arrived.buffer
        self.taken_ns = max(self.taken_ns, arrived.begun_ns)
        stamped_ns = self._dating.stamped_at_ns(buffer.get_timestamp(), arrived.begun_ns)
        if fired_ns is not None and stamped_ns < fired_ns:
            return None
        exposed_ns = max(stamped_ns - self._exposure_ns, fired_ns or 0)
        status = buffer.get_status()
        whole = status == aravis().BufferStatus.SUCCESS
        if self._of_a_pulse and (arrived.lost or not whole):
            self._spoilt_ns = max(self._spoilt_ns, exposed_ns)
            return None
        if not whole:
            raise CameraTimeout(f"frame {buffer.get_frame_id()} is not whole: {status.value_nick}")
        size = buffer.get_image_width(), buffer.get_image_height()
        image = formats.picture(buffer.get_data(), self._settings.pixel_format, *size)
        return Frame(image, arrived.seq, exposed_ns, self._encoder(buffer))

    def _encoder(self, buffer: Any) -> int | None:
        """Where the belt was at its first line, if the camera says so. Raises CameraLost."""
        if self._chunks is None:
            return None
        lines = self._settings.linescan
        assert lines is not None
        try:
            if buffer.has_chunks():
                return int(self._chunks.get_integer_value(buffer, f"Chunk{lines.encoder_chunk}"))
            why = "its frames carry no chunks that Aravis can read"
        except failure() as error:
            why = str(error)
        raise CameraLost(f"camera.gige.linescan.encoder_chunk: {lines.encoder_chunk}: {why}")


def _let_go(held: list[Any], lost: bool) -> None:
    """Stop and drop the stream, then the camera; every call may take its time. Whoever holds them
    last pays for it, and that must not be our caller."""
    stream, camera = held
    held.clear()
    if camera is not None and not lost:
        try:
            camera.stop_acquisition()
        except failure():
            _log.warning("gige_not_stopped")
    del stream, camera
