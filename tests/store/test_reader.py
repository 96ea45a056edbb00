"""What the page and the post read, also while the writer writes."""

import shutil
import threading
from datetime import timedelta

import pytest

from edge.core.errors import StoreError
from edge.core.messages import By, Verdict
from edge.core.records import Kind
from edge.store.reader import Count, Extent, LedgerReader


@pytest.fixture
def reader(path) -> LedgerReader:
    return LedgerReader(path)


def test_reader_without_ledger_says_what_to_do(reader, path):
    with pytest.raises(StoreError, match="not there yet: start the gate"):
        reader.newest(5)
    assert not path.exists()


def test_reader_of_a_file_that_is_no_ledger_says_so(reader, path):
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be read"):
        reader.extent()


def test_newest_come_first_with_their_images(db, make, reader):
    db.commit([make.closing(n) for n in (1, 2)])
    db.commit([make.opening(3), make.image(2), make.image(2, kind="heatmap", send=False)])
    newest = reader.newest(2)
    assert [part.inspection_id for part in newest] == ["i-3", "i-2"]
    assert [(i.key.kind, i.send) for i in newest[1].images] == [("frame", True), ("heatmap", False)]
    assert newest[0].images == ()


def test_waiting_are_oldest_first_and_leave_when_answered(db, make, reader):
    db.commit([make.closing(n, Verdict.REVIEW) for n in (5, 2, 9)] + [make.closing(1)])
    assert [part.inspection_id for part in reader.waiting(10)] == ["i-2", "i-5", "i-9"]
    db.commit([make.closing(2, Verdict.PASS, revision=2, by=By.HUMAN)])
    assert [part.inspection_id for part in reader.waiting(1)] == ["i-5"]


def test_counts_are_by_recipe_verdict_and_judge_since_a_time(db, make, clock, reader):
    db.commit([make.closing(n, Verdict.PASS) for n in range(10)])
    db.commit([make.closing(20, recipe="other"), make.closing(21, by=By.HUMAN), make.opening(22)])
    assert reader.counts(clock.now() + timedelta(seconds=5)) == (
        Count("guide", Verdict.PASS, By.MODEL, 5),
        Count("guide", Verdict.REWORK, By.HUMAN, 1),
        Count("other", Verdict.REWORK, By.MODEL, 1),
    )


def test_records_come_in_order_within_limits_of_number_and_bytes(db, make, reader):
    db.commit([make.event(n, code="x" * 1000) for n in range(10)])
    assert [r.seq for r in reader.records_after(3, limit=2)] == [4, 5]
    size = len(reader.records_after(0, limit=1)[0].body)
    assert [r.seq for r in reader.records_after(0, max_bytes=3 * size)] == [1, 2, 3]
    assert [r.seq for r in reader.records_after(8, max_bytes=1)] == [9]  # a large one travels alone
    assert reader.records_after(10) == ()


def test_extent_tells_identity_and_newest_seq(db, make, reader):
    assert reader.extent() == Extent("box-1", "epoch-0", 0)
    db.commit([make.event(1), make.alarm(1)])
    assert reader.extent().last_seq == reader.record_count() == 2
    assert [r.seq for r in reader.newest_records(Kind.ALARM, 5)] == [2]


def test_reader_of_a_crashed_ledger_reads_the_wal_and_changes_nothing(db, make, path, tmp_path):
    db.commit([make.event(1)])
    names = ("ledger.db", "ledger.db-wal")
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in names:  # as a killed writer leaves them: nobody checkpoints
        shutil.copy(path.with_name(name), crashed / name)
    before = [(crashed / name).read_bytes() for name in names]
    assert LedgerReader(crashed / "ledger.db").record_count() == 1
    assert [(crashed / name).read_bytes() for name in names] == before


def test_reader_sees_whole_groups_while_the_writer_writes(db, make, reader):
    """Each group is three records; a reader that saw a part of one would count otherwise."""
    counts: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            counts.append(reader.record_count())

    thread = threading.Thread(target=read)
    thread.start()
    for n in range(200):
        db.commit([make.closing(n), make.review(n), make.event(n)])
        db.tick(idle=False)
    stop.set()
    thread.join()
    assert counts == sorted(counts)
    assert all(count % 3 == 0 for count in counts)
    assert len(counts) > 5


def test_reader_follows_a_ledger_that_was_replaced(open_ledger, make, path, reader):
    first = open_ledger()
    first.commit([make.event(1)])
    first.close()
    assert reader.extent().last_seq == 1
    path.write_bytes(b"torn" * 5000)
    open_ledger(recover=True)
    assert reader.extent().epoch == "epoch-1"
