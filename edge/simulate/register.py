"""How a PLC follows parts by its encoder: a shift register, from the sensor to the diverter.

Pure. Counts in, what to do out; ten lines of Structured Text on a real PLC (docs/simulate.md).
"""

from collections import deque
from dataclasses import dataclass
from enum import IntEnum


class Station(IntEnum):
    """Where the PLC must do something for a part, in the order of the belt."""

    CAMERA = 0  # send the trigger
    DIVERTER = 1  # decide, so early that the diverter can move
    CLEAR = 2  # back to rework


@dataclass(frozen=True, slots=True, order=True)
class Reached:
    """The part has come to a station: the PLC's own number for it, counted at the sensor."""

    at_count: int
    number: int
    station: Station


class ShiftRegister:
    """Distances are counts from the moment at which the part's front was at the sensor."""

    def __init__(self, distances: dict[Station, int]) -> None:
        self._distances = distances
        self._ahead: dict[Station, deque[tuple[int, int]]] = {name: deque() for name in Station}
        self.entered = 0

    def enter(self, count: int) -> int:
        """A part's front is at the sensor, at this (latched) count. Returns its number."""
        number = self.entered
        self.entered += 1
        for station, parts in self._ahead.items():
            parts.append((count + self._distances[station], number))
        return number

    def scan(self, count: int) -> list[Reached]:
        """What the belt has brought by now, in its order; each part once at each station."""
        reached = []
        for station, parts in self._ahead.items():
            while parts and parts[0][0] <= count:
                reached.append(Reached(*parts.popleft(), station))
        return sorted(reached)
