"""Which part is where and when: everything that will happen on the belt, known beforehand.

Pure. Times are seconds since the start; a part is where its front is, in mm of belt travelled.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from random import Random

from edge.core.errors import ConfigError
from edge.simulate.motion import Motion
from edge.simulate.scenario import Scenario

PARTS = 100  # where a scenario says neither how many nor how long


class Place(StrEnum):
    """What a part does there."""

    SENSOR_ON = "sensor_on"  # its front breaks the light
    SENSOR_OFF = "sensor_off"  # its rear frees it
    CAMERA = "camera"  # its middle is before the camera
    DECISION = "decision"  # the last place at which the diverter can be told in time
    DIVERTER = "diverter"  # its front is there
    OUT = "out"  # its rear has left the diverter


@dataclass(frozen=True, slots=True, order=True)
class Passing:
    """A part passes a place."""

    at_s: float
    number: int
    place: Place


class Belt:
    """Raises ConfigError if the belt stops for good before all parts are out."""

    def __init__(self, scenario: Scenario) -> None:
        self._motion = Motion(scenario.conveyor)
        self._pulses_per_mm = scenario.conveyor.pulses_per_mm
        length_mm, layout = scenario.parts.length_mm, scenario.layout
        diverter_mm = layout.sensor_to_camera_mm + layout.camera_to_diverter_mm
        self._ways_mm = {
            Place.SENSOR_ON: 0.0,
            Place.SENSOR_OFF: length_mm,
            Place.CAMERA: layout.sensor_to_camera_mm + length_mm / 2,
            Place.DECISION: diverter_mm - scenario.lead_mm,
            Place.DIVERTER: diverter_mm,
            Place.OUT: diverter_mm + length_mm,
        }
        self._half_mm = length_mm / 2
        self._fronts_mm = list(self._enter(scenario))
        self.stands = [self._stands(number) for number in range(len(self._fronts_mm))]
        self._came_s = [since_s for since_s, _ in self.stands]
        self.ends_s = self.when(self.parts - 1, Place.OUT)
        if self.ends_s == inf:
            raise ConfigError(
                "conveyor.change: the belt stops for good while parts are on it; let it run again"
            )

    @property
    def parts(self) -> int:
        return len(self._fronts_mm)

    def when(self, number: int, place: Place) -> float:
        """The time at which this part passes this place."""
        return self._motion.when(self._fronts_mm[number] + self._ways_mm[place])

    def count(self, at_s: float) -> int:
        """The encoder's count."""
        return int(self._motion.travelled(at_s) * self._pulses_per_mm)

    def pulses(self, place: Place) -> int:
        """The count from a part's front at the sensor until it passes this place."""
        return round(self._ways_mm[place] * self._pulses_per_mm)

    def before_camera(self, at_s: float) -> int | None:
        """The part on which the camera's middle looks at this time, if there is one."""
        number = bisect_right(self._came_s, at_s) - 1
        return number if number >= 0 and at_s <= self.stands[number][1] else None

    def most_in_flight(self) -> int:
        """The most parts between camera and diverter at once."""
        most, first = 0, 0
        for number in range(self.parts):
            while self.when(first, Place.DIVERTER) < self.when(number, Place.CAMERA):
                first += 1
            most = max(most, number - first + 1)
        return most

    def passings(self) -> Iterator[Passing]:
        """Everything that happens, in the order of time."""
        return heapq.merge(*(self._passings_at(place) for place in Place))

    def _passings_at(self, place: Place) -> Iterator[Passing]:
        for number in range(self.parts):
            yield Passing(self.when(number, place), number, place)

    def _stands(self, number: int) -> tuple[float, float]:
        middle_mm = self._fronts_mm[number] + self._ways_mm[Place.CAMERA]
        return (
            self._motion.when(middle_mm - self._half_mm),
            self._motion.when(middle_mm + self._half_mm),
        )

    def _enter(self, scenario: Scenario) -> Iterator[float]:
        """How far the belt has moved when each part's front is at the sensor."""
        parts = scenario.parts
        count = PARTS if parts.count is None and parts.seconds is None else parts.count
        rng = Random(parts.seed)
        front_mm = parts.spacing_mm[1]
        number = 0
        while (count is None or number < count) and self._comes_by(front_mm, parts.seconds):
            yield front_mm
            front_mm += rng.uniform(*parts.spacing_mm)
            number += 1
        if number == 0:
            raise ConfigError("parts.seconds: no part comes in that time; make it longer")

    def _comes_by(self, front_mm: float, seconds: float | None) -> bool:
        return seconds is None or self._motion.when(front_mm) <= seconds
