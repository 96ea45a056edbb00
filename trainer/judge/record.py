"""What a run keeps of its thresholds: the wish, the cuts, and what they do, with intervals."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

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
        "domains": [] if domain else outcome.by_domain(table, cuts, risk),
    }
    judged = exam(table, cuts, risk)
    if judged["parity"] is None:  # then what the run knew stays
        del judged["parity"]
    return found | judged


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
