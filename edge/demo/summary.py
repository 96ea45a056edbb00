"""What the demo came to: the ledger's verdicts against the truth, and the PLC's own count."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge.camera.parts import truth_of
from edge.config import SimulatorSettings
from edge.core.bounds import clopper_pearson
from edge.core.messages import By, Verdict
from edge.store.rows import Inspection


@dataclass(frozen=True, slots=True)
class Post:
    """Records in the ledger, and how many of them the trainer has, equal by id and hash."""

    records: int
    delivered: int


def summarise(
    inspections: Sequence[Inspection],
    plc: dict[str, Any],
    post: Post,
    simulator: SimulatorSettings,
) -> dict[str, Any]:
    """The keys that others rely on (docs/commands.md)."""
    verdicts = Counter(row.verdict for row in inspections)
    return {
        "parts": len(inspections),
        "verdicts": {word: verdicts[word] for word in Verdict},
        "plc": plc["plc"],
        "plc_lanes": plc["lanes"],
        "accepted": plc["accepted"],
        "refused": plc["refused"],
        "truth": _truth(inspections, simulator),
        "unanswered": sum(_unanswered(row) for row in inspections),
        "latency_ms": {key: plc["latency_ms"][key] for key in ("p50", "p99")},
        "records": post.records,
        "delivered": post.delivered,
    }


def _unanswered(row: Inspection) -> bool:
    """It waited for a person, and none came."""
    return row.revision > 1 and row.by is By.FAILSAFE


def _truth(inspections: Sequence[Inspection], simulator: SimulatorSettings) -> dict[str, int]:
    defective = {row.part_id: truth_of(simulator, row.part_id).defective for row in inspections}
    passed = [defective[row.part_id] for row in inspections if row.verdict is Verdict.PASS]
    rework = [defective[row.part_id] for row in inspections if row.verdict is Verdict.REWORK]
    return {
        "escapes": sum(passed),
        "overkill": len(rework) - sum(rework),
        "n_defect": sum(defective.values()),
        "n_good": len(defective) - sum(defective.values()),
    }


def problems(result: dict[str, Any], alpha: float | None) -> list[str]:
    """What went wrong, in words; nothing if the demo kept every promise.

    An escape is no broken promise as long as the share of escapes does not refute the model's
    guarantee `alpha` (95 %, exact)."""
    found = [f"the PLC counted {n} {what}" for what, n in result["plc"].items() if n]
    if not result["parts"]:
        found.append("no part was inspected")
    if result["parts"] != result["accepted"]:
        found.append(f"{result['accepted']} parts accepted, {result['parts']} in the ledger")
    if result["truth"]["n_good"] >= 10 and not result["verdicts"]["pass"]:
        found.append(f"{result['truth']['n_good']} good parts came and none passed")
    open_parts = result["parts"] - sum(result["verdicts"].values()) + result["verdicts"]["review"]
    if open_parts:
        found.append(f"{open_parts} parts have no final verdict")
    if result["delivered"] != result["records"]:
        found.append(f"{result['records'] - result['delivered']} records were not delivered")
    truth = result["truth"]
    low, _ = clopper_pearson(truth["escapes"], truth["n_defect"])
    if alpha is not None and low > alpha:
        found.append(f"{truth['escapes']} of {truth['n_defect']} defects passed: over {alpha:.1%}")
    return found


def in_words(result: dict[str, Any]) -> list[str]:
    verdicts, truth, plc = result["verdicts"], result["truth"], result["plc"]
    escape_low, escape_high = clopper_pearson(truth["escapes"], truth["n_defect"])
    kill_low, kill_high = clopper_pearson(truth["overkill"], truth["n_good"])
    counts = ", ".join(f"{n} {what}" for what, n in plc.items())
    latency = result["latency_ms"]
    return [
        f"parts      {result['parts']}: {verdicts['pass']} pass, {verdicts['rework']} rework, "
        f"{result['unanswered']} of them because no person answered",
        f"truth      {truth['escapes']} of {truth['n_defect']} defects passed "
        f"(95 %: {escape_low:.1%} to {escape_high:.1%}); {truth['overkill']} of "
        f"{truth['n_good']} good parts reworked (95 %: {kill_low:.1%} to {kill_high:.1%})",
        f"PLC        {result['accepted']} accepted; {counts}",
        f"latency    {_ms(latency['p50'])} (p50), {_ms(latency['p99'])} (p99), PLC to PLC",
        f"delivered  {result['delivered']} of {result['records']} records at the trainer",
    ]


def _ms(value: float | None) -> str:
    return "no figure" if value is None else f"{value:.1f} ms"
