"""A disk that is full, and has room again."""

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.config import Store
from edge.core.errors import NotDurable
from edge.core.messages import Verdict
from edge.core.records import Kind
from edge.store.ballast import Ballast
from edge.store.images import ImageStore
from edge.store.ledger_db import LedgerDb
from edge.store.reader import LedgerReader
from edge.store.retention import Mode, Retention
from edge.store.writer import Writer

MB = 1024 * 1024


@contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_database_that_may_not_grow_heals_when_it_may(db, make, path):
    db.commit([make.event(1)])
    pages = db._db.execute("pragma page_count").fetchone()[0]
    db._db.execute(f"pragma max_page_count = {pages}")
    with pytest.raises(NotDurable, match="full"):
        db.commit([make.event(n, code="x" * 4000) for n in range(10)])
    db._db.execute("pragma max_page_count = 1000000")
    db.commit([make.event(2)])
    assert [record.seq for record in LedgerReader(path).records_after(0)] == [1, 2]


def test_io_error_in_the_wal_is_not_durable_and_heals(db, make, path):
    db.commit([make.event(1)])
    wal = path.with_name("ledger.db-wal")
    with files_limited_to(wal.stat().st_size):
        for _ in range(3):
            with pytest.raises(NotDurable):
                db.commit([make.closing(1)])
    db.commit([make.closing(1)])
    reader = LedgerReader(path)
    assert reader.record_count() == reader.extent().last_seq == 2


def test_every_callback_hears_of_a_sick_disk_and_of_its_recovery(db, make, path):
    writer = Writer(db)
    db.commit([make.event(0)])
    heard: list[object] = []
    with files_limited_to(path.with_name("ledger.db-wal").stat().st_size):
        for n in range(5):
            writer.submit([make.event(n)], heard.append)
        while writer.step():
            pass
    assert [type(outcome) for outcome in heard] == [NotDurable] * 5
    writer.submit([make.event(9)], heard.append)
    writer.step()
    assert heard[5] == (None,)


def test_image_that_does_not_fit_leaves_nothing(tmp_path):
    import numpy as np

    store = ImageStore(tmp_path)
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    with files_limited_to(1000), pytest.raises(NotDurable, match="cannot be written"):
        store.keep(noise)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
    store.keep(noise)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A filesystem of 4 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except FileNotFoundError:
        pytest.skip("there is no mount command: the full disk is not tested")
    if done.returncode != 0:
        pytest.skip(f"mounting needs root, the full disk is not tested: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True, timeout=10)


def fill(folder: Path) -> Path:
    """Leave not one byte free."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                pass
    return filler


@pytest.mark.system
def test_full_disk_refuses_then_heals_and_can_be_opened_meanwhile(small_disk, open_ledger, make):
    path = small_disk / "ledger.db"
    db = open_ledger(path)
    db.commit([make.event(1)])
    filler = fill(small_disk)
    for n in range(3):
        with pytest.raises(NotDurable):
            db.commit([make.event(n) for n in range(100)])
        db.tick(idle=True)
    assert LedgerReader(path).record_count() == 1
    filler.unlink()
    db.commit([make.event(2)])
    assert LedgerReader(path).record_count() == 2


@pytest.mark.system
def test_pruning_works_on_a_disk_without_a_free_byte(small_disk, open_ledger, make, clock):
    path = small_disk / "ledger.db"
    db: LedgerDb = open_ledger(path)
    reader, store = LedgerReader(path), ImageStore(small_disk / "images")
    ballast = Ballast(small_disk / "ballast", 256 * 1024)
    assert ballast.ensure()
    for n in range(20):
        file = store.path(f"{n:064x}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 50_000)
        db.commit([make.image(n, Verdict.REWORK, size=50_000)])
    fill(small_disk)
    with pytest.raises(NotDurable):  # without the ballast, nothing can be done
        db.commit([make.event(n) for n in range(100)])

    retention = Retention(
        store=store,
        reader=reader,
        commit=db.commit,
        limits=Store(images_mb=16),
        ballast=ballast,
        free_bytes=lambda: shutil.disk_usage(small_disk).free,
        delivered=lambda sha256: False,
        clock=clock,
    )
    assert retention.run().mode is Mode.RECORDS_ONLY
    assert shutil.disk_usage(small_disk).free > MB // 2
    assert len(reader.newest_records(Kind.ALARM, 9)) == 1
    db.commit([make.event(n) for n in range(100)])
