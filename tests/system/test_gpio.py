"""A gate that drives its own diverter: real processes, a real model, wires of files.

Parts are seen by the light barrier alone; no PLC and no broker is there.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bundles import make_bundle
from plc.chip import history

from edge.core.errors import LinegateError
from edge.core.orders import Status, StatusOrder
from edge.gate.control import send_order

TRIGGER, CONFIRM, BUTTON, DIVERTER, GREEN, RED, WATCHDOG = 4, 5, 6, 20, 21, 23, 24

STATION = f"""\
state_dir = "state"
[station]
device = "box"
[[camera]]
kind = "simulator"
grab_timeout_ms = 1000
[camera.simulator]
width_px = 320
height_px = 240
[predict]
models = "models"
[gate]
recipe = "disc"
level = "full"
[store]
warn_mb = 1
prune_mb = 1
stop_images_mb = 1
records_only_mb = 1
[plc]
port = 1
[gpio]
belt_mm_s = 1000
[gpio.trigger]
line = {TRIGGER}
[gpio.diverter]
line = {DIVERTER}
at_mm = 1500
window_mm = 50
min_gap_mm = 120
[gpio.confirm]
line = {CONFIRM}
within_mm = 200
[gpio.acknowledge]
line = {BUTTON}
[gpio.lamps]
green = {GREEN}
red = {RED}
[gpio.watchdog]
line = {WATCHDOG}
"""
RECIPE = 'name = "disc"\nmodel = "toy"\ndeadline_ms = 1000\n'


class Gate:
    """A folder with a station, its two processes and the ends of its wires."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, name: str, *command: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self.jobs[name] = subprocess.Popen([sys.executable, *command], stdout=log, stderr=log)
        log.close()

    def start_gate(self) -> None:
        (self.folder / "shown").unlink(missing_ok=True)
        script = str(Path(__file__).with_name("gpio_gate.py"))
        self.run("gate", script, str(self.folder / "station.toml"), str(self.folder))
        self.until(lambda: len(self.of(WATCHDOG)) > 2)

    def edge(self, line: int) -> None:
        fifo = os.open(self.folder / "script", os.O_WRONLY)
        os.write(fifo, f"{line} rising now\n".encode())
        os.close(fifo)

    def of(self, line: int) -> list[bool]:
        shown = self.folder / "shown"
        return history(shown, line) if shown.exists() else []

    def status(self) -> Status | None:
        try:
            return send_order(self.folder / "state" / "gate.sock", StatusOrder(), 1.0).status
        except LinegateError:
            return None

    def causes(self) -> set[str]:
        status = self.status()
        return {condition.code for condition in status.conditions} if status else {"away"}

    def until(self, ask: Callable[[], object]) -> None:
        until = time.monotonic() + 60
        while not ask():
            logs = [path.read_text()[-2000:] for path in self.folder.glob("*.log")]
            assert time.monotonic() < until, (self.status(), logs)
            time.sleep(0.02)

    def close(self) -> None:
        for job in self.jobs.values():
            job.kill()
            job.wait()


@pytest.fixture
def gate() -> Iterator[Gate]:
    folder = Path(tempfile.mkdtemp(prefix="lg"))  # short: Unix sockets lie below it
    gate = Gate(folder)
    try:
        (folder / "recipes").mkdir()
        (folder / "recipes" / "disc.toml").write_text(RECIPE)
        make_bundle(folder / "models" / "toy", kind="good", pass_below=0.98, rework_from=0.99)
        station = folder / "station.toml"
        station.write_text(STATION)
        gate.run("predict", "-m", "edge", "job", "predict", "--config", str(station))
        gate.start_gate()
        yield gate
    finally:
        gate.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.system
def test_gate_sorts_parts_by_itself_and_locks_when_a_reject_is_not_seen(gate: Gate) -> None:
    gate.until(lambda: gate.of(DIVERTER) == [False] and gate.causes() == {"broker_lost"})
    time.sleep(1.6)  # what lay on the belt has left
    gate.edge(TRIGGER)
    gate.until(lambda: gate.of(DIVERTER) == [False, True, False])

    gate.jobs["predict"].kill()  # no model, no pass
    gate.edge(TRIGGER)
    gate.until(lambda: "reject_unconfirmed" in gate.causes())
    assert gate.of(DIVERTER) == [False, True, False]

    gate.jobs["gate"].kill()  # a restart is no acknowledgement
    gate.jobs["gate"].wait()
    gate.start_gate()
    gate.until(lambda: "reject_unconfirmed" in gate.causes())
    gate.edge(BUTTON)
    gate.until(lambda: "reject_unconfirmed" not in gate.causes())


@pytest.mark.system
def test_killed_gate_toggles_its_watchdog_no_more(gate: Gate) -> None:
    gate.jobs["gate"].send_signal(signal.SIGKILL)
    gate.jobs["gate"].wait()
    last = gate.of(WATCHDOG)
    time.sleep(1.0)
    assert gate.of(WATCHDOG) == last


@pytest.mark.system
def test_stopped_gate_leaves_its_outputs_safe(gate: Gate) -> None:
    gate.jobs["gate"].terminate()
    assert gate.jobs["gate"].wait(timeout=20) == 0
    levels = json.loads((gate.folder / "shown").read_text().splitlines()[-1])
    assert [line for line, on in levels.items() if on] == [str(RED)]
