"""The whole station at work: trigger to verdict by stage, the rate it sustains, memory, start."""

import time
from collections.abc import Callable, Iterator, Mapping
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
CALM_PARTS_PER_S, BUSY_PARTS_PER_S, FAST_PARTS_PER_S = 20.0, 30.0, 150.0
SETTLE_S = 2.0
HOT_PATH, JPEG_PATH = Budget(1.5, 5.0), Budget(5.0, over_raw=False)
STAGES = ("grab", "wait", "quality", "predict")


class Desk:
    """Notes when each part was announced and when its verdict was there, as the PLC sees it."""

    def __init__(self) -> None:
        self.sent_ns: dict[str, int] = {}
        self.came_ns: dict[str, int] = {}

    def trigger(self, plc: VirtualPlc, part_id: str, recipe: str) -> None:
        self.sent_ns[part_id] = time.monotonic_ns()
        plc.trigger(part_id, DEADLINE_MS, recipe)

    def moved(self, move: Moved) -> None:
        """Told by the PLC, from its thread."""
        if move.lane in (Lane.PASS, Lane.REWORK) and move.part_id in self.sent_ns:
            self.came_ns[move.part_id] = time.monotonic_ns()

    def took_ms(self, lot: str) -> dict[str, float]:
        """By part, of one load."""
        return {
            part: (came_ns - self.sent_ns[part]) / 1e6
            for part, came_ns in self.came_ns.items()
            if part.startswith(f"{lot}-")
        }


def rows(bundle: Bundle, folder: Path, seconds: float, raw_ms: float) -> list[Row]:
    """About four times `seconds` long. `raw_ms` is the p50 of the raw model in this run."""
    with Broker() as broker:
        config, path = lay_out(folder, bundle.folder, bundle.manifest.name, broker.port)
        began, desk = time.monotonic(), Desk()
        with _running(config, path, folder, desk.moved) as (supervisor, plc):
            first_s = first_pass(plc) - began
            time.sleep(SETTLE_S)
            idle_mb = memory_mb(supervisor)
            steadily(plc, desk, PLAIN, CALM_PARTS_PER_S, seconds)
            steadily(plc, desk, JPEG, CALM_PARTS_PER_S, seconds)
            steadily(plc, desk, PLAIN, BUSY_PARTS_PER_S, seconds)
            busy_mb = memory_mb(supervisor)
            steadily(plc, desk, PLAIN, FAST_PARTS_PER_S, seconds)
            counted = plc.summary()
    records = _records(config)
    return [
        *_hot_path(desk, records, raw_ms),
        _sustained(desk, records, seconds),
        at_most("memory of all jobs, idle", idle_mb, "MB", 300),
        at_most(f"memory after {BUSY_PARTS_PER_S:g} parts/s", busy_mb, "MB", 350),
        at_most("start to the first pass", first_s, "s", 4),
        *_promises(desk, records, counted),
    ]


def _hot_path(desk: Desk, records: Mapping[str, InspectionRecord], raw_ms: float) -> list[Row]:
    """Every part of a load counts, also one that ended at the guard."""
    calm, jpeg = (desk.took_ms(_lot(recipe, CALM_PARTS_PER_S)) for recipe in (PLAIN, JPEG))
    if not calm or not jpeg:
        raise LinegateError("no part got its verdict: see the logs of a `linegate run` here")
    stages = {part: _stages(records.get(part)) for part in calm}
    less_grab = [took - stages[part]["grab"] for part, took in calm.items()]
    rest = [took - sum(stages[part].values()) for part, took in calm.items()]
    return [
        timed("trigger to verdict at the PLC, less grab", less_grab, raw_ms, HOT_PATH),
        timed("640x480 JPEG to verdict at the PLC", list(jpeg.values()), raw_ms, JPEG_PATH),
        *(timed(f"  of it {stage}", [s[stage] for s in stages.values()], None) for stage in STAGES),
        timed("  of it the rest: MQTT, ledger, disk, threads", rest, None),
    ]


def _stages(record: InspectionRecord | None) -> dict[str, float]:
    spent = {} if record is None else record.stages_ms
    return {stage: spent.get(stage, 0.0) for stage in STAGES}


def _judged(desk: Desk, records: Mapping[str, InspectionRecord], lot: str) -> tuple[int, int]:
    """(parts of a load, those that the model judged)."""
    parts = [part for part in desk.sent_ns if part.startswith(f"{lot}-")]
    judged = sum(part in records and records[part].by is By.MODEL for part in parts)
    return len(parts), judged


def _sustained(desk: Desk, records: Mapping[str, InspectionRecord], seconds: float) -> Row:
    """Judged by the model, recorded on the disk and answered. A part whose frame was not taken
    before the next one came goes to rework, so a queue does not help."""
    _, judged = _judged(desk, records, _lot(PLAIN, FAST_PARTS_PER_S))
    name = f"judged, durable, answered, of {FAST_PARTS_PER_S:g} parts/s"
    return at_least(name, judged / seconds, "parts/s", FAST_PARTS_PER_S)


def _promises(
    desk: Desk, records: Mapping[str, InspectionRecord], counted: dict[str, object]
) -> list[Row]:
    """Speed is worth nothing if a part was not judged, or a verdict missed, for it."""
    plc = counted["plc"]
    assert isinstance(plc, dict)
    calm = ((PLAIN, CALM_PARTS_PER_S), (JPEG, CALM_PARTS_PER_S), (PLAIN, BUSY_PARTS_PER_S))
    loads = [_judged(desk, records, _lot(*load)) for load in calm]
    left = sum(sent - judged for sent, judged in loads)
    return [
        at_most("parts that the model did not judge", left, f"of {sum(n for n, _ in loads)}", 0),
        at_most("verdicts missed, late, double, unmatched", sum(plc.values()), "parts", 0),
    ]


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


def first_pass(plc: VirtualPlc) -> float:
    """When the first part passed: asked again until one does."""
    until = time.monotonic() + START_S
    number = 0
    while time.monotonic() < until:
        if plc.wait_ready(0.05):
            seq = plc.trigger(f"FIRST-{number}", DEADLINE_MS, PLAIN)
            plc.wait_idle(2.0)
            if plc.lane(seq) is Lane.PASS:
                return time.monotonic()
            number += 1
    raise LinegateError(f"no part passed within {START_S:.0f} s: the station does not come up")


def _lot(recipe: str, parts_per_s: float) -> str:
    return f"{recipe}-{parts_per_s:g}"


def steadily(plc: VirtualPlc, desk: Desk, recipe: str, parts_per_s: float, seconds: float) -> None:
    began, lot = time.monotonic(), _lot(recipe, parts_per_s)
    for number in range(max(1, round(seconds * parts_per_s))):
        desk.trigger(plc, f"{lot}-{number}", recipe)
        time.sleep(max(0.0, began + (number + 1) / parts_per_s - time.monotonic()))
    plc.wait_idle(2.0)


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


def _records(config: StationConfig) -> dict[str, InspectionRecord]:
    """By part, as the ledger has it."""
    found = LedgerReader(config.ledger_path).newest(1_000_000)
    return {row.part_id: InspectionRecord.model_validate_json(row.body) for row in found}
