"""The wires on the kernel's own simulated chip: real lines, edges and timestamps.

Needs root and the kernel module gpio-sim (`modprobe gpio-sim`); no system package brings it where
the kernel was built without.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.config import Gpio
from edge.core.errors import GpioError
from edge.core.messages import By, StateWord, Trigger, Verdict, VerdictMessage
from edge.plc import panel
from edge.plc.gpio import BUFFER, Wires, libgpiod
from edge.plc.output import Outputs
from edge.plc.panel import Edge, Missed, safe_levels

CONFIGFS = Path("/sys/kernel/config/gpio-sim")
TRIGGER, BUTTON, CONFIRM, A, B, DIVERTER, RED, WATCHDOG = range(8)


@pytest.fixture(autouse=True, scope="module")
def _kernel() -> None:
    if not os.access(CONFIGFS, os.W_OK):
        pytest.skip("the kernel has no module gpio-sim, or this is not root")


UNTIL = datetime(2026, 1, 1, tzinfo=UTC)


class SimChip:
    def __init__(self) -> None:
        self._bank = CONFIGFS / f"linegate-{os.getpid()}" / "bank0"
        self._bank.mkdir(parents=True)
        (self._bank / "num_lines").write_text("8")
        self._live(1)
        name = (self._bank / "chip_name").read_text().strip()
        device = (self._bank.parent / "dev_name").read_text().strip()
        self.path = f"/dev/{name}"
        self._lines = Path("/sys/devices/platform", device, name)

    def pull(self, line: int, up: bool) -> None:
        (self._lines / f"sim_gpio{line}" / "pull").write_text("pull-up" if up else "pull-down")

    def level(self, line: int) -> bool:
        return (self._lines / f"sim_gpio{line}" / "value").read_text().strip() == "1"

    def pulse(self, line: int) -> None:
        self.pull(line, True)
        time.sleep(0.05)  # longer than the debounce, also on a slow machine
        self.pull(line, False)

    def close(self) -> None:
        self._live(0)
        self._bank.rmdir()
        self._bank.parent.rmdir()

    def _live(self, on: int) -> None:
        (self._bank.parent / "live").write_text(str(on))


@pytest.fixture
def sim() -> Iterator[SimChip]:
    chip = SimChip()
    yield chip
    chip.close()


def settings(sim: SimChip, **more: object) -> Gpio:
    usual = {
        "chip": sim.path,
        "belt_mm_s": 1000.0,
        "trigger": {"line": TRIGGER},
        "diverter": {"line": DIVERTER, "at_mm": 300, "window_mm": 40, "min_gap_mm": 100},
        "lamps": {"red": RED},
        "watchdog": {"line": WATCHDOG},
    }
    values = {**usual, **more}
    return Gpio.model_validate({k: v for k, v in values.items() if v is not None})


@pytest.fixture
def opened(sim: SimChip) -> Iterator[Callable[..., Wires]]:
    made: list[Wires] = []

    def open_(**more: object) -> Wires:
        wanted = settings(sim, **more)
        made.append(Wires(wanted, safe_levels(wanted), libgpiod))
        return made[-1]

    yield open_
    for wires in made:
        wires.close()


def soon(ask: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not ask():
        assert time.monotonic() < until
        time.sleep(0.002)


def test_outputs_show_the_safe_levels_and_what_they_are_told(
    sim: SimChip, opened: Callable[..., Wires]
) -> None:
    wires = opened()
    assert [sim.level(line) for line in (DIVERTER, RED, WATCHDOG)] == [False, True, False]
    wires.drive({"diverter": True, "red": False, "watchdog": True})
    assert [sim.level(line) for line in (DIVERTER, RED, WATCHDOG)] == [True, False, True]


def test_active_low_output_is_up_while_it_rests(sim: SimChip, opened: Callable[..., Wires]) -> None:
    opened(watchdog={"line": WATCHDOG, "active_low": True})
    assert sim.level(WATCHDOG)


def test_edge_comes_with_its_time_on_our_clock(sim: SimChip, opened: Callable[..., Wires]) -> None:
    wires = opened()
    before_ns = time.monotonic_ns()
    sim.pulse(TRIGGER)
    (edge,) = wires.edges()
    assert isinstance(edge, Edge) and (edge.name, edge.rising) == ("trigger", True)
    assert before_ns < edge.at_ns < time.monotonic_ns()


def test_two_channels_of_an_encoder_come_in_order(
    sim: SimChip, opened: Callable[..., Wires]
) -> None:
    encoder = {"a": A, "b": B, "mm_per_pulse": 4.0}
    wires = opened(belt_mm_s=None, encoder=encoder)
    assert not wires.active("a")
    for line, up in ((A, True), (B, True), (A, False), (B, False)):
        sim.pull(line, up)
        time.sleep(0.005)  # the kernel reads the level after the edge, to know which it was
    seen = [(e.name, e.rising) for e in wires.edges() if isinstance(e, Edge)]
    assert seen == [("a", True), ("b", True), ("a", False), ("b", False)]


def test_buffer_that_ran_over_is_noticed(sim: SimChip, opened: Callable[..., Wires]) -> None:
    wires = opened(belt_mm_s=None, encoder={"a": A, "b": B, "mm_per_pulse": 4.0})
    sim.pull(A, True)
    assert len(list(wires.edges())) == 1
    for _ in range(BUFFER):
        sim.pull(A, False)
        sim.pull(A, True)
    kinds = [type(event) for _ in range(BUFFER) for event in _ready(wires)]
    assert Missed in kinds


def _ready(wires: Wires) -> list[Edge | Missed]:
    assert wires.fd is not None
    return list(wires.edges()) if select.select([wires.fd], [], [], 0)[0] else []


def test_line_that_another_holds_is_refused(sim: SimChip, opened: Callable[..., Wires]) -> None:
    opened()
    with pytest.raises(GpioError, match="busy"):
        opened()


def test_line_that_the_chip_lacks_is_refused(opened: Callable[..., Wires]) -> None:
    with pytest.raises(GpioError, match="gpio"):
        opened(watchdog={"line": 99})


def test_part_goes_from_barrier_to_diverter(sim: SimChip) -> None:
    parts: list[Trigger] = []
    wanted = settings(sim)
    outputs = Outputs(wanted, 1000, "run1", None, libgpiod, SystemClock())
    outputs.start(parts.append, lambda why: True, lambda: None)
    try:
        outputs.post(panel.Shown(StateWord.READY))
        outputs.post(panel.Beat(1))
        time.sleep(0.5)  # what lay on the belt has left
        sim.pulse(TRIGGER)
        soon(lambda: parts)
        message = VerdictMessage(
            part_id=parts[0].part_id, seq=1, inspection_id="i", verdict=Verdict.PASS,
            by=By.MODEL, recipe="disc", latency_ms=1.0, valid_until=UNTIL,
        )  # fmt: skip
        outputs.post(panel.Answered(message, None))
        assert not sim.level(DIVERTER)
        soon(lambda: sim.level(DIVERTER))
        soon(lambda: not sim.level(DIVERTER))
    finally:
        outputs.close()
    assert not sim.level(DIVERTER)


HOLDER = """
import sys, time
from edge.config import Gpio
from edge.plc.gpio import Wires, libgpiod
settings = Gpio.model_validate({"chip": sys.argv[1], "watchdog": {"line": 7}})
wires = Wires(settings, {"watchdog": True}, libgpiod)
print("held", flush=True)
time.sleep(60)
"""


def test_lines_of_a_killed_process_are_free_again(
    sim: SimChip, opened: Callable[..., Wires]
) -> None:
    """What level they take then is the driver's affair: this one gives them back to their pull,
    a Raspberry Pi's leaves them as they were."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, sim.path], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    assert sim.level(WATCHDOG)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert not sim.level(WATCHDOG)
    opened()
