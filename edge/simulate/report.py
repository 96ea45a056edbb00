"""What the simulation came to: the figures that others rely on, and every promise, kept or not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge.camera.parts import part_id, truth_of
from edge.config import SimulatorSettings
from edge.core.bounds import clopper_pearson
from edge.core.messages import Verdict
from edge.demo.summary import Post
from edge.simulate.referee import Case, Finding
from edge.simulate.scenario import SLACK_MS
from edge.store.rows import Inspection

HELD_UP_SHARE = 0.01
ENOUGH_GOOD = 10  # so many good parts, and none went by: something is wrong


@dataclass(frozen=True, slots=True)
class Timing:
    """How well this machine kept up with the belt."""

    late_ms: float  # the latest turn of the belt
    dropped: int  # events that came too fast
    held_up: frozenset[int] = frozenset()  # parts that it had no time for


def figures(
    found: Sequence[Case],
    inspections: Sequence[Inspection],
    plc: Mapping[str, Any],
    post: Post,
    simulator: SimulatorSettings,
    timing: Timing,
    most_in_flight: int,
) -> dict[str, Any]:
    """The keys that others rely on (docs/simulate.md). Escapes and overkill are physical: parts
    that went by, parts that were thrown."""
    verdicts = Counter(row.verdict for row in inspections)
    return {
        "parts": len(found),
        "inspections": len(inspections),
        "verdicts": {word: verdicts[word] for word in Verdict},
        "went_by": sum(case.let_by for case in found),
        "thrown": sum(not case.let_by for case in found),
        "plc": plc["plc"],
        "refused": plc["refused"],
        "taken_late": plc["taken_late"],
        "truth": _truth(found, simulator),
        "latency_ms": {key: plc["latency_ms"][key] for key in ("p50", "p99")},
        "most_in_flight": most_in_flight,
        "late_ms": round(timing.late_ms, 1),
        "held_up": len(timing.held_up),
        "records": post.records,
        "delivered": post.delivered,
    }


def _truth(found: Sequence[Case], simulator: SimulatorSettings) -> dict[str, int]:
    defective = {c.number: truth_of(simulator, part_id(c.number)).defective for c in found}
    return {
        "escapes": sum(c.let_by and defective[c.number] for c in found),
        "overkill": sum(not c.let_by and not defective[c.number] for c in found),
        "n_defect": sum(defective.values()),
        "n_good": len(defective) - sum(defective.values()),
    }


def station_findings(
    result: Mapping[str, Any], troubled: bool, alpha: float | None, timing: Timing
) -> list[Finding]:
    """The promises about the whole run. `troubled`: the script made trouble, so silence and late
    answers are judged part by part alone. `alpha`: the share of defects that may pass."""
    silences = () if troubled else ("missed", "late")
    wrong = {k: n for k, n in result["plc"].items() if k not in ("missed", "late") or k in silences}
    open_parts = result["inspections"] - result["verdicts"]["pass"] - result["verdicts"]["rework"]
    return [
        Finding(
            "one verdict each: " + ", ".join(f"none {what}" for what in wrong),
            sum(wrong.values()),
            result["inspections"],
            "see the PLC's counts below and docs/plc.md",
        ),
        Finding(
            "every inspection has a final verdict",
            open_parts,
            result["inspections"],
            "see the gate's log",
        ),
        *([] if alpha is None else [_believable(result["truth"], alpha)]),
        Finding(
            "good parts go by",
            0 if _some_go_by(result) else 1,
            1,
            "see whether parts came at all, and why the verdicts are rework: page, ledger",
        ),
        Finding(
            "every record is delivered to the trainer",
            result["records"] - result["delivered"],
            result["records"],
            "see the logs of sync and ingest",
        ),
        _kept_up(result["parts"], len(timing.held_up)),
        Finding(
            "every order and every trigger is taken in",
            timing.dropped,
            timing.dropped,
            "they came by the thousands: order only what changes",
        ),
    ]


def script_finding(faults: int, undone: Sequence[str]) -> Finding:
    """A line that withstood a fault which never came has shown nothing. `undone`: what of the
    script did not happen, and why."""
    return Finding(
        "every fault of the script happened, and ended",
        len(undone),
        faults,
        "; ".join(undone),
    )


def _some_go_by(result: Mapping[str, Any]) -> bool:
    truth = result["truth"]
    good_by = truth["n_good"] - truth["overkill"]
    return bool(result["parts"] and (truth["n_good"] < ENOUGH_GOOD or good_by))


def _kept_up(parts: int, held_up: int) -> Finding:
    """A few parts may be held up where other programs run: they are thrown and excused."""
    broken = held_up if held_up > HELD_UP_SHARE * parts else 0
    return Finding(
        "this machine keeps up with the belt",
        broken,
        parts,
        "simulate a slower line, or on a machine with less to do",
        excused=held_up - broken,
    )


def _believable(truth: Mapping[str, int], alpha: float) -> Finding:
    """Escapes break no promise as long as they do not refute the model's guarantee (95 %)."""
    low, _ = clopper_pearson(truth["escapes"], truth["n_defect"])
    broken = truth["escapes"] if low > alpha else 0
    return Finding(
        "no more defective parts go by than the model promises",
        broken,
        truth["n_defect"],
        "far too many: the verdicts belong to other parts, or the pictures do",
    )


