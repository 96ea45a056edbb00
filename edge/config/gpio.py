"""The section of inputs and outputs: lines of a GPIO chip, and the belt that carries the parts."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge.config.section import Section

Line = Annotated[int, Field(ge=0, le=1023)]  # its offset on the chip
Mm = Annotated[float, Field(gt=0, le=100_000)]
Pull = Literal["none", "up", "down"]


class Input(Section):
    """A line that is read. It counts when it becomes active."""

    line: Line
    active_low: bool = False
    pull: Pull = "none"
    debounce_ms: Annotated[float, Field(ge=0, le=1000)] = 1.0


class TriggerInput(Input):
    """The light barrier that sees a part come."""

    camera_mm: Annotated[float, Field(ge=0, le=100_000)] = 0.0  # from the barrier to the camera


class ConfirmInput(Input):
    """The sensor that sees a rejected part leave."""

    within_mm: Mm  # behind the diverter's window, at the latest


class AcknowledgeInput(Input):
    """The button that releases the line after `reject_unconfirmed`."""

    debounce_ms: Annotated[float, Field(ge=0, le=1000)] = 50.0


class EncoderInput(Section):
    """A wheel on the belt. With channel b it knows the direction."""

    a: Line
    b: Line | None = None
    pull: Pull = "none"
    mm_per_pulse: Annotated[float, Field(gt=0, le=1000)]  # one whole period of channel a


class Output(Section):
    """A line that is driven."""

    line: Line
    active_low: bool = False


class DiverterOutput(Output):
    """What parts good from bad. All distances are of the belt, from where the part was seen."""

    moves: Literal["pass", "reject"] = "pass"  # what an active line does with a part
    at_mm: Mm  # from the trigger to the middle of the diverter
    window_mm: Mm  # before and behind the middle, for which it stands
    min_gap_mm: Mm  # parts that follow closer cannot be told apart
    stale_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0


class Lamps(Section):
    """The stack light."""

    green: Line | None = None
    yellow: Line | None = None
    red: Line | None = None
    active_low: bool = False


class Gpio(Section):
    """Everything beside `chip` may be left out."""

    chip: Annotated[str, Field(pattern=r"^/dev/\w+$")] = "/dev/gpiochip0"
    belt_mm_s: Annotated[float, Field(gt=0, le=20_000)] | None = None  # without an encoder
    encoder: EncoderInput | None = None
    trigger: TriggerInput | None = None
    diverter: DiverterOutput | None = None
    confirm: ConfirmInput | None = None
    acknowledge: AcknowledgeInput | None = None
    lamps: Lamps = Lamps()
    watchdog: Output | None = None

    @property
    def inputs(self) -> dict[str, Input]:
        """By name, but for the encoder's."""
        named = {
            "trigger": self.trigger,
            "confirm": self.confirm,
            "acknowledge": self.acknowledge,
        }
        return {name: wired for name, wired in named.items() if wired is not None}

    @property
    def outputs(self) -> dict[str, Output]:
        """By name; each lamp is one."""
        lamps = {
            name: Output(line=line, active_low=self.lamps.active_low)
            for name in ("green", "yellow", "red")
            if (line := getattr(self.lamps, name)) is not None
        }
        named = {"diverter": self.diverter, "watchdog": self.watchdog}
        return lamps | {name: wired for name, wired in named.items() if wired is not None}

    @model_validator(mode="after")
    def _every_line_is_used_once(self) -> Self:
        used = [wired.line for wired in self.inputs.values()]
        used += [wired.line for wired in self.outputs.values()]
        if self.encoder is not None:
            used += [line for line in (self.encoder.a, self.encoder.b) if line is not None]
        twice = sorted({line for line in used if used.count(line) > 1})
        if twice:
            raise ValueError(f"lines are wired twice: {', '.join(map(str, twice))}")
        return self

    @model_validator(mode="after")
    def _belt_is_known(self) -> Self:
        delayed = self.trigger is not None and self.trigger.camera_mm > 0
        if self.encoder is not None and self.belt_mm_s is not None:
            raise ValueError("either gpio.encoder or gpio.belt_mm_s says how the belt moves")
        if (self.diverter or delayed) and self.encoder is None and self.belt_mm_s is None:
            raise ValueError("distances on the belt need gpio.encoder or gpio.belt_mm_s")
        return self

    @model_validator(mode="after")
    def _diverter_can_do_it(self) -> Self:
        diverter = self.diverter
        if diverter is None:
            if self.confirm is not None or self.acknowledge is not None:
                raise ValueError("gpio.confirm and gpio.acknowledge need gpio.diverter")
            return self
        if diverter.min_gap_mm < 2 * diverter.window_mm:
            raise ValueError("gpio.diverter.min_gap_mm must be two windows at least")
        camera_mm = self.trigger.camera_mm if self.trigger else 0.0
        if diverter.at_mm <= diverter.window_mm + max(diverter.min_gap_mm, camera_mm):
            raise ValueError("gpio.diverter.at_mm leaves no way from camera to diverter")
        if diverter.moves == "reject" and self.watchdog is None:
            raise ValueError("moves = 'reject' needs gpio.watchdog: a dead box would pass all")
        if (diverter.moves == "reject" or self.confirm is not None) and self.acknowledge is None:
            raise ValueError("gpio.confirm and moves = 'reject' need gpio.acknowledge, a button")
        return self
