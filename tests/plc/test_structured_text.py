"""The Structured Text of docs/plc.md, run against the rules.

A small translator turns the subset of IEC 61131-3 that the page uses into Python; then any
sequence of events must lead both to the same lane and the same echoes.
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from edge.plc.rules import Answer, LineLost, PlcRules, Repeated, Sent, Tick, Unsent

DOC = (Path(__file__).parents[2] / "docs" / "plc.md").read_text()
SOURCE = re.search(r"```iecst\n(.*?)```", DOC, re.S).group(1)

# ---- Structured Text to Python ----

WORDS = {"AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False"}
INITIAL = {"BOOL": "False", "ULINT": "0", "E_Lane": "E_Lane.REWORK", "TON": "TON(scan)"}
INITIAL |= {"R_TRIG": "R_TRIG()", "ST_Message": "None", "TIME": "0"}


def expression(text: str) -> str:
    text = re.sub(r"T#(\d+)MS", r"\1", text)
    text = re.sub(r"T#(\d+)S", lambda found: found.group(1) + "000", text)
    text = text.replace("<>", "!=").replace(":=", "\0")
    text = re.sub(r"(?<![!<>])=", "==", text).replace("\0", "=")
    for word, python in WORDS.items():
        text = re.sub(rf"\b{word}\b", python, text)
    text = re.sub(r"\b(IN|PT|CLK) =", r"\1=", text)
    fixed = "|".join(WORDS.values())
    names = rf"(?<![.\w'])(?!(?:{fixed})\b|E_|IN=|PT=|CLK=)([A-Za-z]\w*)(?!')"
    return re.sub(names, r"self.\1", text)


def statements(body: str) -> list[str]:
    body = re.sub(r"\(\*.*?\*\)", "", body, flags=re.S)
    body = re.sub(r"\s+", " ", body)
    marks = r"(;|\bTHEN\b|\bELSE\b|\bOF\b|\bEND_IF\b|\bEND_CASE\b|E_\w+\.\w+:(?!=))"
    return [part.strip() for part in re.sub(marks, r"\1\n", body).split("\n") if part.strip(" ;")]


def python(body: str) -> str:
    lines, depth, first_label = [], 1, False
    for text in statements(body):
        text = text.rstrip(";").strip()
        if text in ("END_IF", "END_CASE"):
            depth -= 1 if text == "END_IF" else 2
            continue
        if text.startswith("CASE"):
            lines.append("    " * depth + f"chosen = {expression(text[5:-3])}")
            depth, first_label = depth + 2, True
            continue
        if text.endswith(":"):
            word = "if" if first_label else "elif"
            lines.append("    " * (depth - 2) + f"{word} chosen == {text[:-1]}:")
            first_label = False
            continue
        if text.startswith(("IF", "ELSIF", "ELSE")):
            depth -= not text.startswith("IF")
            head = {"IF": "if", "ELSIF": "elif", "ELSE": "else"}[text.split()[0]]
            condition = expression(re.sub(r"^\w+|THEN$", "", text).strip())
            lines.append("    " * depth + f"{head} {condition}".rstrip() + ":")
            depth += 1
            continue
        lines.append("    " * depth + expression(text))
    return "\n".join(lines)


def function_block(source: str, name: str, world: dict):
    """A class whose call is one cycle of the block; inputs and outputs are attributes."""
    text = re.search(rf"FUNCTION_BLOCK {name}\n(.*?)END_FUNCTION_BLOCK", source, re.S).group(1)
    declared = re.findall(r"^\s+(\w+)\s*: (\w+)[^:;]*?(?::= ([^;]+))?;", text, re.M)
    initial = [
        f"    self.{field} = {expression(given) if given else INITIAL.get(kind, repr(''))}"
        for field, kind, given in declared
    ]
    body = python(text[text.rindex("END_VAR") + len("END_VAR") :])
    code = "def init(self, scan):\n" + "\n".join(initial) + "\ndef call(self):\n" + body
    namespace = dict(world)
    exec(code, namespace)
    return type(name, (), {"__init__": namespace["init"], "__call__": namespace["call"]})


class Scan:
    ms = 0


class TON:
    """IEC 61131-3 on-delay timer: Q once IN was true for PT."""

    def __init__(self, scan: Scan) -> None:
        self._scan, self._since, self.Q = scan, None, False

    def __call__(self, IN: bool, PT: int) -> None:
        self._since = (self._scan.ms if self._since is None else self._since) if IN else None
        self.Q = IN and self._scan.ms - self._since >= PT


class R_TRIG:
    def __init__(self) -> None:
        self._before, self.Q = False, False

    def __call__(self, CLK: bool) -> None:
        self.Q, self._before = CLK and not self._before, CLK


def enum(name: str) -> SimpleNamespace:
    words = re.search(rf"TYPE {name} : \((.*?)\)", SOURCE).group(1).split(", ")
    return SimpleNamespace(**{word: word for word in words})


WORLD = {"E_Lane": enum("E_Lane"), "E_Kind": enum("E_Kind"), "TON": TON, "R_TRIG": R_TRIG}
FIELDS = re.findall(r"(\w+)\s+:", re.search(r"STRUCT\n(.*?)END_STRUCT", SOURCE, re.S).group(1))

# ---- both, side by side ----

WINDOW_MS, REVIEW_MS = 150, 2000


class Plc:
    """The two function blocks in their program."""

    def __init__(self, source: str) -> None:
        self.scan = Scan()
        self.station = function_block(source, "FB_LinegateStation", WORLD)(self.scan)
        self.part = function_block(source, "FB_LinegatePart", WORLD)(self.scan)
        self.part.sPartId, self.part.ulSeq = "P1", 1
        self.part.tWindow, self.part.tReview = WINDOW_MS, REVIEW_MS
        self.connected = True

    def cycle(self, ms: int, **message) -> bool:
        """One cycle at this time with this message; returns whether it echoes."""
        empty = dict.fromkeys(FIELDS, "") | {"eKind": "NONE"}
        self.scan.ms = ms
        for block in (self.station, self.part):
            block.stMsg = SimpleNamespace(**{**empty, **message})
            block.xConnected = self.connected
        self.station()
        self.part.xHealthy = self.station.xHealthy
        self.part()
        return self.part.xSendEcho


def as_message(event) -> dict:
    """What the MQTT library makes of an event."""
    match event:
        case StateMessage():
            return {"eKind": "STATE", "sState": event.state}
        case Heartbeat():
            return {"eKind": "HEARTBEAT", "ulCounter": event.counter}
        case TriggerAck():
            return {
                "eKind": "TRIGGER_ACK",
                "sPartId": event.part_id,
                "ulSeq": event.seq,
                "sInspection": event.inspection_id or "",
                "xAccepted": event.accepted,
                "sRefused": event.refused or "",
            }
        case Answer(message):
            return {
                "eKind": "VERDICT",
                "sPartId": message.part_id,
                "ulSeq": message.seq,
                "sInspection": message.inspection_id,
                "sVerdict": message.verdict,
                "sBy": message.by,
            }
        case _:
            return {}


def differs(source: str, script) -> bool:
    """Whether the blocks and the rules ever disagree on lane, health or echo."""
    plc = Plc(source)
    rules = PlcRules(transport_ms=50, review_s=REVIEW_MS / 1000, heartbeat_ms=250)
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
        echoed = plc.cycle(ms, **as_message(event))
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
gaps = st.sampled_from([10, 10, 10, 30, 140, 150, 160, 990, 1000, 1010, 2000, 2010])
WELL = [(0, StateMessage(state=StateWord.READY)), (10, Heartbeat(counter=99))]
starts = st.sampled_from([Sent(TRIGGER)] * 5 + [Unsent(TRIGGER)])
scripts = st.builds(
    lambda start, rest: [*WELL, (10, start), *rest],
    starts,
    st.lists(st.tuples(gaps, events), max_size=12),
)


@settings(max_examples=400, deadline=None)
@given(scripts)
def test_structured_text_follows_the_rules(script):
    assert not differs(SOURCE, script)


PASS = verdicts("P1", 1, "a", Verdict.PASS, By.MODEL, 1.0)
REVIEW = verdicts("P1", 1, "a", Verdict.REVIEW, By.MODEL, 1.0)
OTHER_PART = verdicts("P2", 1, "a", Verdict.PASS, By.MODEL, 1.0)
OTHER_SEQ = verdicts("P1", 2, "a", Verdict.PASS, By.MODEL, 1.0)


@pytest.mark.parametrize(
    ("line", "mistake", "script"),
    [
        (" AND xHealthy;", ";", [(130, Tick()), (10, StateMessage(state="fault")), (0, PASS)]),
        ("AND stMsg.sPartId = sPartId", "", [(10, OTHER_PART)]),
        ("AND stMsg.ulSeq = ulSeq", "", [(10, OTHER_SEQ)]),
        ("OR stMsg.sInspection = sInspection", "OR TRUE", [(10, acks("b", None)), (10, PASS)]),
        ("AND stMsg.sBy = 'human'", "", [(10, REVIEW), (10, PASS)]),
        ("tonWindow.Q OR tonReview.Q", "tonReview.Q", [(160, Tick())]),
        ("tonWindow.Q OR tonReview.Q", "tonWindow.Q", [(10, REVIEW), (2010, Tick())]),
        ("xSendEcho := TRUE;", "xSendEcho := FALSE;", [(10, PASS)]),
        ("OR stMsg.ulCounter <> ulCounter", "OR TRUE", [(1000, Heartbeat(counter=99))]),
    ],
)
def test_planted_mistake_is_found(line, mistake, script):
    full = [*WELL, (10, Sent(TRIGGER)), *script]
    assert line in SOURCE
    assert not differs(SOURCE, full)
    assert differs(SOURCE.replace(line, mistake), full)
