"""The shift register of docs/simulate.md, with the blocks of docs/plc.md in it, run on a belt.

It must ask for every part and move the diverter as register.py and plc/rules.py would.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structured_text import PLC as PART
from structured_text import WORLD, Scan, as_message, blocks_of, function_block, message, struct

from edge.core.clock import ns
from edge.core.messages import (
    By,
    Heartbeat,
    StateMessage,
    StateWord,
    Trigger,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.plc.rules import Answer, Lane, PlcRules, Sent, Tick
from edge.simulate.register import ShiftRegister, Station

BELT = blocks_of("simulate.md")
CYCLE_MS, ACK_MS, FIRST_SEQ = 10, 50, 7
DISTANCES = {Station.CAMERA: 1900, Station.DIVERTER: 7100, Station.CLEAR: 8300}


def block(belt: str = BELT, part: str = PART):
    world = WORLD | {"FB_LinegatePart": function_block(part, "FB_LinegatePart", WORLD)}
    world["ST_OnBelt"] = struct(belt, "ST_OnBelt", world)
    return function_block(belt, "FB_LinegateBelt", world)


@dataclass(frozen=True)
class Coming:
    """A part: so far behind the one before it; what the gate says of it, and how soon, in cycles
    after its trigger."""

    gap: int = 1500
    acked: int | None = 1
    said: Verdict | None = Verdict.PASS
    after: int = 2


def taken(part_id: str, seq: int) -> TriggerAck:
    return TriggerAck(part_id=part_id, seq=seq, accepted=True, inspection_id=f"i{seq}")


def verdict(part_id: str, seq: int, word: Verdict) -> Answer:
    said = VerdictMessage(
        part_id=part_id, seq=seq, inspection_id=f"i{seq}", verdict=word, by=By.MODEL,
        recipe="demo", latency_ms=1.0, valid_until=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    return Answer(said, said.model_dump_json().encode())


@dataclass
class Line:
    """Block and reference side by side. `differ`: where, in words."""

    fb: type
    parts: list[Coming]
    differ: list[str] = field(default_factory=list)
    opened: int = 0

    def __post_init__(self) -> None:
        self.scan = Scan()
        self.plc = self.fb(self.scan)
        self.plc.ulSeq, self.plc.tAck = FIRST_SEQ, ACK_MS
        self.rules = PlcRules(transport_ms=200, ack_ms=ACK_MS)
        self.rules.handle(StateMessage(state=StateWord.READY), 0)
        self.register = ShiftRegister(DISTANCES)
        self.fronts = [sum(p.gap for p in self.parts[: n + 1]) for n in range(len(self.parts))]
        self.post: list[tuple[int, TriggerAck | Answer]] = []
        self.wanted: list[int] = []  # parts to be asked for in this cycle
        self.asked = 0
        self.let_by = False

    def run(self, steps: list[int]) -> list[str]:
        count = turn = 0
        while count < self.fronts[-1] + 9000 and not self.differ:
            count += steps[turn % len(steps)]
            turn += 1
            self.cycle(turn, count)
        return self.differ

    def cycle(self, turn: int, count: int) -> None:
        now_ns, self.scan.ms = ns(turn * CYCLE_MS), turn * CYCLE_MS
        self.rules.handle(Heartbeat(counter=turn), now_ns)
        due = next((each for each in self.post if each[0] <= turn), None)
        edge = bool(self.fronts[self.register.entered :]) and (
            self.fronts[self.register.entered] <= count
        )
        latched = self.fronts[self.register.entered] if edge else 0
        self.plc(
            xEdge=edge, ulLatched=latched, ulCount=count, xConnected=True, xHealthy=True,
            stMsg=message() if due is None else as_message(due[1]),
        )  # fmt: skip
        if due is not None:
            self.post.remove(due)
        self.rules.handle(Tick() if due is None else due[1], now_ns)
        self.compare_triggers(turn, now_ns)
        self.decide(edge, latched, count)

    def compare_triggers(self, turn: int, now_ns: int) -> None:
        """The block asks a cycle after the part has come."""
        if self.plc.xSendTrigger != bool(self.wanted):
            self.differ.append(f"trigger {self.plc.ulTriggerSeq}, wanted {self.wanted}")
        for number in self.wanted:
            seq, part = FIRST_SEQ + 1 + number, self.parts[number]
            if (self.plc.sTriggerId, self.plc.ulTriggerSeq) != (f"B-{seq}", seq):
                self.differ.append(f"asked for {self.plc.sTriggerId}, not for B-{seq}")
            trigger = Trigger(part_id=f"B-{seq}", seq=seq, deadline_ms=300)
            self.rules.handle(Sent(trigger), now_ns)
            if part.acked is not None:
                self.post.append((turn + part.acked, taken(f"B-{seq}", seq)))
            if part.said is not None:
                self.post.append((turn + part.after, verdict(f"B-{seq}", seq, part.said)))

    def decide(self, edge: bool, latched: int, count: int) -> None:
        if edge:
            self.register.enter(latched)
        reached = self.register.scan(count)
        self.wanted = [each.number for each in reached if each.station is Station.CAMERA]
        for each in reached:
            if each.station is Station.DIVERTER:
                part = self.rules.part(FIRST_SEQ + 1 + each.number)
                self.let_by = part is not None and part.lane is Lane.PASS
                self.opened += self.let_by
            elif each.station is Station.CLEAR:
                self.let_by = False
        if self.plc.xDiverter is not self.let_by:
            self.differ.append(f"diverter {self.plc.xDiverter} at {count}")


comings = st.builds(
    Coming,
    st.integers(1300, 3000),
    st.sampled_from([1, 1, 1, 5, 6, None]),
    st.sampled_from([Verdict.PASS, Verdict.PASS, *Verdict, None]),
    st.sampled_from([1, 2, 3, 20, 49, 50, 51, 60]),
)
steps = st.lists(st.integers(0, 400), min_size=1, max_size=6).filter(any)


@settings(max_examples=40, deadline=None)
@given(st.lists(comings, min_size=1, max_size=40), steps)
def test_belt_of_the_page_does_what_register_and_rules_do(parts, steps) -> None:
    assert Line(block(), parts).run(steps) == []


GOOD, SILENT = Coming(), Coming(said=None)
MANY = [GOOD] * 16 + [SILENT] * 16  # the ring comes round


def test_every_good_part_goes_by_and_the_ring_comes_round() -> None:
    line = Line(block(), MANY + [GOOD] * 3)
    assert line.run([150]) == [] and line.opened == 19


@pytest.mark.parametrize(
    ("line", "mistake", "parts"),
    [
        ("xDiverter := FALSE;", "", [GOOD, Coming(gap=3000, said=None)]),
        ("+ ulToDecide", "+ ulToClear", [GOOD]),
        ("ulDecide MOD 16].fbPart.eLane", "ulCamera MOD 16].fbPart.eLane", [GOOD, SILENT, GOOD]),
        ("ulSeq := ulSeq + 1;", "", [GOOD, GOOD]),
        (".fbPart.xStart := FALSE;", ".fbPart.xStart := TRUE;", MANY),
        ("tAck := tAck, ", "", [Coming(acked=8, after=9)]),
        ("    xTaken := tAck = T#0S;\n", "", [*MANY[:16], Coming(acked=None)]),
    ],
)
def test_planted_mistake_is_found(line: str, mistake: str, parts: list[Coming]) -> None:
    assert line in BELT + PART
    assert Line(block(), parts).run([150]) == []
    planted = block(BELT.replace(line, mistake), PART.replace(line, mistake))
    assert Line(planted, parts).run([150]) != []


def opens_after_a_leap(fb: type) -> bool:
    """Sixteen parts have passed; the next ones come, and the count leaps over camera and diverter
    at once."""
    line = Line(fb, [GOOD] * 16)
    assert line.run([150]) == []
    plc, count = line.plc, line.fronts[-1] + 20_000
    for at in (count, count + 100_000, count + 100_001, count + 100_002):
        line.scan.ms += CYCLE_MS
        plc(xEdge=at == count, ulLatched=count, ulCount=at, stMsg=message())
        if plc.xDiverter:
            return True
    return False


def test_leap_of_the_encoder_opens_for_no_part_that_was_not_asked_about() -> None:
    assert not opens_after_a_leap(block())
    careless = BELT.replace("ulDecide < ulCamera AND", "ulDecide < ulIn AND")
    assert careless != BELT and opens_after_a_leap(block(careless))
