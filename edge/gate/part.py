"""One part on its way through the gate, and the record of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from edge.core.automation import Permit, permit
from edge.core.clock import ms, ns
from edge.core.decide import Decision, Rules
from edge.core.messages import (
    By,
    Level,
    Reason,
    Refusal,
    Trigger,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.core.orders import ReviewOrder
from edge.core.recipe import Recipe
from edge.core.records import InspectionRecord, ReviewRecord, ViewRecord
from edge.gate.events import Acknowledge, Effect, LookAt, SendVerdict
from edge.gate.rules import Limits, RecipeRules
from edge.store.writes import AddReview, ClosePart, Write


class Stage(Enum):
    """Where a part is. Every part ends CLOSED, with a verdict sent or its trigger refused."""

    LOOKING = auto()  # being opened in the ledger and looked at, both at once
    COMMITTING = auto()  # judged; the record is on its way to the disk
    WAITING = auto()  # a person must decide
    CLOSED = auto()  # the line has its terminal verdict, or was told it gets none


@dataclass(slots=True)
class Part:
    """The state of one inspection; only `ledger.py` changes it."""

    inspection_id: str
    trigger: Trigger
    recipe: Recipe
    permit: Permit
    rules: Rules
    model: str | None
    triggered_ns: int
    triggered_at: datetime
    deadline_ms: int
    due_ns: int  # the guard answers at this time
    stage: Stage = Stage.LOOKING
    opened: bool = False  # durable
    seen: bool = False  # the eye is done with it, and holds its frames
    kept: bool = False  # its frames have their class of retention
    decision: Decision | None = None
    views: tuple[ViewRecord, ...] = ()
    stages_ms: dict[str, float] = field(default_factory=dict)
    serial: str | None = None
    revision: int = 0  # of the newest record handed to the store
    record: InspectionRecord | None = None  # that record, durable or not
    answer: VerdictMessage | None = None  # what the line was sent last
    expires_ns: int = 0  # from then on that answer may be no pass
    review: ReviewRecord | None = None  # a person's word that is not durable yet
    word_revision: int = 0  # of the record that carries it
    token: int | None = None  # of the order that waits for it

    @property
    def key(self) -> tuple[str, int]:
        return (self.trigger.part_id, self.trigger.seq)


def new_part(
    inspection_id: str,
    trigger: Trigger,
    at: datetime,
    rules: RecipeRules,
    level: Level,
    limits: Limits,
    now_ns: int,
) -> Part:
    """A part whose trigger came now; its guard answers a margin before its deadline."""
    deadline_ms = trigger.deadline_ms or rules.recipe.deadline_ms
    margin_ms = min(limits.answer_margin_ms, deadline_ms / 2)
    return Part(
        inspection_id=inspection_id,
        trigger=trigger,
        recipe=rules.recipe,
        permit=permit(level),
        rules=rules.rules,
        model=rules.model,
        triggered_ns=now_ns,
        triggered_at=at,
        deadline_ms=deadline_ms,
        due_ns=now_ns + ns(deadline_ms - margin_ms),
    )


def look_of(part: Part) -> LookAt:
    """What the eye is asked for."""
    return LookAt(
        inspection_id=part.inspection_id,
        part_id=part.trigger.part_id,
        recipe=part.recipe,
        permit=part.permit,
        triggered_ns=part.triggered_ns,
        until_ns=part.due_ns,
    )


def record_of(part: Part, decision: Decision, config_sha256: str, now_ns: int) -> InspectionRecord:
    """The next revision of the part's record."""
    return InspectionRecord(
        inspection_id=part.inspection_id,
        revision=part.revision + 1,
        part_id=part.trigger.part_id,
        seq=part.trigger.seq,
        lot=part.trigger.lot,
        recipe=part.recipe.name,
        recipe_sha256=part.recipe.sha256,
        model=part.model,
        model_sha256=part.rules.model_sha256,
        config_sha256=config_sha256,
        level=part.permit.level,
        triggered_at=part.triggered_at,
        deadline_ms=part.deadline_ms,
        verdict=decision.verdict,
        by=decision.by,
        reasons=decision.reasons,
        score=decision.score,
        opinion=decision.opinion,
        views=part.views,
        latency_ms=round(ms(now_ns - part.triggered_ns), 3),
        stages_ms=part.stages_ms,
        serial=part.serial,
    )


def answer_of(record: InspectionRecord, review_s: float) -> VerdictMessage:
    """What the line is told. The score stays inside where persons must judge unswayed."""
    shown = permit(record.level).shows_score
    window = timedelta(milliseconds=window_ms(record, review_s))
    return VerdictMessage(
        part_id=record.part_id,
        seq=record.seq,
        inspection_id=record.inspection_id,
        verdict=record.verdict,
        by=record.by,
        reasons=record.reasons,
        score=round(record.score, 6) if shown and record.score is not None else None,
        model=record.model,
        recipe=record.recipe,
        latency_ms=record.latency_ms,
        valid_until=record.triggered_at + window,
        serial=record.serial,
    )


def window_ms(record: InspectionRecord, review_s: float) -> float:
    """How long after its trigger a verdict can still let the part pass."""
    return record.deadline_ms + (review_s * 1000 if record.by is By.HUMAN else 0)


def writes_of(part: Part) -> tuple[Write, ...]:
    """What makes the part's newest record durable, with the person's word if there is one."""
    assert part.record is not None
    close = ClosePart(part.record, answer_of(part.record, part.recipe.review_s))
    return (close,) if part.review is None else (close, AddReview(part.review))


def review_of(order: ReviewOrder, at: datetime, in_time: bool) -> ReviewRecord:
    """A person's word, as it is kept."""
    return ReviewRecord(
        inspection_id=order.inspection_id,
        verdict=order.verdict,
        who=order.who,
        at=at,
        in_time=in_time,
        saw_score=order.saw_score,
    )


def acceptance(part: Part) -> TriggerAck:
    return TriggerAck(
        part_id=part.trigger.part_id,
        seq=part.trigger.seq,
        accepted=True,
        inspection_id=part.inspection_id,
    )


def refusal_of(part_id: str, seq: int, why: Refusal) -> TriggerAck:
    return TriggerAck(part_id=part_id, seq=seq, accepted=False, refused=why)


def duplicate(part: Part, inspection_id: str) -> TriggerAck:
    """The gate has, or had, this trigger already: as that inspection."""
    return TriggerAck(
        part_id=part.trigger.part_id,
        seq=part.trigger.seq,
        accepted=False,
        inspection_id=inspection_id,
        refused=Refusal.DUPLICATE,
    )


def answer_again(part: Part, now_ns: int) -> list[Effect]:
    """The same trigger again: the recorded answer, if there is one yet. A part in flight is
    just acknowledged again: some brokers deliver a trigger twice."""
    if part.answer is None:
        return [Acknowledge(acceptance(part))] if part.opened else []
    known = Acknowledge(duplicate(part, part.inspection_id))
    stale = part.answer.verdict is Verdict.PASS and now_ns >= part.expires_ns
    return [known] if stale else [known, SendVerdict(part.answer, part.expires_ns)]


def failsafe(part: Part, *reasons: Reason) -> Decision:
    """Rework, whatever was seen so far."""
    seen = part.decision
    return Decision(
        inspection_id=part.inspection_id,
        verdict=Verdict.REWORK,
        by=By.FAILSAFE,
        reasons=reasons,
        score=seen.score if seen else None,
        opinion=seen.opinion if seen else None,
        looks=seen.looks if seen else (),
        rules=part.rules,
        permit=part.permit,
    )