def as_json(result: Mapping[str, Any], found: Sequence[Finding]) -> dict[str, Any]:
    return {**result, "checks": [{**asdict(finding), "kept": finding.kept} for finding in found]}


def in_words(result: Mapping[str, Any], found: Sequence[Finding]) -> list[str]:
    verdicts, truth, latency = result["verdicts"], result["truth"], result["latency_ms"]
    counts = ", ".join(f"{n} {what}" for what, n in result["plc"].items())
    refused = ", ".join(f"{n} {why}" for why, n in result["refused"].items()) or "none"
    broken = sum(not finding.kept for finding in found)
    return [
        f"parts      {result['parts']}: {result['went_by']} went by, {result['thrown']} thrown; "
        f"at most {result['most_in_flight']} between camera and diverter",
        f"verdicts   {verdicts['pass']} pass, {verdicts['rework']} rework, "
        f"{verdicts['review']} review; triggers refused: {refused}",
        f"truth      {truth['escapes']} of {truth['n_defect']} defective parts went by; "
        f"{truth['overkill']} of {truth['n_good']} good ones were thrown",
        f"PLC        {counts}; {result['taken_late']} triggers taken too late to see the part",
        f"latency    {_ms(latency['p50'])} (p50), {_ms(latency['p99'])} (p99), PLC to PLC",
        f"delivered  {result['delivered']} of {result['records']} records at the trainer",
        f"machine    at most {result['late_ms']:.0f} ms late{_doubt(result['late_ms'])}; no time "
        f"for {result['held_up']} parts",
        *(line for finding in found for line in _lines(finding)),
        "ACCEPTED" if not broken else f"NOT ACCEPTED: {broken} of {len(found)} promises broken",
    ]


def _lines(finding: Finding) -> list[str]:
    excused = f" ({finding.excused} more are excused)" if finding.excused else ""
    if finding.kept:
        return [f"ok         {finding.rule}{excused}"]
    parts = f": part {', '.join(map(str, finding.parts))}" if finding.parts else ""
    return [
        f"BROKEN     {finding.rule}: {finding.broken} of {finding.of}{parts}{excused}",
        f"           -> {finding.action}",
    ]


def _doubt(late_ms: float) -> str:
    if late_ms <= SLACK_MS:
        return ""
    return f"; {SLACK_MS:.0f} are granted, so what is broken may be its fault"


def _ms(value: float | None) -> str:
    return "no figure" if value is None else f"{value:.1f} ms"
