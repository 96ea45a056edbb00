"""How far the belt has moved at a time, and when it has moved so far: pure, exact, no steps."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, sqrt

from edge.simulate.scenario import Change, Conveyor

LIMIT_S = 86_400.0  # repeated changes end here; then the belt keeps its speed


@dataclass(frozen=True, slots=True)
class _Leg:
    """A time of constant acceleration; from `since_s` until the next leg begins."""

    since_s: float
    at_mm: float
    speed_mm_s: float
    gain_mm_s2: float

    def after(self, spent_s: float) -> float:
        """Where the belt is so long after the leg's begin, in mm from the start."""
        return self.at_mm + (self.speed_mm_s + self.gain_mm_s2 * spent_s / 2) * spent_s


class Motion:
    """The belt from time 0 on, at which it moves with its first speed."""

    def __init__(self, conveyor: Conveyor) -> None:
        self._legs = list(_legs(conveyor))
        self._times = [leg.since_s for leg in self._legs]
        self._ways = [leg.at_mm for leg in self._legs]

    def travelled(self, at_s: float) -> float:
        """Millimetres that the belt has moved since the start."""
        leg = self._legs[max(0, bisect_right(self._times, at_s) - 1)]
        return leg.after(max(0.0, at_s - leg.since_s))

    def when(self, way_mm: float) -> float:
        """The first time at which it has moved so far; infinite if it stops before for good."""
        leg = self._legs[max(0, bisect_left(self._ways, way_mm) - 1)]
        rest_mm = way_mm - leg.at_mm
        if rest_mm <= 0:
            return leg.since_s
        root = leg.speed_mm_s**2 + 2 * leg.gain_mm_s2 * rest_mm
        speeds = leg.speed_mm_s + sqrt(max(0.0, root))
        return leg.since_s + 2 * rest_mm / speeds if speeds > 0 else inf


def _legs(conveyor: Conveyor) -> Iterator[_Leg]:
    leg = _Leg(0.0, 0.0, conveyor.speed_mm_s, 0.0)
    for at_s, change in _changes(conveyor):
        way_mm = leg.after(at_s - leg.since_s)
        if at_s > leg.since_s:
            yield leg
        if change.ramp_s > 0:
            gain = (change.speed_mm_s - leg.speed_mm_s) / change.ramp_s
            ramp = _Leg(at_s, way_mm, leg.speed_mm_s, gain)
            yield ramp
            way_mm = ramp.after(change.ramp_s)
        leg = _Leg(at_s + change.ramp_s, way_mm, change.speed_mm_s, 0.0)
    yield leg


def _changes(conveyor: Conveyor) -> Iterator[tuple[float, Change]]:
    """All changes and their times in order, repeated ones included."""
    turns = 0 if conveyor.repeat_s is None else int(LIMIT_S / conveyor.repeat_s)
    for turn in range(turns + 1):
        for change in conveyor.change:
            yield change.at_s + turn * (conveyor.repeat_s or 0.0), change
