"""The virtual PLC and the link, talking over a real broker."""

import queue
import threading
import time
from random import Random

import pytest

from edge.config import Plc
from edge.core.messages import (
    Heartbeat,
    PlcAck,
    StateMessage,
    StateWord,
    Trigger,
    TriggerAck,
    Verdict,
)
from edge.plc.link import PlcLink
from edge.plc.rules import Lane, PlcRules
from edge.plc.virtual import VirtualPlc

pytestmark = pytest.mark.system

CLEAN = {"missed": 0, "late": 0, "double": 0, "unmatched": 0, "unsafe_pass": 0}
BEAT_S = 0.05


class SmallGate:
    """The smallest honest gate: `word(trigger)` is its verdict, None its silence."""

    def __init__(self, port, protocol, topics, clock, verdict, word) -> None:
        self._events = queue.SimpleQueue()
        self._verdict = verdict
        self._word = word
        self._stop = threading.Event()
        self.beating = True
        self.echoes = 0
        self.answered = {}
        settings = Plc(port=port, protocol=protocol)
        self.link = PlcLink(settings, topics, self._events.put, clock, Random(5)).start()
        self.link.publish_state(StateMessage(state=StateWord.READY))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        beat = 0
        while not self._stop.wait(0):
            try:
                event = self._events.get(timeout=BEAT_S)
            except queue.Empty:
                event = None
            beat += 1
            if self.beating:
                self.link.heartbeat(beat)
            if isinstance(event, Trigger):
                self._answer(event)
            self.echoes += isinstance(event, PlcAck)

    def _answer(self, trigger: Trigger) -> None:
        key = (trigger.part_id, trigger.seq)
        known = key in self.answered
        ack = TriggerAck(
            part_id=trigger.part_id,
            seq=trigger.seq,
            accepted=not known,
            inspection_id=f"i-{trigger.seq}",
            refused="duplicate" if known else None,
        )
        self.link.publish_ack(ack)
        word = self._word(trigger)
        if word is not None:
            fresh = self._verdict(trigger.seq, word, part_id=trigger.part_id)
            self.link.publish_verdict(self.answered.setdefault(key, fresh), None)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.link.close()


@pytest.fixture
def play(broker, topics, clock, verdict):
    """`play(word, protocol, **rules)`: a gate and a PLC that have found each other."""
    opened = []

    def make(word, protocol="3.1.1", on_move=None, **rules):
        gate = SmallGate(broker.port, protocol, topics, clock, verdict, word)
        opened.append(gate)
        plc = VirtualPlc(
            Plc(port=broker.port, protocol=protocol),
            topics,
            clock,
            Random(6),
            rules=PlcRules(heartbeat_ms=1000 * BEAT_S * 4, **{"ack_ms": 2000, **rules}),
            on_move=on_move,
        )
        opened.append(plc)
        assert plc.start().wait_ready(10)
        return gate, plc

    yield make
    for each in reversed(opened):
        each.close()


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_honest_gate_gets_a_clean_sheet(play, until, protocol):
    def word(trigger):
        return Verdict.REWORK if trigger.seq % 4 == 0 else Verdict.PASS

    gate, plc = play(word, protocol)
    seqs = [plc.trigger(f"P{number}", deadline_ms=2000) for number in range(12)]
    assert plc.wait_idle(10)
    for seq in seqs:
        assert plc.lane(seq) is (Lane.REWORK if seq % 4 == 0 else Lane.PASS)
    summary = plc.summary()
    assert summary["plc"] == CLEAN
    assert summary["triggered"] == summary["accepted"] == summary["latency_ms"]["n"] == 12
    assert until(lambda: gate.echoes == 12)


def test_silent_gate_means_rework_and_a_missed_verdict(play):
    moves = []
    _, plc = play(lambda _: None, on_move=moves.append, transport_ms=20)
    seq = plc.trigger("P1", deadline_ms=50)
    assert plc.wait_idle(5)
    assert plc.lane(seq) is Lane.REWORK
    assert plc.summary()["plc"] == {**CLEAN, "missed": 1}
    assert [(move.part_id, move.lane) for move in moves] == [("P1", Lane.REWORK)]


def test_repeated_trigger_gets_the_recorded_answer(play, until):
    gate, plc = play(lambda _: Verdict.PASS)
    seq = plc.trigger("P1", deadline_ms=2000)
    assert plc.wait_idle(5)
    assert plc.repeat(seq)
    assert until(lambda: plc.summary()["repeated"] == 1)
    assert plc.summary()["plc"] == CLEAN
    assert plc.summary()["refused"] == {"duplicate": 1}
    assert until(lambda: gate.echoes == 2)
    with pytest.raises(KeyError):
        plc.repeat(seq + 1)


