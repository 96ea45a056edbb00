"""A fault, as a row of a table; and how it is made, watched, mended and told."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from faults.judge import Evidence, Meanwhile, Part, complaints, safe_after_s
from faults.report import Told
from faults.rig import WELL_S, Rig, feed_until

from edge.core.messages import Reason, Refusal
from edge.plc.rules import Lane

PASS_S = 20.0  # until a part passes again
Hand = Callable[[Rig], object]


@dataclass(frozen=True, slots=True)
class Fault:
    """`breaks` makes it and `mends` ends it; without `mends` the station must get up by itself.
    `says`: words of the cause that the line or the technician must hear; empty: nobody needs to.
    `reason`: why some part must go to rework.
    `meanwhile` and `silence` are what the judge allows. While it lasts, at least `lasts_s`, parts
    come, and `with_each` happens with each of them. `back` is what else must be there again."""

    subject: str
    broken: str
    breaks: Hand
    mends: Hand | None = None
    says: str = ""
    reason: Reason | Refusal | None = None
    meanwhile: Meanwhile = Meanwhile.SOME_PASS
    silence: bool = False
    notice_s: float = 20.0  # until the line must have heard of it
    lasts_s: float = 0.6
    with_each: Hand = lambda rig: None
    back: Callable[[Rig], bool] = lambda rig: True
    deadline_ms: int = 1000
    recipe: str | None = None
    needs: str = ""  # a program of the system


def play(rig: Rig, fault: Fault) -> Told:
    """Make it on a station that is well, until it is well again; and judge."""
    rig.idle()
    before = rig.counts()
    broken_at = time.monotonic()
    fault.breaks(rig)
    _feed_while_broken(rig, fault, broken_at)
    mended_at = time.monotonic()
    if fault.mends is not None:
        rig.idle()
        mended_at = time.monotonic()
        fault.mends(rig)
    well = feed_until(rig, lambda: rig.is_well() and fault.back(rig), WELL_S)
    well_at = time.monotonic()
    passed = well and feed_until(rig, lambda: _passed(rig, mended_at), PASS_S)
    rig.idle()
    heard = rig.told(fault.says, broken_at) if fault.says else None
    parts = rig.parts(broken_at)
    evidence = Evidence(
        parts=parts,
        rows=rig.rows(len(parts) + 20),
        counts=rig.counts() - before,
        broken_at=broken_at,
        mended_at=mended_at if fault.mends is not None else well_at,
        told_at=heard[0] if heard else None,
        ready_at=time.monotonic() if passed else None,
    )
    return _told(rig, fault, evidence, heard[1] if heard else "")


def _feed_while_broken(rig: Rig, fault: Fault, broken_at: float) -> None:
    """Until it is told, and as long as it lasts."""

    def feed() -> None:
        fault.with_each(rig)
        rig.feed(1, fault.deadline_ms, fault.recipe)

    if fault.says:
        feed_until(rig, lambda: rig.told(fault.says, broken_at), fault.notice_s, feed)
    until = time.monotonic() + fault.lasts_s
    feed_until(rig, lambda: time.monotonic() > until, fault.lasts_s + 10.0, feed)


def _passed(rig: Rig, since: float) -> bool:
    return any(part.lane is Lane.PASS for part in rig.parts(since))


def _told(rig: Rig, fault: Fault, evidence: Evidence, cause: str) -> Told:
    since = evidence.mended_at if fault.mends is not None else evidence.broken_at
    whys = dict.fromkeys(part.why for part in evidence.parts if part.failed_safe)
    return Told(
        subject=fault.subject,
        broken=fault.broken,
        complaints=(
            *complaints(fault.meanwhile, fault.silence, evidence),
            *_missing(rig, fault, evidence),
        ),
        states=", ".join(rig.states(evidence.broken_at)) or "ready all the time",
        parts=_fates(evidence.parts),
        whys=tuple(whys),
        safe_s=None if fault.meanwhile is Meanwhile.ALL_GOES_ON else safe_after_s(evidence),
        told_s=None if evidence.told_at is None else evidence.told_at - evidence.broken_at,
        ready_s=None if evidence.ready_at is None else evidence.ready_at - since,
        mended=fault.mends is not None,
        cause=cause.replace(f"{rig.line.folder}/", ""),
    )


def _missing(rig: Rig, fault: Fault, evidence: Evidence) -> list[str]:
    """What should have come of it, and did not."""
    found = []
    if fault.says and evidence.told_at is None:
        found.append(f"nobody was told of {fault.says!r}")
    if fault.reason and not any(fault.reason in part.why for part in evidence.parts):
        found.append(f"no part went to rework for {fault.reason}")
    if evidence.ready_at is None:
        found.append(f"not well again: {rig.line.states.now}, {sorted(rig.technician.now)}")
    return found


def _fates(parts: Sequence[Part]) -> dict[str, int]:
    found = Counter(_fate(part) for part in parts)
    return {fate: found[fate] for fate in ("passed", "reworked", "refused", "unanswered")}


def _fate(part: Part) -> str:
    if part.lane is Lane.PASS:
        return "passed"
    if part.why in ("silence", "no broker"):
        return "unanswered"
    return "refused" if part.why.startswith("refused") else "reworked"
