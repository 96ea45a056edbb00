"""sync.db: what is delivered lasts, and what cannot be read is not delivered."""

from datetime import UTC, datetime

import pytest

from edge.sync.events import Awaited, SaveDelivered
from edge.sync.sync_db import DeliveredReader, SyncDb, SyncStatus

ONE, TWO, THREE = ("01" * 32, "02" * 32, "03" * 32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "box" / "sync.db"


@pytest.fixture
def db(path):
    made = SyncDb(path)
    yield made
    made.close()


def test_without_a_file_nothing_is_delivered(path):
    reader = DeliveredReader(path)
    assert not reader.image_delivered(ONE)
    assert reader.up_to("e") == 0
    assert reader.status() is None


def test_broken_file_delivers_nothing(path):
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1000)
    assert not DeliveredReader(path).image_delivered(ONE)


def test_damaged_file_is_set_aside_and_begins_anew(path):
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1000)
    db = SyncDb(path)
    assert db.cursor("e") == 0
    db.close()
    assert path.with_name("sync.db.damaged").exists()


def test_readers_see_what_was_saved_while_the_writer_is_open(db, path):
    db.save(SaveDelivered("e", 7, (Awaited(ONE, 3), Awaited(TWO, 4)), (ONE,)))
    reader = DeliveredReader(path)
    assert reader.up_to("e") == 7
    assert reader.up_to("another") == 0
    assert reader.image_delivered(ONE)
    assert not reader.image_delivered(TWO)


def test_saved_survives_the_writer(db, path):
    db.save(SaveDelivered("e", 7, images=(ONE,)))
    db.close()
    again = SyncDb(path)
    assert again.cursor("e") == 7
    assert again.image_counts() == {"delivered": 1}
    again.close()


def test_image_that_the_trainer_wants_is_not_delivered_any_more(db, path):
    db.save(SaveDelivered("e", 7, (Awaited(ONE, 3),), (ONE,)))
    db.mark_wanted(ONE, gone=False)
    assert not DeliveredReader(path).image_delivered(ONE)
    assert db.reminders("e", 5) == [3]


def test_record_that_is_acked_anew_asks_anew_for_its_image(db, path):
    db.save(SaveDelivered("e", 7, (Awaited(ONE, 3),), (ONE,)))
    db.save(SaveDelivered("e", 7, (Awaited(ONE, 3),)))
    assert not DeliveredReader(path).image_delivered(ONE)


def test_reminders_take_turns_and_leave_out_what_is_delivered_gone_or_of_another_epoch(db):
    images = tuple(Awaited(f"{n:064x}", n) for n in range(1, 7))
    db.save(SaveDelivered("e", 9, images, images=(images[0].sha256,)))
    db.save(SaveDelivered("older", 9, (Awaited(THREE, 9),)))
    db.mark_wanted(images[1].sha256, gone=True)
    assert db.reminders("e", 3) == [3, 4, 5]
    assert db.reminders("e", 3) == [3, 4, 6]


def test_status_is_the_last_one_written(db, path):
    at = datetime(2030, 1, 1, tzinfo=UTC)
    db.set_status(SyncStatus(at=at))
    db.set_status(SyncStatus(at=at, connected=True, alarms={"a": "b"}))
    assert DeliveredReader(path).status() == SyncStatus(at=at, connected=True, alarms={"a": "b"})
