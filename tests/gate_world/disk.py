"""The ledger's database of the world, with a disk that stalls, breaks and refuses."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge.core.clock import ns
from edge.core.errors import NotDurable
from edge.core.messages import Verdict, VerdictMessage
from edge.core.records import InspectionRecord, ReviewRecord
from edge.gate.outcomes import Outcome
from edge.store.rows import Inspection
from edge.store.writes import (
    AddReview,
    ClosePart,
    OpenPart,
    OpenResult,
    SerialPassed,
    SetMeta,
    Write,
    WriteRefused,
)

if TYPE_CHECKING:
    from gate_world.world import World

Done = Callable[[Outcome], None]


@dataclass(slots=True)
class Row:
    """What is durable of one inspection."""

    draft: InspectionRecord
    record: InspectionRecord | None = None
    answer: VerdictMessage | None = None
    taken_back: bool = False  # a person says that it should not have passed
    revisions: dict[int, InspectionRecord] = field(default_factory=dict)

    @property
    def has_passed(self) -> bool:
        return self.record is not None and self.record.verdict is Verdict.PASS

    @property
    def is_open(self) -> bool:
        return self.record is None or self.record.verdict is Verdict.REVIEW


class Disk:
    """Writes come down in order, each whole or not at all, as `edge/store` does it."""

    def __init__(self, world: "World") -> None:
        self.rows: dict[str, Row] = {}
        self.meta: dict[str, str] = {}
        self.broken_until_ns = 0
        self._world = world
        self._random = world.random
        self._open: set[str] = set()  # rows without a final verdict
        self._keys: dict[tuple[str, int], str] = {}
        self._of_serial: dict[tuple[str, str], set[str]] = {}
        self._pending: deque[tuple[Sequence[Write], Done]] = deque()
        self._free_ns = 0

    def submit(self, writes: Sequence[Write], done: Done) -> bool:
        if self._random.random() < 0.0005:
            self._world.count("the queue to the disk is full")
            return False
        spent = self._random.choice((0.1, 0.2, 0.3, 1, 5))
        if self._random.random() < 0.002:
            self._world.count("the disk stalled")
            spent = 500
        self._free_ns = max(self._free_ns, self._world.now_ns) + ns(spent)
        self._pending.append((writes, done))
        self._world.later(self._free_ns, self._land, of_gate=True)
        kind = type(writes[0]).__name__ if writes else "nothing"
        self._world.step(f"{kind} was handed to the disk")
        return True

    def power_cut(self) -> None:
        """What was on its way is lost or, from the front, landed unheard."""
        while self._pending and self._random.random() < 0.5:
            self._world.count("a write landed unheard")
            self._outcome(self._pending.popleft()[0])
        self._pending.clear()
        self._free_ns = self._world.now_ns

    def flush(self) -> None:
        """The gate ends in order: what it handed over is written."""
        while self._pending:
            self._outcome(self._pending.popleft()[0])

    def unanswered(self) -> list[Inspection]:
        return [_inspection(self.rows[name]) for name in sorted(self._open)]

    def _land(self) -> None:
        writes, done = self._pending.popleft()
        outcome = self._outcome(writes)
        self._world.run(lambda: done(outcome))

    def _outcome(self, writes: Sequence[Write]) -> Outcome:
        if self._world.now_ns < self.broken_until_ns:
            self._world.count("the disk failed")
            return NotDurable("disk full")
        try:
            for write in writes:
                self._check(write)
        except SerialPassed as refused:
            self._world.count("a serial was refused")
            return refused
        except WriteRefused as refused:
            self._world.count("a contradiction was refused")
            return refused
        return tuple(self.apply(write) for write in writes)

    def _check(self, write: Write) -> None:
        """Raises WriteRefused, as the database does."""
        match write:
            case ClosePart(record):
                row = self.rows.get(record.inspection_id)
                recorded = row and row.revisions.get(record.revision)
                if recorded is not None and recorded != record:
                    raise WriteRefused(f"revision {record.revision} has another content")
                other = self._passed_as(record)
                if other is not None:
                    raise SerialPassed(record.serial or "", other)
            case AddReview(review) if review.inspection_id in self.rows:
                self._check_back(review)
            case AddReview(review) if not review.in_time:
                raise WriteRefused(f"there is no inspection {review.inspection_id} to review")

    def _check_back(self, review: ReviewRecord) -> None:
        row = self.rows[review.inspection_id]
        again = review.verdict is Verdict.PASS and row.taken_back
        if again and row.record is not None and self._passed_as(row.record) is not None:
            raise WriteRefused("another part has passed with its serial since")

    def apply(self, write: Write) -> OpenResult | None:
        match write:
            case OpenPart(draft):
                return self._open_part(draft)
            case ClosePart(record, answer):
                self._close(record, answer)
            case AddReview(review) if self.rows[review.inspection_id].has_passed:
                self.rows[review.inspection_id].taken_back = review.verdict is Verdict.REWORK
            case SetMeta(key, value):
                self.meta[key] = value
        return None

    def _open_part(self, draft: InspectionRecord) -> OpenResult:
        known = self._keys.get((draft.part_id, draft.seq))
        if known is not None:
            answer = self.rows[known].answer
            return OpenResult(known, True, answer and answer.model_dump_json())
        self._enter(draft)
        return OpenResult(draft.inspection_id, False)

    def _enter(self, draft: InspectionRecord) -> Row:
        row = self.rows[draft.inspection_id] = Row(draft)
        self._keys[(draft.part_id, draft.seq)] = draft.inspection_id
        self._open.add(draft.inspection_id)
        return row

    def _close(self, record: InspectionRecord, answer: VerdictMessage) -> None:
        row = self.rows.get(record.inspection_id) or self._enter(record)
        row.revisions[record.revision] = record
        if row.record is None or row.record.revision < record.revision:
            row.record, row.answer = record, answer
            (self._open.add if row.is_open else self._open.discard)(record.inspection_id)
            serial = (record.recipe, record.serial or "")
            self._of_serial.setdefault(serial, set()).add(record.inspection_id)

    def _passed_as(self, record: InspectionRecord) -> str | None:
        """Another part that has passed with this serial, unless a person took that back."""
        if record.serial is None or record.verdict is Verdict.REWORK:
            return None
        others = self._of_serial.get((record.recipe, record.serial), set())
        for name in sorted(others - {record.inspection_id}):
            if self.rows[name].has_passed and not self.rows[name].taken_back:
                return name
        return None


def _inspection(row: Row) -> Inspection:
    last = row.record or row.draft
    return Inspection(
        inspection_id=last.inspection_id,
        part_id=last.part_id,
        plc_seq=last.seq,
        lot=None,
        recipe=last.recipe,
        level=last.level,
        opened_at=last.triggered_at,
        deadline_ms=last.deadline_ms,
        verdict=None if row.record is None else row.record.verdict,
        by=None,
        reasons=(),
        score=None,
        opinion=None,
        model=None,
        latency_ms=None,
        revision=0 if row.record is None else row.record.revision,
        closed_at=None,
        plc_acked=False,
        answer=None,
        body=last.model_dump_json(),
    )
