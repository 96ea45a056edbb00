"""What the store answered, as events for the ledger."""

import structlog

from edge.core.messages import VerdictMessage
from edge.gate.events import (
    AlreadyKnown,
    AnswerOrder,
    CommitFailed,
    Committed,
    Event,
    Opened,
    OrderKept,
    ProbeCommitted,
    Reply,
    ReviewKept,
)
from edge.store.writes import OpenResult, Results, SerialPassed, WriteRefused

log = structlog.get_logger()

Outcome = Results | Exception


def of_opening(inspection_id: str, outcome: Outcome) -> Event:
    if isinstance(outcome, Exception):
        return CommitFailed(inspection_id, 0, str(outcome), isinstance(outcome, WriteRefused))
    result = outcome[0]
    assert isinstance(result, OpenResult)
    if not result.known or result.inspection_id == inspection_id:
        return Opened(inspection_id)
    answer = result.answer and VerdictMessage.model_validate_json(result.answer)
    return AlreadyKnown(inspection_id, result.inspection_id, answer or None)


def of_commit(inspection_id: str, revision: int, outcome: Outcome) -> Event:
    if isinstance(outcome, SerialPassed):
        log.warning("serial passed before", inspection=inspection_id, other=outcome.inspection_id)
        return CommitFailed(inspection_id, revision, str(outcome), True, outcome.inspection_id)
    if isinstance(outcome, Exception):
        refused = isinstance(outcome, WriteRefused)
        if refused:
            log.error("record refused", inspection=inspection_id, error=str(outcome))
        return CommitFailed(inspection_id, revision, str(outcome), refused)
    return Committed(inspection_id, revision)


def of_review(token: int, outcome: Outcome) -> Event:
    return ReviewKept(token, str(outcome) if isinstance(outcome, Exception) else None)


def of_order(then: AnswerOrder | Reply, outcome: Outcome) -> Event:
    """An order that was carried out, but may not outlive a restart, is not well done."""
    if not isinstance(outcome, Exception):
        return OrderKept(then)
    error = {"ok": False, "error": f"done, but only until the next restart: {outcome}"}
    if isinstance(then, AnswerOrder):
        return OrderKept(AnswerOrder(then.ack.model_copy(update=error)))
    return OrderKept(Reply(then.token, then.answer.model_copy(update=error)))


def of_probe(outcome: Outcome) -> Event:
    if isinstance(outcome, Exception):
        return CommitFailed(None, 0, str(outcome))
    return ProbeCommitted()


def of_note(outcome: Outcome) -> None:
    """Nobody waits for it; a loss is at least said."""
    if isinstance(outcome, Exception):
        log.warning("note not kept", error=str(outcome))
