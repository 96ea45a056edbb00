"""The line's PLC: a process of its own at real-time priority, as it would be a machine of its own
that no load on the box holds up."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import click

from edge import log
from edge.camera.parts import part_id
from edge.clock import SystemClock
from edge.config import load_station
from edge.core.errors import LinegateError
from edge.core.topics import LineTopics
from edge.demo.station import DEADLINE_MS
from edge.plc.virtual import VirtualPlc
from soak.plan import Plan
from soak.witness import Sighting, Witness

READY_S, IDLE_S = 60.0, 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the PLC saw. `counts` are its own (PlcRules.summary); `late_ms`: by how much its own
    clock failed it at worst, when a part was due."""

    sightings: tuple[Sighting, ...]
    counts: dict[str, int]
    late_ms: float
    real_time: bool


class PlcProcess:
    """Our end of it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def wait_ready(self) -> None:
        """Raises LinegateError if the station does not come up."""
        if self._hear(READY_S + 5.0) is not True:
            raise LinegateError(f"the station was not ready after {READY_S:.0f} s: see its logs")

    def begin(self) -> None:
        """The first part comes."""
        self._pipe.send(True)

    def wait_end(self, seconds: float) -> Outcome:
        """When all parts have left, `seconds` after the first one came and a little."""
        outcome = self._hear(seconds + 60.0)
        assert isinstance(outcome, Outcome)
        return outcome

    def _hear(self, timeout_s: float) -> Any:
        if not self._pipe.poll(timeout_s):
            raise LinegateError(f"the virtual PLC said nothing for {timeout_s:.0f} s")
        return self._pipe.recv()


@contextmanager
def plc_process(config: Path, plan: Plan) -> Iterator[PlcProcess]:
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_drive, args=(config, plan, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield PlcProcess(ours)
    finally:
        ours.close()
        process.terminate()
        process.join(10)


def _drive(path: Path, plan: Plan, pipe: Connection) -> None:
    log.setup("soak", "", quiet=True)
    real_time = _go_first()
    config, clock = load_station(path), SystemClock()
    witness = Witness(clock)
    topics = LineTopics(config.station.topic_prefix)
    plc = VirtualPlc(config.plc, topics, clock, Random(), witness).start()
    pipe.send(plc.wait_ready(READY_S))
    pipe.recv()
    late_ms = _feed(plc, plan)
    plc.wait_idle(IDLE_S)
    counts = plc.summary()["plc"]
    plc.close()
    assert isinstance(counts, dict)
    pipe.send(Outcome(tuple(witness.sightings.values()), counts, late_ms, real_time))


def _go_first() -> bool:
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    return True


def _feed(plc: VirtualPlc, plan: Plan) -> float:
    """One part after the other at its time, whatever becomes of them."""
    began_s = time.monotonic()
    latest_s = 0.0
    for number in range(plan.parts):
        due_s = began_s + number / plan.parts_per_s
        time.sleep(max(0.0, due_s - time.monotonic()))
        latest_s = max(latest_s, time.monotonic() - due_s)
        plc.trigger(part_id(number), DEADLINE_MS)
        if number % 600 == 0:
            click.echo(f"{number} of {plan.parts} parts", err=True)
    return latest_s * 1000
