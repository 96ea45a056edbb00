"""The image thread: what is kept, what is dropped first, what is never dropped unsaid."""

import os

import numpy as np
import pytest

from edge.config import Store
from edge.core.errors import StoreError
from edge.core.messages import Verdict
from edge.core.records import EventRecord, ImageEvent, Kind
from edge.store.ballast import Ballast
from edge.store.image_writer import ImageWriter, PendingImage
from edge.store.images import ImageStore
from edge.store.reader import LedgerReader
from edge.store.retention import Retention
from edge.store.writer import Writer

MB = 1024 * 1024


class Keeping:
    """An image writer on a real ledger, stepped by hand."""

    def __init__(self, db, clock, path, room_bytes: int) -> None:
        self.free_bytes = 100_000 * MB
        self.clock = clock
        self.writer = Writer(db)
        self.reader = LedgerReader(path)
        self.store = ImageStore(path.parent / "images")
        self.retention = Retention(
            store=self.store,
            reader=self.reader,
            commit=db.commit,
            limits=Store(),
            ballast=Ballast(path.parent / "ballast", 0),
            free_bytes=lambda: self.free_bytes,
            delivered=lambda sha256: False,
            clock=clock,
        )
        self.images = ImageWriter(
            self.store, self.reader, self.retention, self.writer.submit, clock, room_bytes
        )

    def offer(self, n: int, verdict: Verdict = Verdict.REWORK, size: int = 100) -> bool:
        pixels = np.full((size, 10), n % 256, np.uint8)
        return self.images.offer(
            PendingImage(f"i-{n}", "main", "frame", pixels, verdict, True, self.clock.now())
        )

    def settle(self) -> None:
        while self.images.step():
            pass
        while self.writer.step():
            pass

    def events(self) -> list[str]:
        records = self.reader.newest_records(Kind.EVENT, 100)[::-1]
        return [r.body for r in records if '"code":"image"' not in r.body]


@pytest.fixture
def keeping(db, clock, path) -> Keeping:
    return Keeping(db, clock, path, room_bytes=10_000)


def test_frame_is_durable_before_its_row_and_both_tell_of_it(keeping):
    keeping.offer(1)
    keeping.images.step()
    (file,) = keeping.store.folder.rglob("*.png")
    assert keeping.reader.images_of("i-1") == ()
    keeping.settle()
    (image,) = keeping.reader.images_of("i-1")
    assert (image.sha256, image.bytes) == (file.stem, file.stat().st_size)
    (record,) = keeping.reader.records_of("i-1")
    event = ImageEvent.model_validate_json(record.body)
    assert (event.sha256, event.view, event.kind, event.send) == (file.stem, "main", "frame", True)
    assert np.array_equal(keeping.store.load(image.sha256), np.full((100, 10), 1, np.uint8))
    assert keeping.images.counters.kept == 1


def test_overload_drops_passes_first_and_says_which_rework_was_lost(keeping):
    passes = [keeping.offer(n, Verdict.PASS) for n in range(8)]
    assert passes == [True] * 5 + [False] * 3  # half the room
    assert [keeping.offer(n) for n in range(8, 15)] == [True] * 5 + [False] * 2
    counters = keeping.images.counters
    assert (counters.passes_dropped, counters.lost) == (3, 2)
    keeping.settle()
    assert counters.kept == 10
    lost = [EventRecord.model_validate_json(body) for body in keeping.events()]
    assert [event.detail["inspection_id"] for event in lost] == ["i-13", "i-14"]
    assert all("more images than the disk can take" in event.text for event in lost)
    assert keeping.offer(99, Verdict.PASS)  # there is room again


def test_low_disk_keeps_no_passes_and_then_nothing(keeping):
    keeping.free_bytes = 499 * MB
    keeping.images.step()  # looks at the disk
    assert not keeping.offer(1, Verdict.PASS)
    assert keeping.offer(2, Verdict.REVIEW)
    keeping.free_bytes = 199 * MB
    keeping.clock.advance(31)
    keeping.settle()
    assert not keeping.offer(3, Verdict.REVIEW)
    assert keeping.images.counters.lost == 1


def test_disk_that_takes_no_file_loses_the_image_with_an_event(keeping):
    keeping.store.folder.write_bytes(b"in the way")
    keeping.offer(1)
    keeping.settle()
    assert keeping.images.counters.lost == 1
    assert "cannot be written" in keeping.events()[0]


def test_row_that_is_not_durable_loses_the_image(keeping):
    keeping.offer(1)
    keeping.images.step()
    keeping.writer._db.commit = None  # type: ignore[method-assign]  # whatever happens there
    keeping.writer.step()
    assert keeping.images.counters.lost == 1
    assert keeping.images.counters.kept == 0


def test_close_keeps_what_is_queued(keeping):
    keeping.writer.start()
    for n in range(9):
        keeping.offer(n)
    keeping.images.start()
    assert keeping.images.close(timeout_s=30)
    assert not keeping.offer(10)
    assert keeping.writer.close(timeout_s=30)
    assert keeping.images.counters.kept == 9
    assert sum(len(keeping.reader.images_of(f"i-{n}")) for n in range(9)) == 9


def test_start_sweeps_what_a_crash_left(keeping, clock):
    keeping.offer(1)
    keeping.settle()
    orphan = keeping.store.keep(np.zeros((5, 5), np.uint8))
    clock.advance(10_000)
    for file in keeping.store.folder.rglob("*.png"):
        os.utime(file, (clock.now().timestamp() - 5000,) * 2)
    keeping.images.sweep()
    with pytest.raises(StoreError, match="is gone"):
        keeping.store.read(orphan.sha256)
    assert keeping.reader.images_of("i-1")[0].sha256 in {
        file.stem for file in keeping.store.folder.rglob("*.png")
    }


def test_thread_outlives_a_disk_that_cannot_be_asked(keeping):
    def broken() -> int:
        raise OSError("the disk is gone")

    keeping.retention._free_bytes = broken
    keeping.writer.start()
    keeping.images.start()
    keeping.offer(1)
    assert keeping.images.close(timeout_s=30)
    keeping.writer.close(timeout_s=30)
    assert keeping.images.counters.kept == 1
