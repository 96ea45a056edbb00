"""Was the line safe? Judged by what the PLC saw and what the ledger says. Pure.

A part that went to rework is safe whatever the reason; so is one that got no answer. Unsafe is a
part that passed and should not have, and a part whose fate is not in the ledger exactly once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edge.core.messages import Verdict
from edge.plc.rules import Lane

FEW = 2  # or one of twenty
OWN_FAULT = ("defect", "low_confidence")  # reworks of a station that is well


class Meanwhile(StrEnum):
    """What a fault does to the parts that come while it lasts."""

    NONE_PASSES = "none passes"
    NONE_PASSES_ONCE_TOLD = "none passes once the line was told"
    SOME_PASS = "what can be judged passes"
    ALL_GOES_ON = "all goes on"


@dataclass(frozen=True, slots=True)
class Part:
    """A part as the PLC treated it; `moved_at` is its last change of lane. Times in seconds."""

    part_id: str
    seq: int
    sent_at: float
    lane: Lane
    why: str
    moved_at: float

    @property
    def failed_safe(self) -> bool:
        """It went to rework for the station's sake, not for its own."""
        return self.lane is not Lane.PASS and not self.why.startswith(OWN_FAULT)


@dataclass(frozen=True, slots=True)
class Row:
    """A part as the ledger has it."""

    part_id: str
    seq: int
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fault, from its beginning until the station was well again. `told_at`: when the line or
    the technician first heard of the cause that was expected; `counts`: the PLC's, of this
    time."""

    parts: Sequence[Part]
    rows: Sequence[Row]
    counts: Mapping[str, int]
    broken_at: float
    mended_at: float  # if it mends itself: when the station was well again
    told_at: float | None = None
    ready_at: float | None = None


def complaints(meanwhile: Meanwhile, silence: bool, evidence: Evidence) -> list[str]:
    """What was unsafe; empty if nothing was. Parts without an answer in time are sent to rework by
    the PLC, so that is safe; but more than a few, as on a machine under load, need a fault that
    explains the `silence`."""
    return [
        *_of_the_plc(evidence, silence),
        *_of_the_ledger(evidence),
        *_of_the_passes(meanwhile, evidence),
    ]


def _of_the_plc(evidence: Evidence, silence: bool) -> list[str]:
    few = max(FEW, len(evidence.parts) // 20)
    allowed = {"double": 0, "unmatched": 0, "unsafe_pass": 0}
    allowed |= {} if silence else {"missed": few, "late": few}
    return [
        f"the PLC counted {evidence.counts[what]} {what}"
        for what, most in allowed.items()
        if evidence.counts.get(what, 0) > most
    ]


def _of_the_ledger(evidence: Evidence) -> list[str]:
    keys = Counter((row.part_id, row.seq) for row in evidence.rows)
    doubled = [key for key, n in keys.items() if n > 1]
    left_open = [row.part_id for row in evidence.rows if row.verdict is None]
    recorded = {(r.part_id, r.seq) for r in evidence.rows if r.verdict is Verdict.PASS}
    passed = [part for part in evidence.parts if part.lane is Lane.PASS]
    unknown = [p.part_id for p in passed if (p.part_id, p.seq) not in recorded]
    found = {
        "stand twice in the ledger": doubled,
        "have no final verdict in the ledger": left_open,
        "passed the PLC without a recorded pass": unknown,
    }
    return [f"{len(parts)} parts {what}: {parts[:3]}" for what, parts in found.items() if parts]


def _of_the_passes(meanwhile: Meanwhile, evidence: Evidence) -> list[str]:
    since = evidence.broken_at
    if meanwhile is Meanwhile.NONE_PASSES_ONCE_TOLD:
        since = evidence.mended_at if evidence.told_at is None else evidence.told_at
    passed = [
        part.part_id
        for part in evidence.parts
        if part.lane is Lane.PASS and since < part.sent_at < evidence.mended_at
    ]
    if meanwhile is Meanwhile.ALL_GOES_ON:
        return [] if passed else ["no part passed, though nothing that a pass needs was broken"]
    if meanwhile is Meanwhile.SOME_PASS or not passed:
        return []
    return [f"{len(passed)} parts passed while it was broken: {passed[:3]}"]


def safe_after_s(evidence: Evidence) -> float | None:
    """From the fault to the first part that the line failed safe; None: no part had to."""
    times = [part.moved_at for part in evidence.parts if part.failed_safe]
    return min(times) - evidence.broken_at if times else None
