"""The run of the demo: broker, all jobs, a virtual PLC that feeds parts, the trainer's ingest."""

import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from edge import jobs
from edge.camera.parts import part_id
from edge.clock import SystemClock
from edge.core.errors import LinegateError
from edge.core.orders import TakeReferenceOrder
from edge.core.topics import LineTopics
from edge.demo.station import DEADLINE_MS, DemoStation
from edge.demo.summary import Post
from edge.gate.control import send_order
from edge.plc.rules import PlcRules
from edge.plc.virtual import VirtualPlc
from edge.store.reader import LedgerReader
from edge.supervisor import Supervisor, Task

START_S = 40.0
DELIVER_S = 30.0


@contextmanager
def running(station: DemoStation) -> Iterator[Supervisor]:
    """All jobs and the trainer's ingest, until the end of the block; logs beside the station."""
    logs = station.folder / "logs"
    logs.mkdir(exist_ok=True)
    tasks = jobs.tasks(station.config, station.config_path)
    supervisor = Supervisor([*tasks, ingest(station)], logs)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


def ingest(station: DemoStation) -> Task:
    """The trainer's end of the post."""
    command = [
        sys.executable, "-m", "trainer", "ingest",
        "--broker", f"{station.config.sync.host}:{station.config.sync.port}",
        "--home", str(station.trainer_home),
    ]  # fmt: skip
    return Task("ingest", command, lambda: True)


def virtual_plc(station: DemoStation) -> VirtualPlc:
    topics = LineTopics(station.config.station.topic_prefix)
    rules = PlcRules(ack_ms=None)  # each part stands before the camera until it is seen
    return VirtualPlc(station.config.plc, topics, SystemClock(), Random(), rules).start()


def wait_until_ready(station: DemoStation, plc: VirtualPlc) -> None:
    """Raises LinegateError that says where to look."""
    if not plc.wait_ready(START_S):
        raise LinegateError(
            f"the gate was not ready after {START_S:.0f} s; see {station.folder / 'logs'}"
        )


def take_reference(station: DemoStation) -> None:
    """The camera is as it should be: what the technician of a real line says with
    `linegate recipe reference`. Raises LinegateError."""
    order = TakeReferenceOrder(recipe=station.config.gate.recipe, who="demo")
    send_order(station.config.control_socket, order)


def feed(
    plc: VirtualPlc,
    parts_per_s: float,
    stop: threading.Event,
    seconds: float | None,
    told: Callable[[int], None],
) -> None:
    """Send one part after another past the camera, until told to stop."""
    began = time.monotonic()
    number = 0
    while not stop.is_set() and (seconds is None or time.monotonic() - began < seconds):
        plc.trigger(part_id(number), DEADLINE_MS)
        number += 1
        told(number)
        stop.wait(max(0.0, began + number / parts_per_s - time.monotonic()))


def wait_until_delivered(station: DemoStation) -> Post:
    """Wait until the trainer has every record, or has had time enough."""
    until = time.monotonic() + DELIVER_S
    while True:
        post = _compare(station)
        if post.delivered == post.records or time.monotonic() > until:
            return post
        time.sleep(0.3)


def _compare(station: DemoStation) -> Post:
    """Record for record, by id and hash: the ledger against the trainer's catalog."""
    reader = LedgerReader(station.config.ledger_path)
    epoch = reader.extent().epoch
    theirs = _catalog(station, epoch)
    seq, ours, equal = 0, 0, 0
    while batch := reader.records_after(seq, limit=1000, max_bytes=1 << 22):
        ours += len(batch)
        equal += sum(theirs.get(record.seq) == record.sha256 for record in batch)
        seq = batch[-1].seq
    return Post(ours, equal)


def _catalog(station: DemoStation, epoch: str) -> dict[int, str]:
    """The trainer's catalog, read as a file: the box knows nothing of the trainer's code."""
    file = station.trainer_home / "ingest" / "catalog.db"
    if not file.exists():
        return {}
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5.0) as db:
        rows = db.execute(
            "select seq, sha256 from records where device = ? and epoch = ?",
            (station.config.station.device, epoch),
        )
        return dict(rows.fetchall())
