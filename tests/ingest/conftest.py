"""A receiver with a real catalog and real files, and a device that talks to it."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from edge.core.post import CHUNK_BYTES, Batch, Chunk, Hello, Record, chunk_count
from edge.core.records import EventRecord, ImageEvent, Kind, body_sha256
from edge.core.topics import PostTopics
from trainer.ingest.catalog import Catalog
from trainer.ingest.image_files import ImageFiles
from trainer.ingest.receiver import Inbound, Receiver

START = datetime(2030, 1, 1, tzinfo=UTC)


class HandClock:
    """A clock that only moves by hand."""

    def __init__(self):
        self.passed = timedelta()

    def monotonic_ns(self):
        return round(self.passed.total_seconds() * 1e9)

    def now(self):
        return START + self.passed

    def advance(self, seconds):
        self.passed += timedelta(seconds=seconds)


class Device:
    """Makes the messages of one device."""

    def __init__(self, name="box1", epoch="e1"):
        self.name, self.epoch = name, epoch
        self.topics = PostTopics(name)

    def hello(self, last=0):
        message = Hello(device=self.name, epoch=self.epoch, last=last)
        return Inbound(self.topics.hello, message.model_dump_json().encode())

    def record(self, seq, text="x"):
        return self.signed(seq, EventRecord(code="c", text=text, at=START).model_dump_json())

    def image(self, seq, data, send=True):
        event = ImageEvent(
            inspection_id=f"i{seq}",
            view="main",
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
            send=send,
            at=START,
        )
        return self.signed(seq, event.model_dump_json())

    def signed(self, seq, body, kind=Kind.EVENT):
        return Record(seq=seq, kind=kind, body=body, sha256=body_sha256(body))

    def batch(self, *records):
        message = Batch(device=self.name, epoch=self.epoch, records=records)
        return Inbound(self.topics.records, message.model_dump_json().encode())

    def chunk(self, data, index, sha256=None):
        piece = Chunk(
            sha256=sha256 or hashlib.sha256(data).hexdigest(),
            index=index,
            count=chunk_count(len(data)),
            total_bytes=len(data),
            data=data[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES],
        )
        return Inbound(self.topics.chunk_up, piece.pack())


class Desk:
    """The trainer: its receiver, catalog and files; `restart` keeps only what is on the disk."""

    def __init__(self, folder):
        self.folder = folder
        self.clock = HandClock()
        self.start()

    def start(self):
        self.files = ImageFiles(self.folder)
        self.catalog = Catalog(self.folder / "catalog.db")
        self.receiver = Receiver(self.catalog, self.files, self.clock)

    def restart(self):
        self.catalog.close()
        self.start()

    def take(self, *messages):
        """The answers to these messages, taken in one group: (acks, wants)."""
        replies = self.receiver.handle(messages)
        acks = [reply.message for reply in replies if reply.topic.endswith("/ack")]
        wants = [reply.message for reply in replies if reply.topic.endswith("/want")]
        return acks, wants


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def other_device():
    return Device("box2")


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.catalog.close()
