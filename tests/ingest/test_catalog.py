"""The catalog and the files beside it."""

import hashlib
import sqlite3

import pytest

from edge.core.errors import StoreError
from trainer.ingest.catalog import Catalog
from trainer.ingest.image_files import ImageFiles


def test_second_writer_is_refused(tmp_path):
    with Catalog(tmp_path / "catalog.db"), pytest.raises(StoreError, match="another ingest"):
        Catalog(tmp_path / "catalog.db")
    Catalog(tmp_path / "catalog.db").close()


def test_readers_look_while_the_ingest_writes_but_cannot_write(desk, device):
    desk.take(device.batch(device.record(1), device.image(2, b"x")), device.chunk(b"x", 0))
    with Catalog.read_only(desk.folder / "catalog.db") as reader:
        assert reader.digest() == desk.catalog.digest()
        assert reader.counts() == {
            "records": 2,
            "quarantined": 0,
            "images": 1,
            "images_wanted": 0,
            "devices": 1,
        }
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.set_pieces(reader.image("box1", hashlib.sha256(b"x").hexdigest()), 0)


def test_epochs_and_devices_are_apart(desk, device, other_device):
    desk.take(device.batch(device.record(1)), other_device.batch(other_device.record(1)))
    device.epoch = "e2"
    (ack,), _ = desk.take(device.batch(device.record(1, "another")))
    assert (ack.epoch, ack.quarantined) == ("e2", ())
    assert len(desk.catalog.digest()) == 3


def test_pieces_of_two_devices_do_not_mix(tmp_path):
    files = ImageFiles(tmp_path)
    sha = hashlib.sha256(b"right").hexdigest()
    files.write("box1", sha, 0, b"wrong")
    files.write("box2", sha, 0, b"right")
    assert not files.finish("box1", sha)
    assert not files.has(sha)
    assert files.finish("box2", sha)
    assert files.path(sha).read_bytes() == b"right"


def test_finish_without_pieces_is_not_whole(tmp_path):
    assert not ImageFiles(tmp_path).finish("box1", "ab" * 32)


def test_damaged_catalog_is_named_and_left_alone(tmp_path):
    path = tmp_path / "catalog.db"
    path.write_bytes(b"this is no database" * 1000)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"catalog\.db: .*move it aside"):
            Catalog(path)
    assert path.read_bytes().startswith(b"this")
