"""sync.db: what the trainer has confirmed. Written by the job `sync` alone, read by everyone.

*delivered* is decided here and only from the trainer's acks; the gate's retention asks
`DeliveredReader` before it lets an image go.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlite_utils import Database, Migrations

from edge.core.errors import StoreError
from edge.store.connect import reading
from edge.sync.events import SaveDelivered

log = structlog.get_logger()

migrations = Migrations("sync")


@migrations(name="0001_first")
def _first(db: Database) -> None:
    db.executescript(
        """
        create table cursors (
            epoch text primary key not null,
            up_to integer not null  -- all records 1..up_to are delivered
        ) strict;

        create table images (
            sha256 text primary key not null,
            state text not null check (state in ('awaited', 'delivered', 'gone')),
            epoch text not null,
            seq integer,  -- of the record that named it, where that is known
            reminded integer not null default 0
        ) strict;
        create index images_awaited on images (epoch, reminded, seq) where state = 'awaited';

        create table status (
            id integer primary key check (id = 1),
            body text not null
        ) strict;
        """
    )


class SyncStatus(BaseModel):
    """What the page shows of the post."""

    model_config = ConfigDict(frozen=True)
    at: AwareDatetime
    connected: bool = False
    problem: str | None = None  # why not, in words
    trainer_heard_at: AwareDatetime | None = None
    epoch: str | None = None
    last: int = 0  # newest record of the ledger
    delivered_up_to: int = 0
    images_awaited: int = 0
    images_delivered: int = 0
    images_gone: int = 0  # the trainer asked for them too late
    alarms: dict[str, str] = {}


class SyncDb:
    """The writer. One thread owns it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = _open(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, disk full: not damaged
                raise
            log.error("sync.db is damaged and begins anew; all is sent again", error=str(error))
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            path.replace(path.with_name(path.name + ".damaged"))
            self._db = _open(path)

    def cursor(self, epoch: str) -> int:
        """All records of this epoch up to here are delivered."""
        row = self._db.execute("select up_to from cursors where epoch = ?", [epoch]).fetchone()
        return 0 if row is None else int(row[0])

    def save(self, delivered: SaveDelivered) -> None:
        """Durable when this returns, all of it or nothing."""
        with self._db.atomic():
            self._db.table("cursors").upsert(
                {"epoch": delivered.epoch, "up_to": delivered.up_to}, pk="epoch"
            )
            # A record that was acked anew asks anew for its image: the trainer may have lost it.
            self._db.table("images").upsert_all(
                [
                    {"sha256": a.sha256, "state": "awaited", "epoch": delivered.epoch, "seq": a.seq}
                    for a in delivered.awaited
                ],
                pk="sha256",
            )
            self._db.table("images").upsert_all(
                [
                    {"sha256": sha, "state": "delivered", "epoch": delivered.epoch}
                    for sha in delivered.images
                ],
                pk="sha256",
            )

    def mark_wanted(self, sha256: str, gone: bool) -> None:
        """The trainer lacks this image; `gone`: so does the box."""
        state = "gone" if gone else "awaited"
        with self._db.atomic():
            self._db.execute(
                "update images set state = ? where sha256 = ? and state != ?",
                [state, sha256, state],
            )

    def reminders(self, epoch: str, limit: int) -> Sequence[int]:
        """Seqs whose image is awaited, those not asked about for longest first."""
        with self._db.atomic():
            rows = self._db.execute(
                "update images set reminded = reminded + 1 where sha256 in"
                " (select sha256 from images where state = 'awaited' and epoch = ?"
                " and seq is not null order by reminded, seq limit ?) returning seq",
                [epoch, limit],
            )
            return sorted(seq for (seq,) in rows)

    def image_counts(self) -> dict[str, int]:
        """How many images are in each state."""
        rows = self._db.execute("select state, count(*) from images group by state")
        return dict(rows.fetchall())

    def set_status(self, status: SyncStatus) -> None:
        with self._db.atomic():
            self._db.table("status").upsert({"id": 1, "body": status.model_dump_json()}, pk="id")

    def close(self) -> None:
        self._db.close()


def _open(path: Path) -> Database:
    """Raises sqlite3.DatabaseError if the file is damaged."""
    db = Database(path)
    try:
        (sound,) = db.execute("pragma quick_check(1)").fetchone()
        if sound != "ok":
            raise sqlite3.DatabaseError(sound)
        db.enable_wal()
        for pragma in ("synchronous = full", "busy_timeout = 5000", "journal_size_limit = 4194304"):
            db.execute(f"pragma {pragma}")
        migrations.apply(db)
    except BaseException:
        db.close()
        raise
    return db


class DeliveredReader:
    """Eyes on sync.db for other jobs, safe in any thread: every question opens the file anew.

    What cannot be read (no file yet, a broken one) is not delivered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def image_delivered(self, sha256: str) -> bool:
        """True if the trainer confirmed that it holds these bytes."""
        sql = "select 1 from images where sha256 = ? and state = 'delivered'"
        return self._ask(sql, [sha256]) is not None

    def up_to(self, epoch: str) -> int:
        """All records of this epoch up to here are delivered; 0 if none is."""
        row = self._ask("select up_to from cursors where epoch = ?", [epoch])
        return 0 if row is None else int(row[0])

    def status(self) -> SyncStatus | None:
        """The last status that `sync` wrote; None if it never ran."""
        row = self._ask("select body from status", [])
        return None if row is None else SyncStatus.model_validate_json(row[0])

    def _ask(self, sql: str, values: list[str]) -> tuple[Any, ...] | None:
        try:
            with reading(self._path) as db:
                row: tuple[Any, ...] | None = db.execute(sql, values).fetchone()
                return row
        except StoreError:
            return None
