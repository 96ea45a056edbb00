"""What an earlier life of the gate left behind: parts without a final verdict are closed as
rework, and a pass that nobody confirmed is none when the PLC asks again.

Their openings are in the ledger, so none is forgotten; the PLC has sent them to rework itself by
now, since silence means rework.
"""

from collections.abc import Iterable

from edge.core.messages import By, Reason, Verdict
from edge.core.records import InspectionRecord
from edge.gate.events import AlreadyKnown, Effect, Note, SendVerdict
from edge.gate.part import answer_of
from edge.store.rows import Inspection
from edge.store.writes import ClosePart


def closures(unanswered: Iterable[Inspection]) -> list[ClosePart]:
    """One closing revision for each part that is open or still waits for a person."""
    return [_close(row) for row in unanswered]


def asked_again(known: AlreadyKnown) -> list[Effect]:
    """The recorded answer of a part from before; but a pass that the PLC never echoed may never
    have been told, or even been overtaken by rework: then it is rework, and the record says so."""
    if known.answer is None:
        return []
    if known.answer.verdict is not Verdict.PASS or known.acked:
        return [SendVerdict(known.answer, again=True)]
    if known.record is None:
        return []
    rework = _rework(known.record, known.record.revision + 1, Reason.NOT_DURABLE)
    return [SendVerdict(rework.answer, again=True), Note(rework)]


def _close(row: Inspection) -> ClosePart:
    last = InspectionRecord.model_validate_json(row.body)
    return _rework(last, row.revision + 1, Reason.DEADLINE)


def _rework(record: InspectionRecord, revision: int, reason: Reason) -> ClosePart:
    closed = record.model_copy(
        update={
            "revision": revision,
            "verdict": Verdict.REWORK,
            "by": By.FAILSAFE,
            "reasons": (reason,),
        }
    )
    return ClosePart(closed, answer_of(closed, review_s=0.0))
