"""Which part stands before the camera when, by the conveyor's own truth (docs/cameras.md).

Whoever moves the virtual parts writes the file (`linegate simulate`); the simulator reads it, so
that a part that is asked for too early or too late, or for another one, is not what is seen.
"""

from bisect import bisect_right
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from edge.core.recipe import explain

_log = structlog.get_logger()


class Stand(BaseModel):
    """One part is before the camera, from when to when (CLOCK_MONOTONIC)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    number: int
    from_ns: int
    to_ns: int


class Belt(BaseModel):
    """All parts of a run, in the order in which they come."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    parts: tuple[Stand, ...] = ()

    def number_at(self, at_ns: int) -> int | None:
        """The part that stands there at this time; None: nothing does."""
        index = bisect_right(self.parts, at_ns, key=lambda stand: stand.from_ns) - 1
        if index < 0 or at_ns > self.parts[index].to_ns:
            return None
        return self.parts[index].number


class BeltFile:
    """Reads the file again whenever it changed. While it cannot be read, the belt is empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._belt = Belt()

    def read(self) -> Belt:
        """The belt of now. Costs one `stat` while nothing changes."""
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_size)
            if version != self._seen:
                self._seen = version
                self._belt = Belt.model_validate_json(self._path.read_bytes())
        except OSError:
            self._seen, self._belt = None, Belt()
        except ValidationError as error:
            self._belt = Belt()
            _log.warning("belt_file_ignored", file=str(self._path), problem=explain(error))
        return self._belt
