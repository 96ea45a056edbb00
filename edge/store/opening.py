"""Is the ledger sound? Looked at once, before the writer begins; and the way out if it is not."""

import sqlite3
import threading
from pathlib import Path

import structlog
from sqlite_utils import Database

from edge.core.clock import Clock
from edge.core.errors import StoreError
from edge.store.connect import connect_writer
from edge.store.schema import migrate

log = structlog.get_logger()

_CHECK_LIMIT_S = 2.0  # the line waits for the gate
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class LedgerDamaged(StoreError):
    """The file is not a sound database any more; `damage` says in what way."""

    def __init__(self, path: Path, damage: object) -> None:
        super().__init__(
            f"{path} is damaged ({damage}): restore a backup, or start with recovery, which moves "
            "it aside and begins an empty ledger"
        )
        self.damage = str(damage)


def open_sound(path: Path) -> Database:
    """Connect, look for damage, migrate.

    Raises LedgerDamaged; StoreError if it cannot be opened or a newer Linegate wrote it.
    """
    try:
        db = connect_writer(path)
        try:
            damage = _find_damage(db)
            if damage is None:
                migrate(db)
                return db
        except BaseException:
            db.close()
            raise
        db.close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:
            raise StoreError(f"{path} cannot be opened: {error}") from error
        damage = str(error)
    raise LedgerDamaged(path, damage)


def move_aside(path: Path, clock: Clock) -> Path:
    """Keep the damaged file for salvage, out of the way. Return where it is now."""
    aside = path.with_name(f"{path.name}.damaged-{clock.now():%Y%m%dT%H%M%S}")
    while aside.exists():
        aside = aside.with_name(aside.name + "x")
    for suffix in ("-wal", "-shm", ""):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(aside.with_name(aside.name + suffix))
    return aside


def _find_damage(db: Database, limit_s: float = _CHECK_LIMIT_S) -> str | None:
    """What is wrong with the file, as far as the time allows to look."""
    timer = threading.Timer(limit_s, db.conn.interrupt)
    timer.start()
    try:
        found = [row[0] for row in db.execute("pragma quick_check(3)")]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        log.info("ledger checked only in part: it is large", limit_s=limit_s)
        return None
    finally:
        timer.cancel()
        timer.join()
    return None if found == ["ok"] else " ".join("; ".join(found).split())
