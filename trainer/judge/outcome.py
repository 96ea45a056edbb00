"""What thresholds do to parts, with intervals, as it is and per domain."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge.core.bounds import clopper_pearson
from edge.core.manifest import Thresholds
from edge.core.metrics import Share
from trainer.judge import scores, thresholds
from trainer.judge.scores import Row
from trainer.judge.thresholds import Risk


@dataclass(frozen=True, slots=True)
class LineShare:
    """A share of the line's parts, from its shares among held-out good and defective ones: these
    are not mixed as the line mixes them."""

    good: Share
    defect: Share
    defect_rate: float

    @property
    def value(self) -> float:
        """Of good parts alone where no defect was held out."""
        if not self.defect.n:
            return self.good.value
        return self.defect_rate * self.defect.value + (1 - self.defect_rate) * self.good.value

    @property
    def interval(self) -> tuple[float, float]:
        """At least 95 %: both exact intervals at 97.5 % hold together (Bonferroni)."""
        good, defect = (clopper_pearson(s.k, s.n, 0.975) for s in (self.good, self.defect))
        low, high = (
            self.defect_rate * d + (1 - self.defect_rate) * g
            for g, d in zip(good, defect, strict=True)
        )
        return low, high

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.value:.1%} (95 %: {low:.1%} to {high:.1%}, at {self.defect_rate:.1%} defects; "
            f"{self.good.k} of {self.good.n} good, {self.defect.k} of {self.defect.n} defective)"
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Shares with their intervals."""

    escapes: Share  # defective parts that pass
    overkill: Share  # good parts that are reworked without a person
    review: LineShare  # of the line's parts: a person must see them

    def figures(self) -> dict[str, Any]:
        """For machines: value (None where nothing was counted) and interval of each."""
        found = {}
        for name in self.__slots__:
            share: Share | LineShare = getattr(self, name)
            value = None if math.isnan(share.value) else share.value
            found[name] = {"value": value, "interval": list(share.interval)}
        return found

    def words(self) -> dict[str, str]:
        return {name: str(getattr(self, name)) for name in self.__slots__}


def outcome(table: Sequence[Row], cuts: Thresholds, defect_rate: float) -> Outcome:
    """What the cuts do to these parts."""
    good, defect = parts(table)
    return Outcome(
        escapes=Share(sum(s < cuts.pass_below for s in defect), len(defect)),
        overkill=Share(sum(s >= cuts.rework_from for s in good), len(good)),
        review=LineShare(_between(good, cuts), _between(defect, cuts), defect_rate),
    )


def parts(table: Sequence[Row]) -> tuple[list[float], list[float]]:
    """One score of each good and of each defective part: of several pictures of it, the one that
    speaks against the model. Only parts are independent, so only they are counted."""
    good, defect = scores.good(table), scores.defective(table)
    return (
        thresholds.strongest([row.score for row in good], [row.part for row in good]),
        thresholds.weakest([row.score for row in defect], [row.part for row in defect]),
    )


def _between(values: Sequence[float], cuts: Thresholds) -> Share:
    return Share(sum(cuts.pass_below <= s < cuts.rework_from for s in values), len(values))


def fit(table: Sequence[Row], risk: Risk, domain: str | None = None) -> Thresholds:
    """Thresholds from held-out rows, or from those of one domain."""
    chosen = scores.of_domain(table, domain)
    good, defect = parts(chosen)
    pictures = [row.score for row in scores.good(chosen)]
    cuts = thresholds.fit(pictures, defect, risk, good)
    return cuts.model_copy(update={"domain": domain})


def by_domain(table: Sequence[Row], cuts: Thresholds, risk: Risk) -> list[dict[str, Any]]:
    """What the run's cuts do in each domain, and what cuts of its own would do there, on the same
    parts; nothing where there are not several domains with good parts."""
    names = [n for n in scores.domains(table) if scores.good(scores.of_domain(table, n))]
    if len(names) < 2:
        return []
    found = []
    for name in names:
        chosen, own = scores.of_domain(table, name), fit(table, risk, name)
        good, defect = parts(chosen)
        found.append(
            {
                "domain": name,
                "n_good": len(good),
                "n_defect": len(defect),
                "thresholds": own.model_dump(mode="json"),
                "with_the_runs": _effect(chosen, cuts, risk),
                "with_its_own": _effect(chosen, own, risk),
            }
        )
    return found


def _effect(table: Sequence[Row], cuts: Thresholds, risk: Risk) -> dict[str, float | None]:
    """Shares: good parts that pass alone, defects that are reworked alone, and the outcome."""
    good, defect = parts(table)
    shares = {
        "good_passed": Share(sum(s < cuts.pass_below for s in good), len(good)),
        "defects_reworked": Share(sum(s >= cuts.rework_from for s in defect), len(defect)),
    }
    plain = {name: share.value if share.n else None for name, share in shares.items()}
    figures = outcome(table, cuts, risk.defect_rate).figures()
    return plain | {name: figure["value"] for name, figure in figures.items()}
