"""The wires: what libgpiod is asked for, and that the fake chip of the tests is not a dream."""

import inspect
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import gpiod
import pytest
from gpiod.line import Bias, Direction, Value
from gpiod.line import Edge as Detection
from plc.chip import FakeChip, FakeRequest, history

from edge.config import Gpio
from edge.core.errors import GpioError
from edge.plc.gpio import Wires, libgpiod
from edge.plc.panel import Edge, Missed, safe_levels

TRIGGER, CONFIRM, BUTTON, A, B = 4, 5, 6, 7, 8
DIVERTER, GREEN, YELLOW, RED, WATCHDOG = 20, 21, 22, 23, 24

SETTINGS = {
    "encoder": {"a": A, "b": B, "pull": "up", "mm_per_pulse": 4.0},
    "trigger": {"line": TRIGGER, "active_low": True, "pull": "up", "debounce_ms": 2.5},
    "diverter": {"line": DIVERTER, "at_mm": 500, "window_mm": 20, "min_gap_mm": 60},
    "confirm": {"line": CONFIRM, "within_mm": 100},
    "acknowledge": {"line": BUTTON},
    "lamps": {"green": GREEN, "yellow": YELLOW, "red": RED, "active_low": True},
    "watchdog": {"line": WATCHDOG},
}


def gpio(**more: object) -> Gpio:
    settings = {key: value for key, value in {**SETTINGS, **more}.items() if value is not None}
    return Gpio.model_validate(settings)


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[FakeChip]:
    chip = FakeChip(tmp_path)
    yield chip
    chip.close()


def wires(chip: FakeChip, settings: Gpio | None = None) -> Wires:
    settings = settings or gpio()
    return Wires(settings, safe_levels(settings), chip.request_lines)


# ---- the fake is like the real one ----


def parameters(call: object) -> list[tuple[str, object]]:
    signature = inspect.signature(call)  # type: ignore[arg-type]
    return [(name, p.default) for name, p in signature.parameters.items() if name != "self"]


@pytest.mark.parametrize("name", ["get_value", "set_values", "read_edge_events", "release"])
def test_fake_request_has_the_calls_of_the_real_one(name: str) -> None:
    fake, real = getattr(FakeRequest, name), getattr(gpiod.LineRequest, name)
    assert parameters(fake) == parameters(real)


def test_fake_chip_is_asked_as_libgpiod_is() -> None:
    real = parameters(gpiod.request_lines)
    assert parameters(FakeChip.request_lines) == real[:4] == parameters(libgpiod)
    assert all(default is None for _, default in real[4:])
    assert isinstance(gpiod.LineRequest.fd, property)


def test_missing_chip_says_what_to_do() -> None:
    settings = gpio(chip="/dev/gpiochip_none")
    with pytest.raises(GpioError, match=r"gpio\.chip /dev/gpiochip_none: .*gpioinfo"):
        Wires(settings, safe_levels(settings), libgpiod)


def test_file_that_is_no_chip_says_what_to_do() -> None:
    settings = gpio(chip="/dev/null")
    with pytest.raises(GpioError, match=r"gpio\.chip /dev/null"):
        Wires(settings, safe_levels(settings), libgpiod)


# ---- what is asked for ----


def test_outputs_are_safe_from_their_first_moment(chip: FakeChip) -> None:
    wires(chip)
    asked = chip.asked[0]
    assert (asked.path, asked.consumer) == ("/dev/gpiochip0", "linegate")
    first = {line: s.output_value for line, s in asked.request.config.items()}
    assert [line for line, value in first.items() if value is Value.ACTIVE] == [RED]
    assert {s.direction for s in asked.request.config.values()} == {Direction.OUTPUT}
    assert {n for n, s in asked.request.config.items() if s.active_low} == {GREEN, YELLOW, RED}


def test_diverter_that_rests_at_pass_rejects_from_its_first_moment(chip: FakeChip) -> None:
    diverter = {**SETTINGS["diverter"], "moves": "reject"}
    wires(chip, gpio(diverter=diverter))
    assert chip.levels[DIVERTER] is True


def test_inputs_are_debounced_by_the_kernel_but_for_the_encoder(chip: FakeChip) -> None:
    wires(chip)
    config = chip.asked[1].request.config
    assert config[TRIGGER] == gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Detection.RISING,
        bias=Bias.PULL_UP,
        active_low=True,
        debounce_period=timedelta(microseconds=2500),
    )
    assert config[BUTTON].debounce_period == timedelta(milliseconds=50)
    assert {config[line].debounce_period for line in (A, B)} == {timedelta()}
    assert {config[line].edge_detection for line in (A, B)} == {Detection.BOTH}
    assert chip.asked[1].event_buffer_size == 1024


def test_encoder_of_one_channel_asks_for_rising_edges_alone(chip: FakeChip) -> None:
    wires(chip, gpio(encoder={"a": A, "mm_per_pulse": 1.0}))
    assert chip.asked[1].request.config[A].edge_detection is Detection.RISING


# ---- in and out ----


def test_edges_come_by_name_in_order(chip: FakeChip) -> None:
    wired = wires(chip)
    chip.edge(TRIGGER, at=11)
    chip.edge(A, at=12)
    chip.edge(A, "falling", at=13)
    edges = [Edge("trigger", True, 11), Edge("a", True, 12), Edge("a", False, 13)]
    assert list(wired.edges()) == edges


def test_gap_in_the_numbers_of_edges_is_told(chip: FakeChip) -> None:
    wired = wires(chip)
    chip.edge(A, at=1)
    chip.lose(3)
    chip.edge(B, at=2)
    kinds = [type(event) for event in wired.edges()]
    assert kinds == [Edge, Missed, Edge]


def test_only_what_changes_is_written(chip: FakeChip) -> None:
    wired = wires(chip)
    levels = safe_levels(gpio()) | {"watchdog": True}
    wired.drive(levels)
    wired.drive(levels)
    assert len(chip.shown.read_text().splitlines()) == 3  # outputs, inputs, one change
    assert history(chip.shown, WATCHDOG) == [False, True]


def test_lamp_that_is_not_wired_is_left_out(chip: FakeChip) -> None:
    wired = wires(chip, gpio(lamps={"red": RED}))
    wired.drive({"green": True, "red": False, "watchdog": False, "diverter": False})
    assert chip.levels[RED] is False and GREEN not in chip.levels


def test_lines_are_given_back_if_the_inputs_cannot_be_had(chip: FakeChip) -> None:
    def busy(path, config, consumer=None, event_buffer_size=None):
        if event_buffer_size is not None:
            raise OSError(16, "Device or resource busy")
        return chip.request_lines(path, config, consumer, event_buffer_size)

    with pytest.raises(GpioError, match="busy"):
        Wires(gpio(), safe_levels(gpio()), busy)
    assert chip.asked[0].request.released


def test_station_without_inputs_or_without_outputs_asks_for_the_others_alone(
    chip: FakeChip,
) -> None:
    lamps = Gpio.model_validate({"lamps": {"red": RED}})
    assert wires(chip, lamps).fd is None
    barrier = Gpio.model_validate({"trigger": {"line": TRIGGER}})
    assert wires(chip, barrier).fd is not None
    assert [len(asked.request.config) for asked in chip.asked] == [1, 1]
