"""A thousand parts to the trainer (ten thousand with LINEGATE_LONG=1) while the broker dies five
times: nothing lost or doubled."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from line import TestLine, station, wait_for
from long import LONG

from edge.core.post import Record
from edge.core.records import Kind
from edge.store.reader import LedgerReader
from trainer.ingest.catalog import Catalog

pytestmark = [pytest.mark.system, pytest.mark.slow]

PARTS = 10_000 if LONG else 1_000
KILLS = 5
DELIVER_S = 120


@contextmanager
def ingest(line: TestLine) -> Iterator[None]:
    """The trainer's end, as its own process."""
    command = [
        sys.executable, "-m", "trainer", "ingest",
        "--broker", f"127.0.0.1:{line.broker.port}", "--home", str(line.folder / "trainer"),
    ]  # fmt: skip
    with (line.folder / "ingest.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


def ledger_records(line: TestLine) -> list[Record]:
    reader = LedgerReader(line.config.ledger_path)
    found: list[Record] = []
    while batch := reader.records_after(found[-1].seq if found else 0, 5000, 1 << 24):
        found += batch
    return found


def catalog_digest(line: TestLine) -> dict[tuple[str, str, int], str]:
    path = line.folder / "trainer" / "ingest" / "catalog.db"
    if not path.exists():
        return {}
    catalog = Catalog.read_only(path)
    try:
        return catalog.digest()
    finally:
        catalog.close()


@pytest.mark.timeout(900)
def test_every_record_is_in_the_catalog_once_though_the_broker_died_five_times() -> None:
    with station() as line, ingest(line):
        for _ in range(KILLS):
            feed_fast(line, PARTS // (KILLS + 1))
            line.broker.kill()
            time.sleep(0.5)
            line.broker.start()
            line.plc.wait_ready(15)
        accepted = 0
        while accepted < PARTS:
            feed_fast(line, 200)
            accepted = int(str(line.plc.summary()["accepted"]))
        line.check_books()
        ours = {(line.config.station.device, r.seq): r.sha256 for r in ledger_records(line)}

        def delivered() -> bool:
            theirs = catalog_digest(line)
            return {(device, seq) for device, _, seq in theirs} >= set(ours)

        wait_for(delivered, DELIVER_S, lambda: f"{len(catalog_digest(line))} of {len(ours)}")
        theirs = {(device, seq): sha for (device, _, seq), sha in catalog_digest(line).items()}
        assert {key: theirs[key] for key in ours} == ours
        inspections = [r for r in ledger_records(line) if r.kind is Kind.INSPECTION]
        assert len(inspections) >= PARTS


def feed_fast(line: TestLine, parts: int) -> None:
    """As fast as the gate takes them: the next part comes when this one has left."""
    for _ in range(parts):
        line.feed(1, gap_s=0.0)
        while int(str(line.plc.summary()["lanes"]["waiting"])) > 0:  # type: ignore[index]
            time.sleep(0.001)
