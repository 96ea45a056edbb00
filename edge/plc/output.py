"""The thread that owns the wires: edges and words in, levels out (docs/plc.md, wiring).

It decides nothing: the panel does. The inspection loop only puts words into a bounded queue and
rings, so that no output can hold it up.
"""

import contextlib
import math
import os
import queue
import select
import threading
from collections.abc import Callable

import structlog

from edge.config.gpio import Gpio
from edge.core.clock import Clock, ms, ns
from edge.core.messages import (
    AlarmMessage,
    OrderAck,
    StateMessage,
    Trigger,
    TriggerAck,
    VerdictMessage,
)
from edge.plc import panel
from edge.plc.gpio import RequestLines, Wires
from edge.plc.link import PlcLink
from edge.plc.odometer import EncodedBelt, TimedBelt
from edge.plc.panel import Panel, safe_levels

log = structlog.get_logger()

INBOX = 4000  # words; as many as the inspection loop holds
IDLE_MS = 1000  # between two turns at the most, so that `hangs` can be told
RETRY_MS = 50  # until a lock is told again that nobody heard
HUNG_S = 5.0  # a chip behind a bus may hang; its calls have no timeout of their own


class Outputs:
    """Between the wires and the inspection loop. Only `post` may be called from any thread."""

    def __init__(
        self,
        settings: Gpio,
        heartbeat_ms: int,
        run: str,
        locked: str | None,
        request_lines: RequestLines,
        clock: Clock,
    ) -> None:
        """Takes the lines and leaves them at their safe levels until `start`. `run` and `locked`
        are the panel's. Raises GpioError."""
        self._safe = safe_levels(settings)
        self._wires = Wires(settings, self._safe, request_lines)
        self._clock = clock
        belt = _belt(settings, self._wires)
        self._panel = Panel(settings, belt, heartbeat_ms, run, locked, clock.monotonic_ns())
        self._told_locked = locked
        self._inbox: queue.Queue[panel.Event] = queue.Queue(INBOX)
        self._overrun = False
        self._stopping = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._turned_ns = clock.monotonic_ns()
        self._thread = threading.Thread(target=self._run, name="outputs", daemon=True)

    def start(
        self,
        on_part: Callable[[Trigger], object],
        on_lock: Callable[[str | None], bool],
        on_death: Callable[[], object],
    ) -> None:
        """`on_part` hears of parts that the light barrier saw, `on_lock` why nothing passes any
        more, or None once a person has acknowledged; it says whether it heard, and is told again
        otherwise. All are called from the outputs' thread."""
        self._on_part = on_part
        self._on_lock = on_lock
        self._on_death = on_death
        self._turned_ns = self._clock.monotonic_ns()
        self._thread.start()

    def post(self, event: panel.Event) -> None:
        """From any thread; never blocks."""
        try:
            self._inbox.put_nowait(event)
        except queue.Full:
            self._overrun = True
        os.eventfd_write(self._bell, 1)

    @property
    def hangs(self) -> bool:
        """Whether the chip has not come back for so long that it will not."""
        return self._clock.monotonic_ns() - self._turned_ns > ns(HUNG_S * 1000)

    def close(self) -> None:
        """Leave the outputs at their safe levels and give the lines back."""
        self._stopping = True
        os.eventfd_write(self._bell, 1)
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        else:
            self._leave()

    # ---- the thread ----

    def _run(self) -> None:
        try:
            self._serve()
        except Exception:
            log.exception("inputs and outputs died; the gate starts afresh")
            self._on_death()
        finally:
            self._leave()

    def _leave(self) -> None:
        with contextlib.suppress(OSError):
            self._wires.drive(self._safe)
        self._wires.close()

    def _serve(self) -> None:
        poll = select.poll()
        fds = [fd for fd in (self._wires.fd, self._bell) if fd is not None]
        for fd in fds:
            poll.register(fd, select.POLLIN)
        while not self._stopping:
            ready = {fd for fd, _ in poll.poll(self._patience_ms())}
            if self._bell in ready:
                os.eventfd_read(self._bell)
            self._turn(edges=self._wires.fd in ready)

    def _turn(self, edges: bool) -> None:
        """Take all that has come, then drive the outputs once."""
        self._turned_ns = self._clock.monotonic_ns()
        if edges:
            for edge in self._wires.edges():
                self._take(edge)
        if self._overrun:
            self._overrun = False
            self._take(panel.Missed("the queue to the outputs was full"))
        for _ in range(self._inbox.qsize()):
            self._take(self._inbox.get_nowait())
        self._take(panel.Tick())
        self._wires.drive(self._panel.levels(self._clock.monotonic_ns()))
        self._tell_lock()

    def _take(self, event: panel.Event) -> None:
        for effect in self._panel.handle(event, self._clock.monotonic_ns()):
            if isinstance(effect, panel.Inspect):
                self._on_part(effect.trigger)
            else:
                log.info("diverter", part=effect.key[0], passed=effect.why is None, why=effect.why)

    def _tell_lock(self) -> None:
        locked = self._panel.locked
        if locked != self._told_locked and self._on_lock(locked):
            self._told_locked = locked

    def _patience_ms(self) -> int:
        now_ns = self._clock.monotonic_ns()
        due_ms = max(0, math.ceil(ms(self._panel.due_ns(now_ns) - now_ns)))
        told = self._panel.locked == self._told_locked
        return min(due_ms, IDLE_MS if told else RETRY_MS)


def _belt(settings: Gpio, wires: Wires) -> TimedBelt | EncodedBelt:
    """Where no distance counts, any speed will do."""
    encoder = settings.encoder
    if encoder is None:
        return TimedBelt(settings.belt_mm_s or 1.0)
    if encoder.b is None:
        return EncodedBelt(encoder.mm_per_pulse)
    return EncodedBelt(encoder.mm_per_pulse, wires.active("a"), wires.active("b"))


class WiredLine:
    """The way to the PLC that the outputs listen to as well."""

    def __init__(self, link: PlcLink, outputs: Outputs) -> None:
        self._link = link
        self._outputs = outputs

    def publish_verdict(self, message: VerdictMessage, expires_ns: int | None) -> None:
        self._outputs.post(panel.Answered(message, expires_ns))
        self._link.publish_verdict(message, expires_ns)

    def publish_state(self, state: StateMessage) -> None:
        self._outputs.post(panel.Shown(state.state))
        self._link.publish_state(state)

    def heartbeat(self, counter: int) -> None:
        self._outputs.post(panel.Beat(counter))
        self._link.heartbeat(counter)

    def publish_ack(self, ack: TriggerAck) -> None:
        self._link.publish_ack(ack)

    def order_ack(self, ack: OrderAck) -> None:
        self._link.order_ack(ack)

    def alarm(self, code: str, alarm: AlarmMessage | None) -> None:
        self._link.alarm(code, alarm)
