"""ledger.db, written: one connection, one thread, group commits that are durable or not there."""

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import structlog
from sqlite_utils import Database

from edge.core.clock import Clock
from edge.core.errors import NotDurable, StoreError
from edge.core.records import EventRecord
from edge.store.apply import apply
from edge.store.connect import WAL_LIMIT_BYTES, WRITER_PATIENCE_MS, lock_writer
from edge.store.opening import LedgerDamaged, move_aside, open_sound
from edge.store.rows import Inspection, inspection_of, stamp
from edge.store.writes import AddEvent, Results, SetMeta, Write

log = structlog.get_logger()

_BUSY_WRITES = 512  # between checkpoints under load: some 10 MB of WAL
_IDLE_WRITES = 32  # between checkpoints in the gaps, where no verdict waits for them


class LedgerDb:
    """The single writer. The thread that opens it may hand it to another (`adopt`)."""

    def __init__(self, path: Path, db: Database, lock_fd: int) -> None:
        """Use `open`."""
        self.closed = False
        self._path = path
        self._db = db
        self._lock_fd = lock_fd
        self._owner = threading.get_ident()
        self._writes = 0  # since the last checkpoint
        self._checkpoint_failing = False

    @classmethod
    def open(
        cls,
        path: Path,
        device: str,
        new_epoch: Callable[[], str],
        clock: Clock,
        recover: bool = False,
    ) -> Self:
        """Open the ledger of `device`, or create it with a new epoch.

        `recover`: move a damaged file aside and begin an empty ledger, with a new epoch and an
        event that says so. Raises LedgerDamaged without it; StoreError if another process
        writes, if the file is another device's or a newer Linegate's, or cannot be opened.
        """
        lock_fd = lock_writer(path)
        try:
            db, aside = _open_or_recover(path, clock, recover)
        except BaseException:
            os.close(lock_fd)
            raise
        ledger = cls(path, db, lock_fd)
        try:
            ledger._identify(device, new_epoch, clock)
            if aside is not None:
                ledger.commit([_began_anew(aside, clock)])
        except BaseException:
            ledger.close()
            raise
        log.info("ledger open", path=str(path), sqlite=sqlite3.sqlite_version)
        return ledger

    def adopt(self) -> None:
        """From now on the calling thread owns this ledger."""
        self._owner = threading.get_ident()

    def commit(self, writes: Sequence[Write]) -> Results:
        """Make all writes durable in one transaction, or none; one result for each.

        Raises NotDurable if the disk does not take them (it may take the next), WriteRefused if
        one contradicts what is recorded.
        """
        self._assert_owner()
        try:
            self._db.rollback()  # what an earlier failure could not even undo
            with self._db.atomic():
                results = tuple(apply(self._db, write) for write in writes)
        except sqlite3.Error as error:
            raise NotDurable(f"{self._path} did not take the record: {error}") from error
        self._writes += len(writes)
        return results

    def unanswered(self) -> tuple[Inspection, ...]:
        """Inspections without a final verdict, oldest first: open ones and waiting reviews."""
        self._assert_owner()
        rows = self._db.query(
            "select * from inspections where verdict is null"
            " union all select * from inspections where verdict = 'review'"
            " order by opened_at"
        )
        return tuple(inspection_of(row) for row in rows)

    @property
    def meta(self) -> dict[str, str]:
        """What lasts: device, epoch, created_at, and whatever SetMeta set."""
        self._assert_owner()
        return {row["key"]: row["value"] for row in self._db.table("meta").rows}

    def tick(self, idle: bool) -> None:
        """Checkpoint if it is time. On a disk that cannot, the WAL simply grows.

        PASSIVE lets the WAL be overwritten in place, which costs flash less than truncating it;
        only one that outgrew its limit, because a reader held it back, is truncated.
        """
        self._assert_owner()
        if self._writes >= (_IDLE_WRITES if idle else _BUSY_WRITES):
            self._checkpoint("truncate" if self._wal_bytes() > WAL_LIMIT_BYTES else "passive")

    def close(self) -> None:
        """Checkpoint and let go: then another process may write."""
        self._assert_owner()
        self._checkpoint("truncate")
        self._db.close()
        os.close(self._lock_fd)
        self.closed = True

    def _checkpoint(self, mode: str) -> None:
        self._writes = 0
        self._db.execute("pragma busy_timeout = 0")  # never wait for a reader
        try:
            self._db.execute(f"pragma wal_checkpoint({mode})").fetchone()
            self._checkpoint_failing = False
        except sqlite3.Error as error:
            if not self._checkpoint_failing:
                log.warning("checkpoint failed", error=str(error))
            self._checkpoint_failing = True
        finally:
            self._db.execute(f"pragma busy_timeout = {WRITER_PATIENCE_MS}")

    def _wal_bytes(self) -> int:
        try:
            return os.stat(f"{self._path}-wal").st_size
        except OSError:
            return 0

    def _identify(self, device: str, new_epoch: Callable[[], str], clock: Clock) -> None:
        meta = self.meta
        if "epoch" not in meta:
            created = SetMeta("created_at", stamp(clock.now()))
            self.commit([SetMeta("device", device), SetMeta("epoch", new_epoch()), created])
        elif meta["device"] != device:
            raise StoreError(
                f"{self._path} is the ledger of device {meta['device']!r}, not {device!r}: "
                "give station.device its old name, or move the file aside"
            )

    def _assert_owner(self) -> None:
        assert threading.get_ident() == self._owner, "one thread owns the ledger"


def _open_or_recover(path: Path, clock: Clock, recover: bool) -> tuple[Database, Path | None]:
    """The database, and where a damaged one lies now."""
    try:
        return open_sound(path), None
    except LedgerDamaged:
        if not recover:
            raise
    aside = move_aside(path, clock)
    return open_sound(path), aside


def _began_anew(aside: Path, clock: Clock) -> Write:
    text = (
        f"the ledger was damaged and lies in {aside.name}; this one began empty. Records that "
        "were not delivered are only in that file"
    )
    return AddEvent(EventRecord(code="ledger_damaged", text=text, at=clock.now()))
