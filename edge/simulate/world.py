"""What happens at the line, and what became of every part: belt, diverter, triggers and lanes.

Pure: events come with their times, in seconds since the start. Judging is referee.py's.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from edge.core.messages import Seq
from edge.plc.rules import Lane
from edge.simulate.belt import Belt, Passing, Place
from edge.simulate.diverter import Diverter

Key = tuple[str, Seq]  # part_id and seq: what names an inspection


@dataclass(frozen=True, slots=True)
class Ordered:
    """The diverter was told to let parts by, or to send them to rework."""

    let_by: bool
    at_s: float


@dataclass(frozen=True, slots=True)
class Asked:
    """The PLC sent a trigger."""

    key: Key
    at_s: float


@dataclass(frozen=True, slots=True)
class Laned:
    """Where the rules of the line (plc/rules.py) put the part that this trigger was for."""

    key: Key
    lane: Lane
    silent: bool  # the window ended without a verdict
    at_s: float
    taken_ms: float | None = None  # so long after its trigger the gate took the part


Event = Ordered | Asked | Laned


@dataclass(slots=True)
class Passed:
    """What became of a part: known when its rear has left the diverter."""

    number: int
    asked: list[Asked] = field(default_factory=list)
    let_by: bool = False
    diverter_moved: bool = False  # while the part went through it
    is_out: bool = False


class World:
    """Events first, then `advance`: what was ordered by then counts."""

    def __init__(self, belt: Belt, diverter: Diverter) -> None:
        self.parts = [Passed(number) for number in range(belt.parts)]
        self.strays: list[Asked] = []  # triggers while no part stood before the camera
        self.passes_s: dict[Key, float] = {}  # when the rules first said: pass
        self.taken_ms: dict[Key, float] = {}  # of these, how long after the trigger
        self.silent: set[Key] = set()
        self.latest: deque[Key] = deque(maxlen=2)  # triggers
        self._belt = belt
        self._diverter = diverter
        self._passings = belt.passings()
        self._next = next(self._passings, None)

    @property
    def busy(self) -> bool:
        """Whether a part is still to come or on the belt."""
        return self._next is not None

    def take(self, event: Event) -> None:
        match event:
            case Ordered(let_by, at_s):
                self._diverter.order(let_by, at_s)
            case Asked(key, at_s):
                self.latest.append(key)
                number = self._belt.before_camera(at_s)
                asked = self.strays if number is None else self.parts[number].asked
                asked.append(event)
            case Laned(key, lane, silent, at_s, taken_ms):
                if lane is Lane.PASS:
                    self.passes_s.setdefault(key, at_s)
                    self.taken_ms.setdefault(key, taken_ms or 0.0)
                if silent:
                    self.silent.add(key)

    def advance(self, until_s: float) -> Iterator[Passing]:
        """All that passes a place up to now, in its order."""
        while self._next is not None and self._next.at_s <= until_s:
            passing, self._next = self._next, next(self._passings, None)
            self._pass(passing)
            yield passing

    def _pass(self, passing: Passing) -> None:
        part = self.parts[passing.number]
        if passing.place is Place.DIVERTER:
            part.let_by = self._diverter.lets_by(passing.at_s)
        elif passing.place is Place.OUT:
            since_s = self._belt.when(passing.number, Place.DIVERTER)
            part.diverter_moved = self._diverter.moved(since_s, passing.at_s)
            part.is_out = True
