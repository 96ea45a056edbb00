"""What has arrived from the devices: records, images, and what could not be believed.

One SQLite file with one writer, the ingest; everyone else opens it read-only. A record is there
once, by (device, epoch, seq); what is wrong or comes twice with another content is kept aside in
`quarantine`, so that nothing is lost and no device waits for ever.
"""

import fcntl
import json
import os
import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlite_utils import Database, Migrations

from edge.core.errors import StoreError
from edge.core.post import chunk_count
from edge.core.records import ImageEvent, body_sha256
from edge.core.spans import Spans
from trainer.ingest.checks import RawRecord

_PRAGMAS = ("synchronous = full", "busy_timeout = 5000", "journal_size_limit = 16777216")

migrations = Migrations("ingest")


@migrations(name="0001_first")
def _first(db: Database) -> None:
    db.executescript(
        """
        create table streams (
            device text not null,
            epoch text not null,
            held text not null,  -- JSON [[first, last], ...] of the seqs that are here
            last integer not null,  -- the device's newest, as it said
            heard_at text not null,
            primary key (device, epoch)
        ) strict;

        create table records (
            id integer primary key,  -- order of arrival
            device text not null,
            epoch text not null,
            seq integer not null,
            kind text not null,
            inspection_id text,
            body text not null,
            sha256 text not null,
            received_at text not null,
            unique (device, epoch, seq)
        ) strict;
        create index records_inspection on records (inspection_id) where inspection_id is not null;

        create table quarantine (
            id integer primary key,
            device text not null,
            epoch text not null,
            seq integer not null,
            conflict integer not null,  -- 1: another content of a seq that is in records
            reason text not null,
            kind text not null,
            body text not null,
            sha256 text not null,  -- as sent
            body_sha256 text not null,
            received_at text not null,
            unique (device, epoch, seq, body_sha256)
        ) strict;

        create table images (
            id integer primary key,
            device text not null,
            sha256 text not null,
            epoch text not null,
            bytes integer not null,
            have blob not null,  -- one bit per 64 KiB piece
            held_at text,  -- the whole file is here
            ask_after real not null default 0,  -- unix time in s; later each time nobody answers
            asks integer not null default 0,
            unique (device, sha256)
        ) strict;
        create index images_wanted on images (device, ask_after) where held_at is null;
        """
    )


@dataclass(frozen=True, slots=True)
class Stream:
    """What is here of one epoch of one device."""

    held: Spans
    last: int


@dataclass(frozen=True, slots=True)
class Image:
    """An image that a device named. `have` has one bit per piece; it is `held` when all are here
    and the hash is right."""

    device: str
    sha256: str
    epoch: str
    bytes: int
    have: int
    held: bool
    asks: int

    @property
    def missing(self) -> tuple[int, ...]:
        """Indices of the pieces that are not here."""
        return tuple(i for i in range(chunk_count(self.bytes)) if not self.have >> i & 1)


