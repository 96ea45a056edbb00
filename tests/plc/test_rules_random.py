"""Any gate, any network: no order of events lets the PLC pass a part that it must not pass.

The machine plays a gate that lies, repeats, delays and falls ill, and judges every move by the
plain words of docs/plc.md. Rules with a planted mistake are found out by the same machine.
"""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from edge.core.clock import ns
from edge.core.messages import (
    By,
    Heartbeat,
    Refusal,
    StateMessage,
    StateWord,
    Trigger,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.plc.rules import (
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

WINDOW_MS, REVIEW_MS, BEAT_MS, ACK_MS = 150, 2000, 250, 100
backs = st.sampled_from([0, 0, 0, 1, 2])  # how many parts ago; there may not be one
mostly = st.sampled_from([True, True, True, False])
acks_ms = st.sampled_from([0, 0, 20, ACK_MS, ACK_MS + 1, None])
lags = st.sampled_from([0, 1, 20, 20, 100, 149, 151, 400, 999, 1001, 2100])


class AnyGate(RuleBasedStateMachine):
    Rules = PlcRules

    def __init__(self) -> None:
        super().__init__()
        self.rules = self.Rules(
            transport_ms=50, review_s=REVIEW_MS / 1000, heartbeat_ms=BEAT_MS, ack_ms=ACK_MS
        )
        self.now = 0
        self.beats = 0
        self.beat_at: int | None = None
        self.state: StateWord | None = None
        self.sent: dict[int, int] = {}  # seq -> when
        self.taken: dict[int, int] = {}  # seq -> when the gate first said that it takes the part
        self.ids: dict[int, str] = {}  # seq -> the inspection the gate named first
        self.review_at: dict[int, int] = {}
        self.final: dict[int, Lane] = {}
        self.state_comes(StateWord.READY)
        self.heart_beats(True)

    def happen(self, event, answer: VerdictMessage | None = None) -> None:
        for effect in self.rules.handle(event, ns(self.now)):
            if not isinstance(effect, Moved):
                continue
            assert effect.seq not in self.final, "the diverter has moved already"
            if effect.lane is Lane.PASS:
                self.check_pass(effect, answer)
            if effect.lane is Lane.REVIEW:
                self.review_at[effect.seq] = self.now
            else:
                self.final[effect.seq] = effect.lane

    def check_pass(self, moved: Moved, answer: VerdictMessage | None) -> None:
        assert answer is not None and answer.verdict is Verdict.PASS
        assert (answer.part_id, answer.seq) == (moved.part_id, moved.seq)
        assert self.ids.get(answer.seq, answer.inspection_id) == answer.inspection_id
        assert answer.by is not By.FAILSAFE
        assert answer.seq in self.taken
        assert self.taken[answer.seq] - self.sent[answer.seq] <= ACK_MS
        if answer.seq in self.review_at:
            assert answer.by is By.HUMAN
            assert self.now - self.review_at[answer.seq] <= REVIEW_MS
        else:
            assert self.now - self.sent[answer.seq] <= WINDOW_MS
        assert self.state in (StateWord.READY, StateWord.DEGRADED)
        assert self.beat_at is not None and self.now - self.beat_at <= 4 * BEAT_MS

    @rule(there=mostly, acked_ms=acks_ms)
    def part_comes(self, there: bool, acked_ms: int | None) -> None:
        seq = len(self.sent)
        self.sent[seq] = self.now
        trigger = Trigger(part_id=f"P{seq}", seq=seq, deadline_ms=100)
        self.happen(Sent(trigger) if there else Unsent(trigger))
        if acked_ms is not None:
            self.now += acked_ms
            self.ack_comes(0, "a", None)

    def seq(self, back: int) -> int:
        """Of a recent part, or of one that was never sent."""
        seq = len(self.sent) - 1 - back
        return seq if seq in self.sent else 1000

    @rule(back=backs)
    def asks_again(self, back: int) -> None:
        if (seq := self.seq(back)) in self.sent:
            self.happen(Repeated(seq))

    @rule(acked_ms=acks_ms, lag=lags)
    def part_comes_and_is_good(self, acked_ms: int | None, lag: int) -> None:
        self.part_comes(True, acked_ms)
        self.time_passes(lag, beating=True)
        self.verdict_comes(0, 0, "a", Verdict.PASS, By.MODEL, 1.0)

    @rule(lag=lags, beating=mostly)
    def time_passes(self, lag: int, beating: bool) -> None:
        self.now += lag
        self.happen(Tick())
        if beating:
            self.heart_beats(True)

    @rule(word=st.sampled_from([StateWord.READY] * 15 + [*StateWord]))
    def state_comes(self, word: StateWord) -> None:
        self.state = word
        self.happen(StateMessage(state=word))

    @rule(moves=mostly)
    def heart_beats(self, moves: bool) -> None:
        self.beats += moves
        if moves:
            self.beat_at = self.now
        elif self.beats == 0:
            return
        self.happen(Heartbeat(counter=self.beats))

    @rule(back=mostly)
    def line_is_lost(self, back: bool) -> None:
        self.state = None
        self.happen(LineLost())
        if back:  # and with it the retained state
            self.state_comes(StateWord.READY)

    @rule(
        back=backs,
        inspection=st.sampled_from("aab"),
        refused=st.sampled_from([None] * 9 + [*Refusal]),
    )
    def ack_comes(self, back: int, inspection: str, refused: Refusal | None) -> None:
        seq = self.seq(back)
        if seq in self.sent and self.ids.get(seq, inspection) == inspection:
            self.ids[seq] = inspection
            if refused is None:
                self.taken.setdefault(seq, self.now)
        ack = TriggerAck(
            part_id=f"P{seq}",
            seq=seq,
            accepted=refused is None,
            inspection_id=inspection,
            refused=refused,
        )
        self.happen(ack)

    @rule(
        back=backs,
        mistaken=st.sampled_from([0, 0, 0, 1]),
        inspection=st.sampled_from("aab"),
        word=st.sampled_from([Verdict.PASS, *Verdict]),
        by=st.sampled_from([By.MODEL, By.HUMAN, *By]),
        latency_ms=st.sampled_from([1.0, 1.0, 2.0]),
    )
    def verdict_comes(
        self, back: int, mistaken: int, inspection: str, word: Verdict, by: By, latency_ms: float
    ) -> None:
        seq = self.seq(back)
        message = VerdictMessage(
            part_id=f"P{seq + mistaken}",
            seq=seq,
            inspection_id=inspection,
            verdict=word,
            by=by,
            recipe="demo",
            latency_ms=latency_ms,
            valid_until=datetime(2026, 1, 1, tzinfo=UTC),
        )
        before = self.tally()
        self.happen(Answer(message, message.model_dump_json().encode()), message)
        if seq in self.sent and not mistaken:
            self.ids.setdefault(seq, inspection)
        if word is Verdict.PASS and self.tally() == before:
            # A pass that moved nobody was held against the gate, unless the line asked for it.
            assert self.final.get(seq) is Lane.PASS

    def tally(self) -> tuple[int, ...]:
        """Everything that a pass can come to."""
        summary = self.rules.summary()
        return (
            summary["plc"]["unsafe_pass"],
            summary["distrusted"],
            summary["taken_late"],
            summary["repeated"],
            summary["lanes"]["pass"],
        )

    @invariant()
    def every_part_is_in_one_lane(self) -> None:
        summary = self.rules.summary()
        assert sum(summary["lanes"].values()) == summary["triggered"] == len(self.sent)

    @invariant()
    def nobody_waits_longer_than_the_window(self) -> None:
        for seq, sent in self.sent.items():
            if self.now - sent > WINDOW_MS and seq not in self.review_at:
                assert seq in self.final, "silence is rework"


AnyGateTest = AnyGate.TestCase
AnyGateTest.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class NoTimer(PlcRules):
    def _end_windows(self, now_ns: int):
        return []


class AnyInspection(PlcRules):
    def _find(self, part_id, seq, inspection_id):
        return super()._find(part_id, seq, None)


class AnyPart(PlcRules):
    def _find(self, part_id, seq, inspection_id):
        return self.part(seq)


class BlindFaith(PlcRules):
    def healthy(self, now_ns: int) -> bool:
        return True


class AnyTime(PlcRules):
    def _taken_late(self, part) -> bool:
        return False


class NoMemory(PlcRules):
    def _too_late(self, part, message) -> None:
        pass


@pytest.mark.parametrize("rules", [NoTimer, AnyInspection, AnyPart, BlindFaith, AnyTime, NoMemory])
def test_planted_mistake_is_found(rules):
    class Mistaken(AnyGate):
        Rules = rules

    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Mistaken,
            settings=settings(
                max_examples=300,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
