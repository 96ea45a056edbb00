"""The PLC's rules, one situation each. Times in ms; the window is 100 + 50."""

from datetime import UTC, datetime

import pytest

from edge.core.clock import ns
from edge.core.messages import (
    By,
    Heartbeat,
    PlcAck,
    Reason,
    Refusal,
    StateMessage,
    StateWord,
    Trigger,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.plc.rules import (
    KEEP_CLOSED,
    Answer,
    Lane,
    LineLost,
    Moved,
    PlcRules,
    Repeated,
    Sent,
    Tick,
    Unsent,
)

CLEAN = {"missed": 0, "late": 0, "double": 0, "unmatched": 0, "unsafe_pass": 0}


class Line:
    """A PLC with a healthy station before it, and a shorthand for what happens. Its parts stand
    still, but for the tests of a moving belt."""

    def __init__(self, **moving: float) -> None:
        rules = {"ack_ms": None, **moving}
        self.rules = PlcRules(transport_ms=50, review_s=10, heartbeat_ms=250, **rules)
        self.beats = 0
        self.at(0, StateMessage(state=StateWord.READY))
        self.beat(0)

    def at(self, ms: float, event):
        return self.rules.handle(event, ns(ms))

    def beat(self, ms: float) -> None:
        self.beats += 1
        self.at(ms, Heartbeat(counter=self.beats))

    def send(self, ms: float, seq: int = 1) -> None:
        self.at(ms, Sent(Trigger(part_id=f"P{seq}", seq=seq, deadline_ms=100)))

    def ack(self, ms: float, seq: int = 1, refused: Refusal | None = None, inspection: str = "i1"):
        accepted = refused is None
        return self.at(
            ms,
            TriggerAck(
                part_id=f"P{seq}",
                seq=seq,
                accepted=accepted,
                inspection_id=inspection if accepted else None,
                refused=refused,
            ),
        )

    def verdict(
        self,
        ms: float,
        word: Verdict = Verdict.PASS,
        seq: int = 1,
        part_id: str | None = None,
        inspection: str = "i1",
        by: By = By.MODEL,
        latency_ms: float = 5.0,
    ):
        message = VerdictMessage(
            part_id=part_id or f"P{seq}",
            seq=seq,
            inspection_id=inspection,
            verdict=word,
            by=by,
            reasons=() if word is Verdict.PASS else (Reason.DEFECT,),
            recipe="demo",
            latency_ms=latency_ms,
            valid_until=datetime(2026, 1, 1, tzinfo=UTC),
        )
        return self.at(ms, Answer(message, message.model_dump_json().encode()))

    @property
    def lane(self) -> Lane:
        part = self.rules.part(1)
        assert part is not None
        return part.lane

    def counts(self, **nonzero: int) -> bool:
        return self.rules.summary()["plc"] == {**CLEAN, **nonzero}


@pytest.fixture
def line() -> Line:
    return Line()


def test_pass_in_time_passes_and_is_echoed(line):
    line.send(10)
    line.ack(12)
    effects = line.verdict(40)
    assert effects == [
        PlcAck(part_id="P1", inspection_id="i1"),
        Moved("P1", 1, Lane.PASS, "pass by model"),
    ]
    assert line.counts()
    assert line.rules.summary()["latency_ms"] == {"n": 1, "p50": 30.0, "p99": 30.0}


def test_pass_before_its_ack_counts_too(line):
    line.send(10)
    line.verdict(40)
    line.ack(41)
    assert line.lane is Lane.PASS
    assert line.counts()


def test_rework_moves_the_part_with_its_reasons(line):
    line.send(10)
    assert line.verdict(40, Verdict.REWORK)[1] == Moved("P1", 1, Lane.REWORK, "defect")
    assert line.counts()


def test_silence_is_rework(line):
    line.send(10)
    line.ack(12)
    assert line.at(160, Tick()) == []
    assert line.at(160.001, Tick()) == [Moved("P1", 1, Lane.REWORK, "silence")]
    assert line.counts(missed=1)


def test_no_broker_is_rework_at_once(line):
    trigger = Trigger(part_id="P1", seq=1, deadline_ms=100)
    assert line.at(10, Unsent(trigger)) == [Moved("P1", 1, Lane.REWORK, "no broker")]
    assert line.counts()
    assert line.rules.summary()["unsent"] == 1


@pytest.mark.parametrize("reason", list(Refusal))
def test_refused_is_rework(line, reason):
    line.send(10)
    assert line.ack(12, refused=reason) == [Moved("P1", 1, Lane.REWORK, f"refused: {reason}")]
    line.at(500, Tick())
    assert line.counts()
    assert line.rules.summary()["refused"] == {reason: 1}


def test_late_pass_is_ignored_and_unsafe(line):
    line.send(10)
    assert line.verdict(170) == [
        Moved("P1", 1, Lane.REWORK, "silence"),
        PlcAck(part_id="P1", inspection_id="i1"),
    ]
    assert line.counts(missed=1, late=1, unsafe_pass=1)


def test_late_rework_is_never_unsafe(line):
    line.send(10)
    line.verdict(170, Verdict.REWORK)
    assert line.counts(missed=1, late=1)


def test_pass_of_another_part_passes_nobody(line):
    line.send(10)
    line.verdict(20, part_id="P2")
    line.verdict(20, seq=2)
    assert line.lane is Lane.WAITING
    assert line.counts(unmatched=2, unsafe_pass=2)


def test_pass_with_another_inspection_id_passes_nobody(line):
    line.send(10)
    line.ack(12)
    assert line.verdict(20, inspection="i2") == []
    assert line.lane is Lane.WAITING
    assert line.counts(unmatched=1, unsafe_pass=1)


def test_redelivered_verdict_is_echoed_and_counts_once(line):
    line.send(10)
    line.verdict(20)
    assert line.verdict(21) == [PlcAck(part_id="P1", inspection_id="i1")]
    assert line.counts()
    assert line.rules.summary()["repeated"] == 1


def test_second_verdict_is_double_even_if_it_agrees(line):
    line.send(10)
    line.verdict(20)
    line.verdict(21, latency_ms=6)
    assert line.counts(double=1)


def test_pass_after_rework_is_double_and_unsafe(line):
    line.send(10)
    line.verdict(20, Verdict.REWORK)
    line.verdict(21)
    assert line.lane is Lane.REWORK
    assert line.counts(double=1, unsafe_pass=1)


def test_rework_after_pass_is_double_but_the_part_has_left(line):
    line.send(10)
    line.verdict(20)
    line.verdict(21, Verdict.REWORK)
    assert line.lane is Lane.PASS
    assert line.counts(double=1)


def test_verdict_after_a_refusal_is_double(line):
    line.send(10)
    line.ack(12, refused=Refusal.OVERLOAD)
    line.verdict(20, Verdict.REWORK)
    assert line.counts(double=1)


def test_repeated_trigger_may_be_answered_again(line):
    line.send(10)
    line.ack(12)
    line.verdict(20)
    line.at(30, Repeated(1))
    line.ack(31, refused=Refusal.DUPLICATE)
    line.verdict(32, latency_ms=6)
    assert line.lane is Lane.PASS
    assert line.counts()


def test_repeated_trigger_does_not_excuse_another_word(line):
    line.send(10)
    line.verdict(20, Verdict.REWORK)
    line.at(30, Repeated(1))
    line.verdict(32)
    assert line.counts(double=1, unsafe_pass=1)


def test_answer_lost_and_asked_for_after_the_window_moves_nothing(line):
    line.send(10)
    line.at(200, Repeated(1))
    line.verdict(210)
    assert line.lane is Lane.REWORK
    assert line.counts(missed=1)


def test_repeat_inside_the_window_can_still_pass(line):
    line.send(10)
    line.at(100, Repeated(1))
    line.ack(101, refused=Refusal.DUPLICATE)
    line.verdict(110)
    assert line.lane is Lane.PASS
    assert line.counts()


def test_repeat_inside_the_window_does_not_excuse_a_late_pass(line):
    line.send(10)
    line.at(100, Repeated(1))
    line.verdict(170)
    assert line.counts(missed=1, late=1, unsafe_pass=1)


def test_reused_seq_gets_an_old_verdict_and_goes_to_rework(line):
    line.send(10)
    line.ack(12, refused=Refusal.DUPLICATE)
    line.verdict(13)
    assert line.lane is Lane.REWORK
    assert line.counts()


def test_review_waits_for_a_person(line):
    line.send(10)
    assert line.verdict(40, Verdict.REVIEW)[1].lane is Lane.REVIEW
    line.at(5000, Tick())
    line.beat(5000)
    assert line.verdict(5001, by=By.HUMAN)[1] == Moved("P1", 1, Lane.PASS, "pass by human")
    assert line.counts()
    assert line.rules.summary()["latency_ms"]["n"] == 1


def test_review_without_an_answer_ends_as_rework(line):
    line.send(10)
    line.verdict(40, Verdict.REVIEW)
    assert line.at(10_041, Tick()) == [Moved("P1", 1, Lane.REWORK, "no final verdict")]
    line.verdict(10_050, by=By.HUMAN)
    assert line.counts(late=1, unsafe_pass=1)


def test_review_ends_by_the_gates_own_rework(line):
    line.send(10)
    line.verdict(40, Verdict.REVIEW)
    line.verdict(9000, Verdict.REWORK, by=By.FAILSAFE)
    assert line.lane is Lane.REWORK
    assert line.counts()


def test_only_a_person_passes_out_of_review(line):
    line.send(10)
    line.verdict(40, Verdict.REVIEW)
    line.verdict(50, by=By.MODEL)
    assert line.lane is Lane.REWORK
    assert line.counts(unsafe_pass=1)


def test_failsafe_never_passes(line):
    line.send(10)
    line.verdict(40, by=By.FAILSAFE)
    assert line.counts(unsafe_pass=1)


@pytest.mark.parametrize("word", [StateWord.FAULT, StateWord.OFFLINE])
def test_pass_from_a_sick_station_is_unsafe(line, word):
    line.send(10)
    line.at(20, StateMessage(state=word))
    line.verdict(40)
    assert line.lane is Lane.REWORK
    assert line.counts(unsafe_pass=1)


@pytest.mark.parametrize("event", [StateMessage(state=StateWord.STARTING), LineLost()])
def test_pass_from_an_unknown_station_is_not_believed(line, event):
    line.send(10)
    line.at(20, event)
    line.verdict(40)
    assert line.lane is Lane.REWORK
    assert line.counts()
    assert line.rules.summary()["distrusted"] == 1


def test_more_than_three_missed_beats_is_rework(line):
    line.send(980)
    line.verdict(1000)
    assert line.lane is Lane.PASS
    line.send(1000, seq=2)
    line.verdict(1001, seq=2)
    assert line.rules.part(2).lane is Lane.REWORK
    assert line.counts()


def test_counter_that_stands_still_is_no_beat(line):
    for ms in range(250, 1500, 250):
        line.at(ms, Heartbeat(counter=line.beats))
    assert not line.rules.healthy(ns(1500))
    line.beat(1501)
    assert line.rules.healthy(ns(1501))


def test_memory_is_bounded(line):
    for seq in range(KEEP_CLOSED + 10):
        line.at(10, Unsent(Trigger(part_id="P", seq=seq, deadline_ms=100)))
    assert line.rules.part(9) is None
    assert line.rules.part(10) is not None


@pytest.mark.parametrize(("acked_ms", "lane"), [(30, Lane.PASS), (31, Lane.REWORK)])
def test_on_a_moving_belt_a_trigger_that_was_taken_late_cannot_pass(acked_ms, lane):
    line = Line(ack_ms=20)
    line.send(10)
    line.ack(acked_ms)
    line.ack(acked_ms + 1)  # delivered twice: the first one counts
    line.verdict(40)
    assert line.lane is lane
    assert line.rules.summary()["taken_late"] == (lane is Lane.REWORK)
    assert line.counts()


def test_on_a_moving_belt_a_pass_without_an_ack_cannot_pass():
    line = Line(ack_ms=20)
    line.send(10)
    line.verdict(15)
    assert line.lane is Lane.REWORK


@pytest.mark.parametrize(("acked_ms", "lane"), [(110, Lane.PASS), (111, Lane.REWORK)])
def test_plc_whose_programmer_set_nothing_is_protected(acked_ms, lane):
    line = Line()
    line.rules = PlcRules()
    line.at(0, StateMessage(state=StateWord.READY))
    line.beat(0)
    line.send(10)
    line.ack(acked_ms)
    line.verdict(112)
    assert line.lane is lane


def test_person_cannot_pass_a_part_whose_trigger_was_taken_late():
    """The picture that the person saw is of another part."""
    line = Line(ack_ms=20)
    line.send(10)
    line.verdict(40, Verdict.REVIEW)
    line.ack(41)
    line.beat(500)
    line.verdict(600, by=By.HUMAN)
    assert line.lane is Lane.REWORK
    assert line.rules.summary()["taken_late"] == 1