class Catalog:
    """The writer. Give it a path, or None for one in memory."""

    def __init__(self, path: Path | None) -> None:
        """Raises StoreError if another ingest writes this file, or it is damaged."""
        self._lock = None if path is None else _lock(path)
        self._db = Database(memory=True) if path is None else Database(path)
        try:
            self._db.enable_wal()
            for pragma in _PRAGMAS:
                self._db.execute(f"pragma {pragma}")
            migrations.apply(self._db)
        except sqlite3.DatabaseError as error:
            self.close()
            raise StoreError(
                f"{path}: {error}; if it is damaged, move it aside: the stations send again"
            ) from error

    @classmethod
    def read_only(cls, path: Path) -> Self:
        """Eyes for other commands: looking works as above, writing raises sqlite3.Error."""
        reader = cls.__new__(cls)
        reader._lock = None
        reader._db = Database(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True))
        return reader

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def atomic(self) -> AbstractContextManager[Database]:
        """All that is written inside is durable when it ends, or nothing of it."""
        return self._db.atomic()

    # streams

    def stream(self, device: str, epoch: str) -> Stream | None:
        sql = "select held, last from streams where device = ? and epoch = ?"
        row = self._db.execute(sql, [device, epoch]).fetchone()
        if row is None:
            return None
        return Stream(tuple((first, last) for first, last in json.loads(row[0])), row[1])

    def count_streams(self) -> int:
        return int(self._db.execute("select count(*) from streams").fetchone()[0])

    def save_stream(self, device: str, epoch: str, stream: Stream, at: str) -> None:
        self._db.execute(
            "insert into streams (device, epoch, held, last, heard_at) values (?, ?, ?, ?, ?)"
            " on conflict do update set held = excluded.held, last = excluded.last,"
            " heard_at = excluded.heard_at",
            [device, epoch, json.dumps(stream.held), stream.last, at],
        )

    # records

    def sha256_of(self, device: str, epoch: str, seq: int) -> str | None:
        sql = "select sha256 from records where device = ? and epoch = ? and seq = ?"
        row = self._db.execute(sql, [device, epoch, seq]).fetchone()
        return None if row is None else str(row[0])

    def add_record(
        self, device: str, epoch: str, record: RawRecord, inspection_id: str | None, at: str
    ) -> None:
        self._db.execute(
            "insert into records (device, epoch, seq, kind, inspection_id, body, sha256,"
            " received_at) values (?, ?, ?, ?, ?, ?, ?, ?)",
            [device, epoch, record.seq, record.kind, inspection_id, record.body, record.sha256, at],
        )

    def set_aside(
        self, device: str, epoch: str, record: RawRecord, reason: str, conflict: bool, at: str
    ) -> None:
        """Into quarantine; a repeat changes nothing."""
        self._db.execute(
            "insert into quarantine (device, epoch, seq, conflict, reason, kind, body, sha256,"
            " body_sha256, received_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " on conflict do nothing",
            [
                *(device, epoch, record.seq, int(conflict), reason, record.kind, record.body),
                *(record.sha256, body_sha256(record.body), at),
            ],
        )

    def conflicts(self, device: str, epoch: str, limit: int) -> tuple[int, ...]:
        """The newest seqs that came with two contents."""
        sql = (
            "select seq from quarantine where device = ? and epoch = ? and conflict"
            " order by id desc limit ?"
        )
        rows = self._db.execute(sql, [device, epoch, limit])
        return tuple(sorted({seq for (seq,) in rows}))

    # images

    def image(self, device: str, sha256: str) -> Image | None:
        rows = self._images("device = ? and sha256 = ?", [device, sha256])
        return rows[0] if rows else None

    def wanted(self, device: str, now_s: float, limit: int) -> list[Image]:
        """Images that are not here and may be asked for, those asked least lately first."""
        where = "device = ? and held_at is null and ask_after <= ? order by ask_after, id limit ?"
        return self._images(where, [device, now_s, limit])

    def name_image(self, device: str, epoch: str, event: ImageEvent) -> None:
        """A record says that this image should be here."""
        have = bytes(-(-chunk_count(event.bytes) // 8))
        self._db.execute(
            "insert into images (device, sha256, epoch, bytes, have) values (?, ?, ?, ?, ?)"
            " on conflict do update set epoch = excluded.epoch, ask_after = 0",
            [device, event.sha256, epoch, event.bytes, have],
        )

    def set_pieces(self, image: Image, have: int) -> None:
        size = -(-chunk_count(image.bytes) // 8)
        self._db.execute(
            "update images set have = ? where device = ? and sha256 = ?",
            [have.to_bytes(size, "big"), image.device, image.sha256],
        )

    def hold_image(self, device: str, sha256: str, at: str) -> None:
        self._db.execute(
            "update images set held_at = ? where device = ? and sha256 = ?", [at, device, sha256]
        )

    def ask_later(self, image: Image, ask_after_s: float) -> None:
        self._db.execute(
            "update images set asks = asks + 1, ask_after = ? where device = ? and sha256 = ?",
            [ask_after_s, image.device, image.sha256],
        )

    def _images(self, where: str, values: list[Any]) -> list[Image]:
        sql = f"select device, sha256, epoch, bytes, have, held_at, asks from images where {where}"
        return [
            Image(device, sha, epoch, size, int.from_bytes(have, "big"), held is not None, asks)
            for device, sha, epoch, size, have, held, asks in self._db.execute(sql, values)
        ]

    # looking

    def digest(self) -> dict[tuple[str, str, int], str]:
        """(device, epoch, seq) -> sha256 of every record."""
        rows = self._db.execute("select device, epoch, seq, sha256 from records")
        return {(device, epoch, seq): sha for device, epoch, seq, sha in rows}

    def held_images(self) -> list[str]:
        """Hashes of the images that are here, each once."""
        rows = self._db.execute(
            "select distinct sha256 from images where held_at is not null order by sha256"
        )
        return [sha for (sha,) in rows]

    def counts(self) -> dict[str, int]:
        """records, quarantined, images, images_wanted, devices."""
        row = self._db.execute(
            "select (select count(*) from records), (select count(*) from quarantine),"
            " (select count(*) from images where held_at is not null),"
            " (select count(*) from images where held_at is null),"
            " (select count(distinct device) from streams)"
        ).fetchone()
        names = ("records", "quarantined", "images", "images_wanted", "devices")
        return dict(zip(names, row, strict=True))

    def close(self) -> None:
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)


def _lock(path: Path) -> int:
    """One writer per file: a lock that ends with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StoreError(f"{path}: another ingest is writing here; stop it first") from error
    return lock
