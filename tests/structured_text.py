"""The Structured Text of the docs, as Python that can be run.

A small translator for the subset of IEC 61131-3 that the pages use, and what its blocks get from
an MQTT library.
"""

import re
from pathlib import Path
from types import SimpleNamespace

from edge.core.messages import Heartbeat, StateMessage, TriggerAck
from edge.plc.rules import Answer

DOCS = Path(__file__).parents[1] / "docs"


def blocks_of(page: str) -> str:
    """The Structured Text of a page."""
    return re.search(r"```iecst\n(.*?)```", (DOCS / page).read_text(), re.S).group(1)


WORDS = {"AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False", "MOD": "%"}
FUNCTIONS = {"CONCAT": lambda *texts: "".join(texts), "ULINT_TO_STRING": str, "range": range}
INITIAL = {"BOOL": "False", "ULINT": "0", "INT": "0", "TIME": "0", "E_Lane": "E_Lane.REWORK"}
INITIAL |= {"ST_Message": "None", "STRING": "''"}
HEADS = {"IF": "if", "ELSIF": "elif", "ELSE": "else"}


def expression(text: str) -> str:
    text = re.sub(r"T#(\d+)MS", r"\1", text)
    text = re.sub(r"T#(\d+)S", lambda found: found.group(1) + "000", text)
    text = re.sub(r"([(,]\s*)(\w+) :=", "\\1\\2\1", text)  # an argument's name
    text = text.replace("<>", "!=").replace(":=", "\0")
    text = re.sub(r"(?<![!<>])=", "==", text).replace("\0", "=")
    for word, python in WORDS.items():
        text = re.sub(rf"\b{word}\b", python, text)
    fixed = "|".join([*WORDS.values(), *FUNCTIONS]).replace("|%", "")
    names = rf"(?<![.\w'])(?!(?:{fixed})\b|E_)([A-Za-z]\w*)(?![\w'\1])"
    return re.sub(names, r"self.\1", text).replace("\1", "=")


def statements(body: str) -> list[str]:
    body = re.sub(r"\(\*.*?\*\)", "", body, flags=re.S)
    body = re.sub(r"\s+", " ", body)
    ends = r"\bEND_IF\b|\bEND_CASE\b|\bEND_FOR\b"
    marks = rf"(;|\bTHEN\b|\bELSE\b|\bOF\b|\bDO\b|{ends}|E_\w+\.\w+:(?!=))"
    return [part.strip() for part in re.sub(marks, r"\1\n", body).split("\n") if part.strip(" ;")]


def python(body: str) -> str:
    lines, depth, first_label = [], 1, False
    for text in statements(body):
        text = text.rstrip(";").strip()
        if text.startswith("END_"):
            depth -= 2 if text == "END_CASE" else 1
        elif text.startswith("CASE "):
            lines.append("    " * depth + f"chosen = {expression(text[5:-3])}")
            depth, first_label = depth + 2, True
        elif text.endswith(":"):
            word = "if" if first_label else "elif"
            lines.append("    " * (depth - 2) + f"{word} chosen == {text[:-1]}:")
            first_label = False
        elif loop := re.fullmatch(r"FOR (\w+) := (\w+) TO (\w+) DO", text):
            name, first, last = loop.groups()
            lines.append("    " * depth + f"for self.{name} in range({first}, {last} + 1):")
            depth += 1
        elif text.split()[0] in HEADS:
            depth -= not text.startswith("IF")
            condition = expression(re.sub(r"^\w+|THEN$", "", text).strip())
            lines.append("    " * depth + f"{HEADS[text.split()[0]]} {condition}".rstrip() + ":")
            depth += 1
        else:
            lines.append("    " * depth + expression(text))
    return "\n".join(lines)


def initial(kind: str, more: str, given: str) -> str:
    if given:
        return expression(given)
    if kind == "ARRAY":
        first, last, inner = re.match(r"\[(\d+)\.\.(\d+)\] OF (\w+)", more).groups()
        return f"[{initial(inner, '', '')} for _ in range({first}, {last} + 1)]"
    return INITIAL.get(kind, f"{kind}(scan)")


def declared(text: str) -> str:
    """Python that sets every declared name to what it is at power-up."""
    found = re.findall(r"^\s+(\w+)\s*: (\w+)([^:;]*?)(?::= ([^;]+))?;", text, re.M)
    return "\n".join(f"    self.{name} = {initial(*kind)}" for name, *kind in found)


def new_class(name: str, declarations: str, body: str, world: dict):
    call = "    for name, value in inputs.items():\n        setattr(self, name, value)\n"
    code = f"def init(self, scan):\n{declared(declarations)}\n"
    code += f"def call(self, **inputs):\n{call}{python(body)}"
    namespace = {**FUNCTIONS, **world}
    exec(code, namespace)
    return type(name, (), {"__init__": namespace["init"], "__call__": namespace["call"]})


def function_block(source: str, name: str, world: dict):
    """A class whose call is one cycle of the block; inputs and outputs are attributes."""
    text = re.search(rf"FUNCTION_BLOCK {name}\n(.*?)END_FUNCTION_BLOCK", source, re.S).group(1)
    end = text.rindex("END_VAR") + len("END_VAR")
    return new_class(name, text[:end], text[end:], world)


def struct(source: str, name: str, world: dict):
    text = re.search(rf"TYPE {name} :\nSTRUCT(.*?)END_STRUCT", source, re.S).group(1)
    return new_class(name, text, "", world)


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
    def __init__(self, scan: Scan) -> None:
        self._before, self.Q = False, False

    def __call__(self, CLK: bool) -> None:
        self.Q, self._before = CLK and not self._before, CLK


def enum(source: str, name: str) -> SimpleNamespace:
    words = re.search(rf"{name} : \((.*?)\)", source).group(1).split(", ")
    return SimpleNamespace(**{word: word for word in words})


PLC = blocks_of("plc.md")
WORLD = {name: enum(PLC, name) for name in ("E_Lane", "E_Kind")}
WORLD |= {"TON": TON, "R_TRIG": R_TRIG}
FIELDS = re.findall(r"(\w+)\s+:", re.search(r"STRUCT\n(.*?)END_STRUCT", PLC, re.S).group(1))


def message(**fields) -> SimpleNamespace:
    """An ST_Message; without fields none has come."""
    return SimpleNamespace(**{**dict.fromkeys(FIELDS, ""), "eKind": "NONE", **fields})


def as_message(event) -> SimpleNamespace:
    """What the MQTT library makes of an event."""
    match event:
        case StateMessage():
            return message(eKind="STATE", sState=event.state)
        case Heartbeat():
            return message(eKind="HEARTBEAT", ulCounter=event.counter)
        case TriggerAck():
            return message(
                eKind="TRIGGER_ACK",
                sPartId=event.part_id,
                ulSeq=event.seq,
                sInspection=event.inspection_id or "",
                xAccepted=event.accepted,
                sRefused=event.refused or "",
            )
        case Answer(said):
            return message(
                eKind="VERDICT",
                sPartId=said.part_id,
                ulSeq=said.seq,
                sInspection=said.inspection_id,
                sVerdict=said.verdict,
                sBy=said.by,
            )
        case _:
            return message()
