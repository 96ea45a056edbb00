"""The judgement: whatever is planted is found, and a run that kept every promise is clean."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from edge.core.messages import (
    By,
    Heartbeat,
    Level,
    Refusal,
    StateMessage,
    StateWord,
    Trigger,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.core.records import InspectionRecord
from edge.plc.rules import Answer, Lane, Sent, Tick
from soak.books import Evidence, goals
from soak.plan import make_plan
from soak.plc import Outcome
from soak.report import as_dict
from soak.usage import Sample
from soak.witness import Witness

BEGAN = datetime(2026, 3, 2, 6, tzinfo=UTC)
DEADLINE_MS = 500
CUT = 0.4


@dataclass
class Clock:
    ns: int = 0

    def monotonic_ns(self) -> int:
        return self.ns

    def now(self) -> datetime:
        return BEGAN + timedelta(microseconds=self.ns / 1000)


class Line:
    """A PLC, and a gate that says what the test wants, when it wants."""

    def __init__(self, transport_ms: float = 0.0) -> None:
        self.clock = Clock()
        self.plc = Witness(self.clock, transport_ms)
        self.records: dict[tuple[str, int], InspectionRecord] = {}
        self.plc.handle(StateMessage(state=StateWord.READY, level=Level.FULL), 0)

    def part(
        self,
        seq: int,
        after_ms: float | None = 40.0,
        verdict: Verdict = Verdict.PASS,
        refused: bool = False,
    ) -> None:
        """A part comes, and after so long (None: never) its verdict, or a refusal."""
        sent = self.clock.now()
        self._tell(Heartbeat(counter=2 * seq), 0)
        trigger = Trigger(part_id=f"P{seq}", seq=seq, deadline_ms=DEADLINE_MS)
        self._tell(Sent(trigger), 0)
        if after_ms is not None:
            self._tell(Heartbeat(counter=2 * seq + 1), after_ms)
            if refused:
                self._tell(
                    TriggerAck(
                        part_id=f"P{seq}", seq=seq, accepted=False, refused=Refusal.NOT_READY
                    ),
                    0,
                )
            else:
                message = self._message(seq, verdict, sent)
                self._tell(Answer(message, message.model_dump_json().encode()), 0)
        self._tell(Tick(), 2000)

    def evidence(self) -> Evidence:
        counts = dict(self.plc.summary()["plc"])  # type: ignore[call-overload]
        sightings = tuple(self.plc.sightings.values())
        passed = {key: r.score for key, r in self.records.items() if r.verdict is Verdict.PASS}
        outcome = Outcome(sightings, counts, 0.1, True)
        return Evidence(outcome, self.records, passed, CUT, held(), 0)

    def _tell(self, event: object, after_ms: float) -> None:
        self.clock.ns += round(after_ms * 1e6)
        self.plc.handle(event, self.clock.ns)  # type: ignore[arg-type]

    def _message(self, seq: int, verdict: Verdict, sent: datetime) -> VerdictMessage:
        score = 0.1 if verdict is Verdict.PASS else 0.9
        shared = {
            "part_id": f"P{seq}",
            "seq": seq,
            "inspection_id": f"i{seq}",
            "recipe": "disc",
            "verdict": verdict,
            "by": By.MODEL,
            "score": score,
            "latency_ms": 30.0,
        }
        kept = {"recipe_sha256": "0" * 64, "config_sha256": "0" * 64, "level": Level.FULL}
        when = {"triggered_at": sent, "deadline_ms": DEADLINE_MS}
        record = InspectionRecord.model_validate(shared | kept | when)
        self.records[record.part_id, seq] = record
        valid = sent + timedelta(milliseconds=DEADLINE_MS)
        return VerdictMessage.model_validate(shared | {"valid_until": valid})


def held(leak_mb_h: float = 0.0, more_fds: int = 0) -> list[Sample]:
    """By the gate, for an hour."""
    return [
        Sample("gate", s, 7, s, 140.0 + leak_mb_h * s / 3600, 22 + more_fds * (s > 1800))
        for s in range(0, 3600, 10)
    ]


def broken(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    return {goal.name: goal.parts for goal in goals(evidence) if goal.met is False}


@pytest.fixture
def line() -> Line:
    line = Line()
    for seq in range(1, 2001):
        line.part(seq, verdict=Verdict.REWORK if seq % 10 == 0 else Verdict.PASS)
    return line


def test_run_that_kept_every_promise_is_clean(line: Line) -> None:
    assert broken(line.evidence()) == {}
    assert as_dict(make_plan(200, 10, seed=1), line.evidence())["met"] is True
    assert all(goal.met for goal in goals(line.evidence()))


def test_late_and_missing_verdicts_are_rework_and_counted_as_not_in_time(line: Line) -> None:
    line.part(3001, after_ms=504.9)
    line.part(3002, after_ms=506.0)
    assert broken(line.evidence()) == {}  # one of 2002 is below 0.1 %
    line.part(3003, after_ms=None)
    line.part(3004, after_ms=700.0)
    assert len(broken(line.evidence())) == 2
    lanes = [line.plc.sightings[seq].lane for seq in (3001, 3002, 3003, 3004)]
    assert lanes == [Lane.REWORK] * 4


def test_refused_parts_are_told_in_time_but_are_no_verdicts(line: Line) -> None:
    for seq in range(3000, 3100):
        line.part(seq, refused=True)
    assert broken(line.evidence()) == {}


def test_plc_that_takes_a_late_verdict_is_found() -> None:
    careless = Line(transport_ms=10_000.0)
    for seq in range(1, 2001):
        careless.part(seq)
    careless.part(3001, after_ms=530.0)
    found = broken(careless.evidence())
    assert found["escapes by software"] == ("P3001: acted upon 30.0 ms after its time",)
    assert found["the PLC treats the rest as rework"] == ("P3001",)
    assert as_dict(make_plan(200, 10, seed=1), careless.evidence())["met"] is False


def _ledger_says(**changes: object) -> Callable[[Evidence], Evidence]:
    def plant(evidence: Evidence) -> Evidence:
        record = evidence.records["P7", 7].model_copy(update=changes)
        return replace(evidence, records={**evidence.records, ("P7", 7): record})

    return plant


def _without_record(evidence: Evidence) -> Evidence:
    return replace(
        evidence, records={key: r for key, r in evidence.records.items() if key != ("P7", 7)}
    )


@pytest.mark.parametrize(
    ("plant", "why"),
    [
        (_without_record, "the ledger does not know it"),
        (_ledger_says(verdict=Verdict.REWORK), "the ledger says rework by model"),
        (_ledger_says(by=By.FAILSAFE), "the ledger says pass by failsafe"),
        (_ledger_says(score=CUT), "its score is 0.4, not below 0.4"),
        (_ledger_says(score=None), "its score is None, not below 0.4"),
        (
            lambda e: replace(e, rejudged=dict(e.rejudged) | {("P7", 7): None}),
            "it was judged by a picture of something else",
        ),
        (
            lambda e: replace(e, rejudged=dict(e.rejudged) | {("P7", 7): 0.8}),
            "its picture scores 0.8, not 0.1",
        ),
    ],
)
def test_pass_without_the_models_word_is_an_escape(
    line: Line, plant: Callable[[Evidence], Evidence], why: str
) -> None:
    assert broken(plant(line.evidence()))["escapes by software"] == (f"P7: {why}",)


def test_double_verdicts_and_lost_records_are_found(line: Line) -> None:
    evidence = line.evidence()
    doubled = replace(evidence.outcome, counts={**evidence.outcome.counts, "double": 1})
    assert broken(replace(evidence, outcome=doubled)).keys() == {"verdicts doubled or for nobody"}
    assert broken(replace(evidence, left_over=2)).keys() == {"records that are not at the trainer"}


@pytest.mark.parametrize(
    ("samples", "goal"),
    [(held(leak_mb_h=1.2), "memory of gate"), (held(more_fds=1), "descriptors of gate")],
)
def test_what_grows_breaks_its_goal(line: Line, samples: list[Sample], goal: str) -> None:
    assert broken(replace(line.evidence(), samples=samples)).keys() == {goal}
