"""The line that is simulated, as a file (docs/simulate.md). Millimetres, seconds from the start."""

import tomllib
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from edge.config.section import Section
from edge.config.sections import TopicPrefix
from edge.core.errors import ConfigError
from edge.core.recipe import explain

SLACK_MS = 50.0  # for the scans of the PLC and the wake-ups of this machine
LEAST_DEADLINE_MS = 50

Millimetres = Annotated[float, Field(gt=0, le=100_000)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Speed = Annotated[float, Field(ge=0, le=20_000)]


class Parts(Section):
    """What comes along the belt."""

    count: Annotated[int, Field(ge=1, le=100_000)] | None = None  # None: as `seconds` says
    seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None  # as many as come in that time
    length_mm: Millimetres = 80.0
    spacing_mm: tuple[Millimetres, Millimetres] = (130.0, 220.0)  # front to front: least, most
    defect_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    seed: int = 1

    @model_validator(mode="after")
    def _are_a_queue(self) -> Self:
        least, most = self.spacing_mm
        if least > most:
            raise ValueError("spacing_mm: the first number is the smaller one")
        if least <= self.length_mm:
            raise ValueError(f"spacing_mm: below {self.length_mm:g} mm (length_mm) parts overlap")
        if self.count is not None and self.seconds is not None:
            raise ValueError("count and seconds: give one of them")
        return self


class Change(Section):
    """From `at_s` on the belt goes to another speed, evenly within `ramp_s`. 0: it stops."""

    at_s: Seconds
    speed_mm_s: Speed
    ramp_s: Annotated[float, Field(ge=0, le=600)] = 0.5


class Conveyor(Section):
    """The belt and its encoder."""

    speed_mm_s: Annotated[float, Field(gt=0, le=20_000)] = 300.0
    pulses_per_mm: Annotated[float, Field(gt=0, le=1000)] = 10.0
    repeat_s: Annotated[float, Field(ge=5, le=86_400)] | None = None  # the changes again and again
    change: Annotated[tuple[Change, ...], Field(max_length=200)] = ()

    @model_validator(mode="after")
    def _changes_in_order(self) -> Self:
        for before, after in pairwise(self.change):
            if after.at_s < before.at_s + before.ramp_s:
                raise ValueError(f"change at {after.at_s:g} s: the one before is not over yet")
        last = self.change[-1] if self.change else None
        if last and self.repeat_s is not None and last.at_s + last.ramp_s > self.repeat_s:
            raise ValueError(f"repeat_s: the change at {last.at_s:g} s is not over by then")
        return self

    @property
    def fastest_mm_s(self) -> float:
        return max(self.speed_mm_s, *(change.speed_mm_s for change in self.change), 0.0)


class Layout(Section):
    """Where things stand along the belt, how fast they are, and how they are spoken to."""

    sensor_to_camera_mm: Millimetres = 150.0  # from the light barrier to the camera's middle
    camera_to_diverter_mm: Millimetres = 600.0
    diverter_reaction_ms: Annotated[float, Field(ge=1, le=10_000)] = 40.0
    transport_ms: Annotated[float, Field(ge=0, le=10_000)] = 150.0  # granted to the network
    topics: TopicPrefix = "sim/hall1/line1/gate1/vision"  # of the gate
    io_topics: TopicPrefix = "sim/io"  # of sensor, encoder and diverter


class Trouble(StrEnum):
    """What can go wrong by script."""

    CAMERA_LOST = "camera_lost"
    CAMERA_FROZEN = "camera_frozen"
    CAMERA_BLACK = "camera_black"
    PREDICT_KILLED = "predict_killed"
    PREDICT_STOPPED = "predict_stopped"
    GATE_KILLED = "gate_killed"
    GATE_STOPPED = "gate_stopped"
    BROKER_AWAY = "broker_away"
    PLC_SILENT = "plc_silent"
    PLC_BABBLING = "plc_babbling"
    SYNC_STOPPED = "sync_stopped"
    TRAINER_STOPPED = "trainer_stopped"

    @property
    def is_a_blow(self) -> bool:
        """Over at once: the supervisor starts what was killed again."""
        return self in (Trouble.PREDICT_KILLED, Trouble.GATE_KILLED)

    @property
    def is_of_the_plc(self) -> bool:
        return self in (Trouble.PLC_SILENT, Trouble.PLC_BABBLING)


class Fault(Section):
    """One trouble, from a time or from the moment at which a part is at the sensor."""

    what: Trouble
    at_s: Seconds | None = None
    at_part: Annotated[int, Field(ge=0)] | None = None  # the first one is 0
    for_s: Annotated[float, Field(gt=0, le=3600)] | None = None

    @model_validator(mode="after")
    def _says_when_and_how_long(self) -> Self:
        if (self.at_s is None) == (self.at_part is None):
            raise ValueError("give at_s or at_part")
        if self.what.is_a_blow and self.for_s is not None:
            raise ValueError(f"for_s: {self.what} is over at once, it starts again by itself")
        if not self.what.is_a_blow and self.for_s is None:
            raise ValueError(f"for_s is missing: how long {self.what} holds")
        return self


class Scenario(Section):
    parts: Parts = Parts()
    conveyor: Conveyor = Conveyor()
    layout: Layout = Layout()
    fault: Annotated[tuple[Fault, ...], Field(max_length=1000)] = ()

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        gap_mm = self.parts.spacing_mm[0] - self.parts.length_mm
        if gap_mm < self.lead_mm:
            raise ValueError(
                f"parts.spacing_mm: between two parts the diverter needs {self.lead_mm:.0f} mm at "
                f"{self.conveyor.fastest_mm_s:g} mm/s, there are {gap_mm:.0f}: more space, a "
                f"slower belt or a faster diverter"
            )
        if self.deadline_ms < LEAST_DEADLINE_MS:
            raise ValueError(
                f"layout.camera_to_diverter_mm: at {self.conveyor.fastest_mm_s:g} mm/s "
                f"{self.deadline_ms} ms are left for the verdict, {LEAST_DEADLINE_MS} are the "
                f"least: move the diverter away, or slow down"
            )
        return self

    @property
    def lead_mm(self) -> float:
        """So long before a part the diverter must be told, at the highest speed."""
        late_ms = self.layout.diverter_reaction_ms + SLACK_MS
        return self.conveyor.fastest_mm_s * late_ms / 1000

    @property
    def deadline_ms(self) -> int:
        """What is left for the gate between camera and diverter, at the highest speed."""
        way_mm = self.layout.camera_to_diverter_mm - self.parts.length_mm / 2 - self.lead_mm
        there_ms = 1000 * way_mm / self.conveyor.fastest_mm_s
        return int(there_ms - self.layout.transport_ms)

    @property
    def before_camera_ms(self) -> float:
        """So long after the trigger the part is still before the camera, at the highest speed."""
        return 1000 * self.parts.length_mm / 2 / self.conveyor.fastest_mm_s

    @property
    def frame_within_ms(self) -> float:
        """The recipe's: what is left is for the trigger's way."""
        return self.before_camera_ms / 4

    @property
    def ack_ms(self) -> float:
        """Our own PLC's limit for `trigger/ack`; the last quarter is for this machine's delay."""
        return self.before_camera_ms / 2

    @property
    def tardy_ack_ms(self) -> float:
        """From here on another's PLC may refuse a pass, from `latest_ack_ms` on it must: later, the
        picture may be of the next part."""
        return self.before_camera_ms / 4

    @property
    def latest_ack_ms(self) -> float:
        return self.before_camera_ms - self.frame_within_ms


DEFAULT = Scenario(
    parts=Parts(count=100),
    conveyor=Conveyor(
        repeat_s=30,
        change=(
            Change(at_s=8, speed_mm_s=400, ramp_s=2),
            Change(at_s=16, speed_mm_s=250, ramp_s=2),
            Change(at_s=22, speed_mm_s=0),
            Change(at_s=23.5, speed_mm_s=300),
        ),
    ),
)


def load_scenario(path: Path) -> Scenario:
    """Read a scenario. Raises ConfigError that names the file, the key and the mend."""
    try:
        return Scenario.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error, 'docs/simulate.md')}") from error
