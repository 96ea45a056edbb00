"""What an earlier life of the gate left behind: parts without a final verdict are closed as
rework. Silence means rework, so the PLC has dealt with most of them; only for those that wait for
a person it is still owed the end.
"""

from collections.abc import Iterable

from edge.core.messages import By, Reason, Verdict, VerdictMessage
from edge.core.records import InspectionRecord
from edge.gate.part import answer_of
from edge.store.rows import Inspection
from edge.store.writes import ClosePart


def closures(unanswered: Iterable[Inspection]) -> list[ClosePart]:
    """One closing revision for each part that is open or still waits for a person."""
    return [_close(row) for row in unanswered]


def owed(unanswered: Iterable[Inspection], closed: Iterable[ClosePart]) -> list[VerdictMessage]:
    """The ends of those that the line was told to wait for: it should hear them."""
    waited = {row.inspection_id for row in unanswered if row.verdict is Verdict.REVIEW}
    return [close.answer for close in closed if close.record.inspection_id in waited]


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
