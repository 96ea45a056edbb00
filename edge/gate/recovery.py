"""After a crash: parts that the line got no final verdict for are closed as rework.

Their openings are in the ledger, so none is forgotten; the PLC has sent them to rework itself by
now, since silence means rework.
"""

from collections.abc import Iterable

from edge.core.messages import By, Reason, Verdict
from edge.core.records import InspectionRecord
from edge.gate.part import answer_of
from edge.store.rows import Inspection
from edge.store.writes import ClosePart


def closures(unanswered: Iterable[Inspection]) -> list[ClosePart]:
    """One closing revision for each part that is open or still waits for a person."""
    return [_close(row) for row in unanswered]


def _close(row: Inspection) -> ClosePart:
    last = InspectionRecord.model_validate_json(row.body)
    closed = last.model_copy(
        update={
            "revision": row.revision + 1,
            "verdict": Verdict.REWORK,
            "by": By.FAILSAFE,
            "reasons": (Reason.DEADLINE,),
        }
    )
    return ClosePart(closed, answer_of(closed, review_s=0.0))
