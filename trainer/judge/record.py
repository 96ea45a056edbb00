"""What a run keeps of its thresholds: the wish, the cuts, and what they do, with intervals."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edge.core.bounds import defects_needed
from edge.core.manifest import Thresholds
from trainer.judge import band, outcome, parity, scores
from trainer.judge.band import Costs, Line
from trainer.judge.scores import Row
from trainer.judge.thresholds import Risk


def thresholds(table: Sequence[Row], risk: Risk, domain: str | None = None) -> dict[str, Any]:
    """Set the cuts on held-out rows and say what they do there."""
    cuts = outcome.fit(table, risk, domain)
    found = {
        "thresholds": cuts.model_dump(mode="json"),
        "risk": asdict(risk),
        "no_reject_promise": no_reject_promise(table, cuts, risk),
        "domains": [] if domain else outcome.by_domain(table, cuts, risk),
    }
    judged = exam(table, cuts, risk)
    if judged["parity"] is None:  # then what the run knew stays
        del judged["parity"]
    return found | judged


def no_reject_promise(table: Sequence[Row], cuts: Thresholds, risk: Risk) -> str | None:
    """Why no share of false rejects is promised, and how many more good parts it takes."""
    if cuts.false_rejects is not None:
        return None
    n = len({row.part for row in scores.good(scores.of_domain(table, cuts.domain))})
    needed = defects_needed(risk.false_rejects, risk.delta)  # the same rule, seen from above
    promise = f"{risk.false_rejects:.1%} at {1 - risk.delta:.0%} confidence"
    if n < needed:
        return f"{n} held-out good parts; {needed - n} more would carry {promise}"
    return f"rework begins lower than {n} held-out good parts would carry {promise}"


def exam(table: Sequence[Row], cuts: Thresholds, risk: Risk) -> dict[str, Any]:
    """What the cuts do to the parts that they are meant for, and where int8 and float differ. Old
    tables know no float scores: then `parity` is None."""
    chosen = scores.of_domain(table, cuts.domain)
    found = outcome.outcome(chosen, cuts, risk.defect_rate)
    compared = parity.parity(chosen, cuts)
    return {
        "domain": cuts.domain,
        "outcome": found.words(),
        "shares": found.figures(),
        "cost": cost(chosen, cuts, risk),
        "parity": None if compared is None else compared.model_dump(mode="json"),
        "parity_kinds": parity.by_kind(chosen, cuts),
    }


def risk_of(results: dict[str, Any]) -> Risk:
    """The wish that a run's thresholds were set for; runs of older versions kept none."""
    kept = dict(results.get("risk", {}))
    costs = kept.pop("costs", None)
    return Risk(**kept, costs=Costs(**costs) if costs else None)


def cost(table: Sequence[Row], cuts: Thresholds, risk: Risk) -> float | None:
    """Expected cost of a part of the line, if costs were given."""
    if risk.costs is None:
        return None
    good, defect = ([r.score for r in side(table)] for side in (scores.good, scores.defective))
    line = Line.of(good, defect, risk.defect_rate)
    return band.cost(line, cuts.pass_below, cuts.rework_from, risk.costs)
