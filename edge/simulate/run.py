"""The run: the belt in real time, one of the two PLCs at it, the script, and then the judgement."""

import queue
import threading
from collections.abc import Callable
from typing import Protocol

from edge.camera.belt import Belt as CameraBelt
from edge.camera.belt import Stand
from edge.clock import SystemClock
from edge.demo.station import DemoStation
from edge.plc.virtual import VirtualPlc
from edge.simulate.belt import Belt, Passing, Place
from edge.simulate.report import Timing
from edge.simulate.world import Event, Passed, World

SCAN_S = 0.005  # a PLC's cycle
BEGIN_S = 0.5  # from the start until the belt moves: the camera reads who will come
INBOX = 10_000


class Side(Protocol):
    """A PLC at the line: own_plc.py or their_plc.py."""

    @property
    def line(self) -> VirtualPlc:
        """The rules of the line, as they look at this PLC's parts."""
        ...

    @property
    def held_up(self) -> set[int]:
        """Parts that this machine had no time for."""
        ...

    def wait_for_start(self, timeout_s: float) -> bool: ...
    def passing(self, passing: Passing, count: int, part: Passed) -> None: ...
    def scan(self, count: int, at_s: float) -> None: ...
    def ended(self) -> None: ...
    def close(self) -> None: ...


class Stopwatch:
    """Seconds since the belt's start; negative before."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self.origin_ns: int | None = None

    def start(self, in_s: float) -> int:
        """Begin to count so much later. Returns the time 0 of CLOCK_MONOTONIC."""
        self.origin_ns = self._clock.monotonic_ns() + round(in_s * 1e9)
        return self.origin_ns

    def now_s(self) -> float:
        if self.origin_ns is None:
            return -1.0
        return (self._clock.monotonic_ns() - self.origin_ns) / 1e9


class Inbox:
    """What other threads tell the belt's; `tell` never blocks."""

    def __init__(self) -> None:
        self._events: queue.Queue[Event] = queue.Queue(INBOX)
        self.dropped = 0

    def tell(self, event: Event) -> None:
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self.dropped += 1

    def empty_into(self, world: World) -> None:
        while True:
            try:
                world.take(self._events.get_nowait())
            except queue.Empty:
                return


def show_camera(station: DemoStation, belt: Belt, origin_ns: int) -> None:
    """Tell the simulated camera who will stand before it when."""
    path = station.config.camera[0].simulator.belt
    assert path is not None
    stands = tuple(
        Stand(number=number, from_ns=origin_ns + _ns(since_s), to_ns=origin_ns + _ns(until_s))
        for number, (since_s, until_s) in enumerate(belt.stands)
    )
    beside = path.with_suffix(".tmp")
    beside.write_text(CameraBelt(parts=stands).model_dump_json())
    beside.replace(path)


def move(
    world: World,
    belt: Belt,
    side: Side,
    watch: Stopwatch,
    inbox: Inbox,
    stop: threading.Event,
    told: Callable[[int], None],
) -> Timing:
    """Move the belt until it is empty, or until told to stop. No turn is left out: where this
    machine stood still, the belt catches up, as the real one would have gone on."""
    latest_s = 0.0
    due_s = 0.0
    while world.busy and not stop.wait(max(0.0, due_s - watch.now_s())):
        latest_s = max(latest_s, watch.now_s() - due_s)
        inbox.empty_into(world)
        for passing in world.advance(due_s):
            side.passing(passing, belt.count(passing.at_s), world.parts[passing.number])
            if passing.place is Place.OUT:
                told(passing.number + 1)
        side.scan(belt.count(due_s), due_s)
        due_s += SCAN_S
    side.ended()
    return Timing(latest_s * 1000, inbox.dropped, frozenset(side.held_up))


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
