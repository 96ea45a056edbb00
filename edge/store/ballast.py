"""A file that holds room back: released when the disk is full, so that clearing up can begin.

On a full disk not even a delete succeeds: it is a write to the WAL first.
"""

import os
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()


class Ballast:
    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def ensure(self) -> bool:
        """Take the room if it is not taken. False if the disk has not got it."""
        if self._is_there():
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "wb") as file:
                if self._size_bytes:
                    os.posix_fallocate(file.fileno(), 0, self._size_bytes)
                os.fsync(file.fileno())
        except OSError as error:
            log.warning("no room for the ballast", error=str(error))
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the room back; without a ballast nothing happens."""
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _is_there(self) -> bool:
        return self._path.exists() and self._path.stat().st_size == self._size_bytes
