"""Whether the disk takes records, and what it still owes."""

from edge.core.clock import ns
from edge.gate.events import ClearCause, Commit, Effect, Probe, RaiseCause
from edge.gate.part import Part

RETRY_NS = ns(500)  # between tries of a sick disk


class Disk:
    """Sick from the first failed commit until one succeeds and nothing is owed any more.

    While it is sick no trigger is accepted, so what is owed stays bounded by the parts that
    were in flight.
    """

    def __init__(self) -> None:
        self.sick = False
        self._owed: dict[str, tuple[Part, Commit]] = {}
        self._retry_ns = 0

    @property
    def owes(self) -> int:
        return len(self._owed)

    def failed(self, error: str, now_ns: int) -> list[Effect]:
        self.sick = True
        self._retry_ns = now_ns + RETRY_NS
        return [RaiseCause("not_durable", error)]

    def silent(self, now_ns: int) -> list[Effect]:
        """It has not answered by the part's deadline."""
        return self.failed("the disk takes longer than a part's deadline", now_ns)

    def owe(self, part: Part, commit: Commit) -> None:
        """The line has its answer, the record must still come."""
        self._owed[part.inspection_id] = (part, commit)

    def took(self, inspection_id: str | None) -> list[Effect]:
        """A commit succeeded."""
        self._owed.pop(inspection_id or "", None)
        if not self.sick or self._owed:
            return []
        self.sick = False
        return [ClearCause("not_durable")]

    def due_ns(self) -> int | None:
        return self._retry_ns if self.sick else None

    def retry(self, now_ns: int) -> list[Effect]:
        """Try again what is owed, or just anything."""
        if not self.sick or now_ns < self._retry_ns:
            return []
        self._retry_ns = now_ns + RETRY_NS
        return [commit for _, commit in self._owed.values()] or [Probe()]
