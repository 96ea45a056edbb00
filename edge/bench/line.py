"""The whole station at work: trigger to verdict by stage, the rate it sustains, memory, start."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psutil

from edge import jobs
from edge.bench.station import DEADLINE_MS, JPEG, PLAIN, lay_out
from edge.bench.table import Budget, Row, at_least, at_most, timed
from edge.clock import SystemClock
from edge.config import StationConfig
from edge.core.errors import LinegateError
from edge.core.messages import By
from edge.core.records import InspectionRecord
from edge.core.topics import LineTopics
from edge.plc.broker import Broker
from edge.plc.rules import Lane, Moved
from edge.plc.virtual import VirtualPlc
from edge.predict.bundle import Bundle
from edge.store.reader import LedgerReader
from edge.supervisor import Supervisor

START_S = 40.0
CALM_PARTS_PER_S, BUSY_PARTS_PER_S = 20.0, 30.0
IN_FLIGHT = 4  # of the closed loop that looks for the highest rate
SETTLE_S = 2.0
HOT_PATH = Budget(1.5, 5.0)
FAST = "FAST-"
STAGES = ("grab", "quality", "predict")


def rows(bundle: Bundle, folder: Path, seconds: float, raw_ms: float) -> list[Row]:
    """About four times `seconds` long. `raw_ms` is the p50 of the raw model in this run."""
    with Broker() as broker:
        config, path = lay_out(folder, bundle.folder, bundle.manifest.name, broker.port)
        began = time.monotonic()
        loop = ClosedLoop()
        with _running(config, path, folder, loop.moved) as (supervisor, plc):
            first_s = _first_verdict(plc) - began
            time.sleep(SETTLE_S)
            idle_mb = memory_mb(supervisor)
            _steadily(plc, PLAIN, CALM_PARTS_PER_S, seconds)
            _steadily(plc, JPEG, CALM_PARTS_PER_S, seconds)
            busy_mb = _steadily(
                plc, PLAIN, BUSY_PARTS_PER_S, seconds, lambda: memory_mb(supervisor)
            )
            per_s = loop.parts_per_s(plc, seconds)
            counted = plc.summary()
    records = _records(config)
    return [
        *_hot_path(records, raw_ms),
        at_least("sustained, durable, answered", per_s, "parts/s", 150),
        at_most("memory of all jobs, idle", idle_mb, "MB", 300),
        at_most(f"memory at {BUSY_PARTS_PER_S:g} parts/s", busy_mb, "MB", 350),
        at_most("start to first verdict", first_s, "s", 4),
        _promises(counted),
    ]


def _hot_path(records: Sequence[InspectionRecord], raw_ms: float) -> list[Row]:
    calm = [record for record in records if record.lot == _lot(PLAIN, CALM_PARTS_PER_S)]
    jpeg = [record for record in records if record.lot == _lot(JPEG, CALM_PARTS_PER_S)]
    after_grab = [record.latency_ms - record.stages_ms["grab"] for record in calm]
    whole = [record.latency_ms for record in jpeg]
    return [
        timed("trigger to verdict, 640x480, less grab", after_grab, raw_ms, HOT_PATH),
        timed("640x480 JPEG to verdict", whole, raw_ms, Budget(5.0, over_raw=False)),
        *(
            timed(f"  of it {stage}", [record.stages_ms[stage] for record in calm], None)
            for stage in STAGES
        ),
        timed(
            "  of it the rest: ledger, loop, threads",
            [r.latency_ms - sum(r.stages_ms[stage] for stage in STAGES) for r in calm],
            None,
        ),
    ]


def _promises(counted: dict[str, object]) -> Row:
    """Speed is worth nothing if a verdict was missed for it."""
    plc = counted["plc"]
    assert isinstance(plc, dict)
    return at_most("verdicts missed, late, double, unmatched", sum(plc.values()), "parts", 0)


@contextmanager
def _running(
    config: StationConfig, path: Path, folder: Path, on_move: Callable[[Moved], None]
) -> Iterator[tuple[Supervisor, VirtualPlc]]:
    supervisor = Supervisor(jobs.tasks(config, path), folder)
    supervisor.start()
    topics = LineTopics(config.station.topic_prefix)
    plc = VirtualPlc(config.plc, topics, SystemClock(), Random(), on_move=on_move).start()
    try:
        yield supervisor, plc
    finally:
        plc.close()
        supervisor.stop()


def _first_verdict(plc: VirtualPlc) -> float:
    """When the first part passed: asked again until one does."""
    until = time.monotonic() + START_S
    number = 0
    while time.monotonic() < until:
        if plc.wait_ready(0.05):
            seq = plc.trigger(f"FIRST-{number}", DEADLINE_MS, PLAIN)
            plc.wait_idle(2.0)
            if plc.lane(seq) in (Lane.PASS, Lane.REWORK):
                return time.monotonic()
            number += 1
    raise LinegateError(f"no verdict within {START_S:.0f} s: the station does not come up")


def _lot(recipe: str, parts_per_s: float) -> str:
    return f"{recipe}-{parts_per_s:g}"


def _steadily(
    plc: VirtualPlc,
    recipe: str,
    parts_per_s: float,
    seconds: float,
    at_the_end: Callable[[], float] = lambda: 0.0,
) -> float:
    """Parts at a steady rate; returns what `at_the_end` finds while they still come."""
    began, lot = time.monotonic(), _lot(recipe, parts_per_s)
    for number in range(max(1, round(seconds * parts_per_s))):
        plc.trigger(f"{lot}-{number}", DEADLINE_MS, recipe, lot)
        time.sleep(max(0.0, began + (number + 1) / parts_per_s - time.monotonic()))
    found = at_the_end()
    plc.wait_idle(2.0)
    return found


class ClosedLoop:
    """The next part comes when one of a few has left: the highest rate without a queue."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(IN_FLIGHT)
        self._left = 0

    def moved(self, move: Moved) -> None:
        """Told by the PLC, whatever part it is."""
        if move.part_id.startswith(FAST) and move.lane in (Lane.PASS, Lane.REWORK):
            self._left += 1
            self._free.release()

    def parts_per_s(self, plc: VirtualPlc, seconds: float) -> float:
        began, number = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            if self._free.acquire(timeout=1.0):
                plc.trigger(f"{FAST}{number}", DEADLINE_MS, PLAIN)
                number += 1
        rate = self._left / (time.monotonic() - began)
        plc.wait_idle(2.0)
        return rate


def memory_mb(supervisor: Supervisor) -> float:
    """Proportional share of all jobs and what they started, in MB."""
    total = 0
    for job in jobs.JOBS:
        pid = supervisor.pid(job.name)
        if pid is not None:
            process = psutil.Process(pid)
            for one in (process, *process.children(recursive=True)):
                total += one.memory_full_info().pss
    return total / 1e6


def _records(config: StationConfig) -> list[InspectionRecord]:
    """What the model judged, as the ledger has it."""
    found = LedgerReader(config.ledger_path).newest(1_000_000)
    return [InspectionRecord.model_validate_json(row.body) for row in found if row.by is By.MODEL]
