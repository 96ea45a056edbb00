"""Connections to ledger.db: one that writes, any number that only read.

SQLite 3.7 to 3.51.2 can corrupt a WAL when two connections write or checkpoint at once. So one
connection does both, a lock file keeps a second writer out, and readers are opened read-only.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlite_utils import Database

from edge.core.errors import StoreError

WAL_LIMIT_BYTES = 32 * 1024 * 1024
WRITER_PATIENCE_MS = 1000  # for a lock that only a foreign tool can hold
_READER_PATIENCE_S = 5.0

_WRITER_PRAGMAS = (
    "journal_mode = wal",
    "synchronous = full",  # a commit that returned survives a power cut
    "wal_autocheckpoint = 0",  # LedgerDb.tick does it
    f"journal_size_limit = {WAL_LIMIT_BYTES}",
    "foreign_keys = on",
    "trusted_schema = off",
    "cell_size_check = on",
    "temp_store = memory",
    "mmap_size = 0",
)


def lock_writer(path: Path) -> int:
    """Return the descriptor that holds the only writer's lock until it is closed.

    Raises StoreError if another process has it, or the folder cannot be written.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{lock}: {error.strerror}: make the folder writable") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise StoreError(
            f"{path} is already open for writing: stop the other gate of this station"
        ) from error
    return fd


def connect_writer(path: Path) -> Database:
    """Raises sqlite3.Error."""
    conn = sqlite3.connect(
        path,
        timeout=WRITER_PATIENCE_MS / 1000,
        isolation_level=None,
        check_same_thread=False,  # LedgerDb watches its own thread
    )
    try:
        if conn.execute("pragma page_count").fetchone()[0] == 0:  # only a new file takes it
            conn.execute("pragma auto_vacuum = incremental")
        for pragma in _WRITER_PRAGMAS:
            conn.execute(f"pragma {pragma}")
        return Database(conn, execute_plugins=False)
    except BaseException:
        conn.close()
        raise


@contextmanager
def reading(path: Path) -> Iterator[Database]:
    """One consistent view of the database. It takes no lock that a writer would wait for.

    Raises StoreError if there is no ledger yet, or it cannot be read.
    """
    uri = f"file:{quote(str(path))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=_READER_PATIENCE_S)) as conn:
            db = Database(conn, execute_plugins=False)
            db.execute("pragma query_only = on")
            with db.atomic():
                yield db
    except sqlite3.Error as error:
        if not path.exists():
            raise StoreError(f"{path} is not there yet: start the gate once") from error
        raise StoreError(f"{path} cannot be read: {error}") from error
