"""The Structured Text of docs/plc.md, run against the rules.

Any sequence of events must lead both to the same lane and the same echoes.
"""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structured_text import PLC, WORLD, Scan, as_message, function_block, message

from edge.core.clock import ns
from edge.core.messages import (
    By,
    Heartbeat,
    PlcAck,
    Refusal,
    StateMessage,
    StateWord,
    Trigger,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.plc.rules import ACK_MS as DEFAULT_ACK_MS
from edge.plc.rules import Answer, LineLost, PlcRules, Repeated, Sent, Tick, Unsent

# ---- both, side by side ----

WINDOW_MS, REVIEW_MS, ACK_MS = 150, 2000, 100


class Plc:
    """The two function blocks in their program."""

    def __init__(self, source: str, ack_ms: int | None) -> None:
        self.scan = Scan()
        self.station = function_block(source, "FB_LinegateStation", WORLD)(self.scan)
        self.part = function_block(source, "FB_LinegatePart", WORLD)(self.scan)
        self.part.sPartId, self.part.ulSeq = "P1", 1
        self.part.tWindow, self.part.tReview = WINDOW_MS, REVIEW_MS
        self.part.tAck = ack_ms or 0
        self.connected = True

    def cycle(self, ms: int, came=None) -> bool:
        """One cycle at this time with this message; returns whether it echoes."""
        self.scan.ms = ms
        for block in (self.station, self.part):
            block.stMsg = came or message()
            block.xConnected = self.connected
        self.station()
        self.part.xHealthy = self.station.xHealthy
        self.part()
        return self.part.xSendEcho


def differs(source: str, script, ack_ms: int | None = ACK_MS) -> bool:
    """Whether the blocks and the rules ever disagree on lane, health or echo."""
    plc = Plc(source, ack_ms)
    rules = PlcRules(transport_ms=50, review_s=REVIEW_MS / 1000, heartbeat_ms=250, ack_ms=ack_ms)
    ms = 5
    for gap, event in script:
        ms += gap
        if isinstance(event, Sent | Unsent) and rules.part(1) is not None:
            continue
        if isinstance(event, Repeated) and rules.part(1) is None:
            continue
        if isinstance(event, Unsent):  # the PLC noticed before the part came
            rules.handle(LineLost(), ns(ms))
        effects = rules.handle(event, ns(ms))
        plc.part.xStart = plc.part.xStart or isinstance(event, Sent | Unsent)
        plc.part.xAskedAgain = plc.part.xAskedAgain or isinstance(event, Repeated)
        plc.connected = not isinstance(event, Unsent | LineLost)
        echoed = plc.cycle(ms, as_message(event))
        part = rules.part(1)
        if plc.station.xHealthy != rules.healthy(ns(ms)):
            return True
        if part is not None and plc.part.eLane != part.lane.upper():
            return True
        if part is not None and echoed != any(isinstance(each, PlcAck) for each in effects):
            return True
        plc.connected = True
        plc.cycle(ms + 1)  # PLCs run on: the timers see what has changed
    return False


def verdicts(part_id, seq, inspection, word, by, latency_ms) -> Answer:
    message = VerdictMessage(
        part_id=part_id,
        seq=seq,
        inspection_id=inspection,
        verdict=word,
        by=by,
        recipe="demo",
        latency_ms=latency_ms,
        valid_until=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return Answer(message, message.model_dump_json().encode())


def acks(inspection, refused) -> TriggerAck:
    accepted = refused is None
    inspection = inspection if accepted or refused is Refusal.DUPLICATE else None
    return TriggerAck(
        part_id="P1", seq=1, accepted=accepted, inspection_id=inspection, refused=refused
    )


TRIGGER = Trigger(part_id="P1", seq=1, deadline_ms=100)
ids = st.sampled_from("aaab")
events = st.one_of(
    st.just(Tick()),
    st.just(Repeated(1)),
    st.just(LineLost()),
    st.builds(Heartbeat, counter=st.integers(0, 50)),
    st.builds(StateMessage, state=st.sampled_from([StateWord.READY, *StateWord])),
    st.builds(acks, ids, st.sampled_from([None, None, *Refusal])),
    *[
        st.builds(
            verdicts,
            st.sampled_from(["P1", "P1", "P1", "P2"]),
            st.sampled_from([1, 1, 1, 2]),
            ids,
            st.sampled_from([Verdict.PASS, *Verdict]),
            st.sampled_from(By),
            st.sampled_from([1.0, 2.0]),
        )
    ]
    * 3,
)
gaps = st.sampled_from([10, 10, 10, 30, 90, 100, 140, 150, 160, 990, 1000, 1010, 2000, 2010])
WELL = [(0, StateMessage(state=StateWord.READY)), (10, Heartbeat(counter=99))]
starts = st.sampled_from([Sent(TRIGGER)] * 5 + [Unsent(TRIGGER)])
scripts = st.builds(
    lambda start, taken, rest: [*WELL, (10, start), *taken, *rest],
    starts,
    st.sampled_from([[(gap, acks("a", None))] for gap in (10, 100, 110)] + [[]]),
    st.lists(st.tuples(gaps, events), max_size=12),
)


@settings(max_examples=400, deadline=None)
@given(scripts, st.sampled_from([ACK_MS, ACK_MS, None]))
def test_structured_text_follows_the_rules(script, ack_ms):
    assert not differs(PLC, script, ack_ms)


def test_blocks_without_a_setting_are_as_strict_as_the_rules():
    part = function_block(PLC, "FB_LinegatePart", WORLD)(Scan())
    assert (part.tAck, part.tWindow) == (DEFAULT_ACK_MS, 500)


PASS = verdicts("P1", 1, "a", Verdict.PASS, By.MODEL, 1.0)
REVIEW = verdicts("P1", 1, "a", Verdict.REVIEW, By.MODEL, 1.0)
BY_A_PERSON = verdicts("P1", 1, "a", Verdict.PASS, By.HUMAN, 2.0)
OTHER_PART = verdicts("P2", 1, "a", Verdict.PASS, By.MODEL, 1.0)
ACK = (10, acks("a", None))
LATE_FOR_A_PERSON = [(10, REVIEW), (100, acks("a", None)), (10, BY_A_PERSON)]
OTHER_SEQ = verdicts("P1", 2, "a", Verdict.PASS, By.MODEL, 1.0)


@pytest.mark.parametrize(
    ("line", "mistake", "script"),
    [
        (" AND xHealthy", "", [ACK, (120, Tick()), (10, StateMessage(state="fault")), (0, PASS)]),
        (" AND xTaken", "", [(10, PASS)]),
        ("xTaken OR NOT tonAck.Q", "TRUE", [(101, acks("a", None)), (10, PASS)]),
        ("OR eLane = E_Lane.REVIEW) AND", ") AND", LATE_FOR_A_PERSON),
        ("AND stMsg.sPartId = sPartId", "", [(10, OTHER_PART)]),
        ("AND stMsg.ulSeq = ulSeq", "", [(10, OTHER_SEQ)]),
        ("OR stMsg.sInspection = sInspection", "OR TRUE", [(10, acks("b", None)), (10, PASS)]),
        ("AND stMsg.sBy = 'human'", "", [ACK, (10, REVIEW), (10, PASS)]),
        ("tonWindow.Q OR tonReview.Q", "tonReview.Q", [(160, Tick())]),
        ("tonWindow.Q OR tonReview.Q", "tonWindow.Q", [(10, REVIEW), (2010, Tick())]),
        ("xSendEcho := TRUE;", "xSendEcho := FALSE;", [(10, PASS)]),
        ("OR stMsg.ulCounter <> ulCounter", "OR TRUE", [(1000, Heartbeat(counter=99))]),
    ],
)
def test_planted_mistake_is_found(line, mistake, script):
    full = [*WELL, (10, Sent(TRIGGER)), *script]
    assert line in PLC
    assert not differs(PLC, full)
    assert differs(PLC.replace(line, mistake), full)