def test_plc_without_echo_stays_silent(play):
    gate, plc = play(lambda _: Verdict.PASS)
    plc.echoes = False
    plc.trigger("P1", deadline_ms=2000)
    assert plc.wait_idle(5)
    assert plc.wait_ready(5)
    assert gate.echoes == 0


def test_lost_heartbeat_sends_all_to_rework(play, until):
    gate, plc = play(lambda _: Verdict.PASS)
    gate.beating = False
    assert until(lambda: not plc.wait_ready(0.01))
    seq = plc.trigger("P1", deadline_ms=2000)
    assert plc.wait_idle(5)
    assert plc.lane(seq) is Lane.REWORK
    assert plc.summary()["distrusted"] == 1
    gate.beating = True
    assert plc.wait_ready(5)


def test_killed_broker_costs_rework_and_nothing_else(play, broker, until):
    _, plc = play(lambda _: Verdict.PASS)
    broker.kill()
    assert until(lambda: not plc.wait_ready(0.01))
    lost = plc.trigger("P1", deadline_ms=50)
    assert until(lambda: plc.lane(lost) is Lane.REWORK)
    broker.start()
    assert plc.wait_ready(5)
    seq = plc.trigger("P2", deadline_ms=2000)
    assert plc.wait_idle(5)
    assert plc.lane(seq) is Lane.PASS
    assert plc.summary()["plc"] == CLEAN
    assert plc.summary()["unsent"] == 1


def test_broker_killed_again_and_again_never_passes_a_part_wrongly(play, broker, clock):
    _, plc = play(lambda _: Verdict.PASS)
    rng = Random(11)
    number = 0
    for _ in range(8):
        next_kill_ns = clock.monotonic_ns() + int(rng.uniform(0.05, 0.4) * 1e9)
        while clock.monotonic_ns() < next_kill_ns:
            plc.trigger(f"P{(number := number + 1)}", deadline_ms=300)
            time.sleep(0.005)
        broker.restart()
    assert plc.wait_idle(10)
    summary = plc.summary()
    assert summary["lanes"]["pass"] > 0
    assert summary["lanes"]["pass"] + summary["lanes"]["rework"] == number
    harm = {name: summary["plc"][name] for name in ("double", "unmatched", "unsafe_pass")}
    assert harm == {"double": 0, "unmatched": 0, "unsafe_pass": 0}


def test_garbage_from_the_gate_is_counted(play, spy, topics, until):
    _, plc = play(lambda _: Verdict.PASS)
    spy.say(topics.verdict, b"\x00\xff")
    assert until(lambda: plc.summary()["connection"].get("bad_messages") == 1)
    spy.say(topics.heartbeat, Heartbeat(counter=1).model_dump_json())
    assert plc.wait_ready(5)


def test_overhearing_plc_goes_by_the_triggers_of_another_and_says_nothing(
    play, until, broker, topics, clock
):
    heard, moves = [], []

    def take(trigger):
        heard.append((trigger.part_id, trigger.deadline_ms))
        return trigger.model_copy(update={"deadline_ms": trigger.deadline_ms or 500})

    gate, plc = play(lambda trigger: Verdict.REWORK if trigger.seq % 2 else Verdict.PASS)
    third = VirtualPlc(
        Plc(port=broker.port), topics, clock, Random(7),
        rules=PlcRules(heartbeat_ms=1000 * BEAT_S * 4, ack_ms=2000), on_move=moves.append,
        overhears=take,
    )  # fmt: skip
    try:
        assert third.start().wait_ready(10)
        seqs = [plc.trigger(f"P{number}", deadline_ms=2000) for number in range(4)]
        assert until(lambda: len(moves) == 4)
        assert plc.wait_idle(5)
        assert [third.lane(seq) for seq in seqs] == [plc.lane(seq) for seq in seqs]
        plc.repeat(seqs[0])
        assert until(lambda: third.summary()["repeated"] == 1)
        assert heard == [(f"P{number}", 2000) for number in (0, 1, 2, 3, 0)]
        assert third.summary()["plc"] == CLEAN
        assert until(lambda: gate.echoes >= 5)
        assert gate.echoes == 5  # the other's alone, one for the answer that came again
    finally:
        third.close()
