"""The fault report: one row for each fault, as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

HEAD = (
    "what is broken", "verdict", "`state`", "parts", "why not passed", "safe after",
    "told after", "ready after", "cause",
)  # fmt: skip
INTRO = """\
# The fault report

Every fault was made on a whole station: four jobs, mosquitto, a virtual PLC that sends a part
every 50 ms. All times begin with the fault, `ready after` with its mend where somebody must mend it
(m). `safe after`: the first part that went to rework because of it, unless it takes away nothing
that a pass needs; `told after`: its cause on `state` or at the technician; `ready after`: all is
well again, and a part passed.
"""


@dataclass(frozen=True, slots=True)
class Told:
    """How one fault went. `complaints` are empty if the line was safe. Times in seconds."""

    subject: str
    broken: str
    complaints: tuple[str, ...] = ()
    states: str = ""
    parts: Mapping[str, int] = field(default_factory=dict)  # by what became of them
    whys: tuple[str, ...] = ()  # the PLC's words for those that the station failed safe
    safe_s: float | None = None
    told_s: float | None = None
    ready_s: float | None = None
    mended: bool = False  # by somebody
    cause: str = ""
    skipped: str = ""


def written(rows: Sequence[Told]) -> str:
    """The whole report."""
    unsafe = [row for row in rows if row.complaints]
    skipped = [row for row in rows if row.skipped]
    parts = sum(sum(row.parts.values()) for row in rows)
    safe = len(rows) - len(unsafe) - len(skipped)
    summary = (
        f"{len(rows)} faults, {parts} parts: {safe} safe, {len(unsafe)} not, "
        f"{len(skipped)} skipped."
    )
    blocks = [_table(subject, rows) for subject in dict.fromkeys(row.subject for row in rows)]
    return "\n".join([INTRO, summary, "", *blocks])


def _table(subject: str, rows: Sequence[Told]) -> str:
    lines = [f"## {subject}", "", _line(HEAD), _line(["---"] * len(HEAD))]
    lines += [_line(_cells(row)) for row in rows if row.subject == subject]
    return "\n".join([*lines, ""])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _cells(row: Told) -> list[str]:
    if row.skipped:
        return [row.broken, "skipped", row.skipped, *[""] * (len(HEAD) - 3)]
    verdict = f"**NOT SAFE**: {'; '.join(row.complaints)}" if row.complaints else "safe"
    parts = ", ".join(f"{n} {what}" for what, n in row.parts.items() if n)
    ready = _seconds(row.ready_s) + (" (m)" if row.mended else "")
    return [
        row.broken, verdict, row.states, parts, ", ".join(row.whys[:4]),
        _seconds(row.safe_s, "-"), _seconds(row.told_s, "-"), ready,
        row.cause,
    ]  # fmt: skip


def _seconds(value: float | None, none: str = "never") -> str:
    return none if value is None else f"{value:.2f} s"
