"""The section `[gpio]`: what fits together and what does not."""

import pytest
from pydantic import ValidationError

from edge.config import Gpio

BELT = {"belt_mm_s": 400}
DIVERTER = {"line": 20, "at_mm": 500, "window_mm": 20, "min_gap_mm": 60}
REJECTS = {**DIVERTER, "moves": "reject"}
BUTTON = {"acknowledge": {"line": 6}}


def test_everything_may_be_left_out() -> None:
    gpio = Gpio()
    assert (gpio.inputs, gpio.outputs) == ({}, {})


def test_inputs_and_outputs_are_known_by_name() -> None:
    gpio = Gpio.model_validate(
        {
            **BELT,
            **BUTTON,
            "diverter": DIVERTER,
            "lamps": {"red": 23, "active_low": True},
            "watchdog": {"line": 24},
        }
    )
    assert {name: wired.line for name, wired in gpio.inputs.items()} == {"acknowledge": 6}
    outputs = {name: (wired.line, wired.active_low) for name, wired in gpio.outputs.items()}
    assert outputs == {"diverter": (20, False), "red": (23, True), "watchdog": (24, False)}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"trigger": {"line": 4}, "watchdog": {"line": 4}}, "lines are wired twice: 4"),
        ({"encoder": {"a": 5, "b": 5, "mm_per_pulse": 1}}, "lines are wired twice: 5"),
        ({**BELT, "encoder": {"a": 5, "mm_per_pulse": 1}}, "either gpio.encoder or"),
        ({"diverter": DIVERTER}, "distances on the belt need"),
        ({"trigger": {"line": 4, "camera_mm": 5}}, "distances on the belt need"),
        ({"confirm": {"line": 5, "within_mm": 9}}, "need gpio.diverter"),
        (BUTTON, "need gpio.diverter"),
        ({**BELT, "diverter": {**DIVERTER, "min_gap_mm": 39}}, "two windows at least"),
        ({**BELT, "diverter": {**DIVERTER, "at_mm": 80}}, "leaves no way"),
        (
            {**BELT, "diverter": DIVERTER, "trigger": {"line": 4, "camera_mm": 480}},
            "leaves no way",
        ),
        ({**BELT, **BUTTON, "diverter": REJECTS}, "needs gpio.watchdog"),
        ({**BELT, "watchdog": {"line": 9}, "diverter": REJECTS}, "need gpio.acknowledge"),
        (
            {**BELT, "diverter": DIVERTER, "confirm": {"line": 5, "within_mm": 9}},
            "need gpio.acknowledge",
        ),
        ({"chip": "gpiochip0"}, "chip"),
    ],
)
def test_what_does_not_fit_together_is_refused(section: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Gpio.model_validate(section)
