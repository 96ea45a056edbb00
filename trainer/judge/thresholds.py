"""Two cuts of the score: below the first a part passes, from the second it is reworked.

The first carries the guarantee "at most alpha of defects pass, with confidence 1-delta", from
held-out defects on the very file that ships: the order statistic of edge/core/bounds.py. Any cut
below that one lets fewer defects pass and keeps the guarantee, however it was chosen: costs and
the time that persons have may lower it, never lift it.

The second keeps false rejects rare. Where the two rules cross, because the scores leave a gap
between good and defective parts, the gap becomes the review band: nothing known lies in it, so
whatever falls there is for a person.

Without held-out defects the cuts come from good parts that were left out of the fit: the same
order statistic from the other end, "at most beta of good parts are reworked". Nothing is known of
escapes then, and that is said.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from edge.core.bounds import defects_needed, pass_bound
from edge.core.errors import LinegateError
from edge.core.manifest import FalseRejects, Guarantee, Thresholds
from edge.core.metrics import threshold_at
from trainer.judge import band
from trainer.judge.band import Costs, Line, above
from trainer.judge.session import runtime

GOOD_ONLY_REVIEW = 0.05  # of good parts that a person sees while no defect is known


@dataclass(frozen=True, slots=True)
class Risk:
    """What the user wants: at most `alpha` escapes at confidence 1-`delta`, and at most
    `false_rejects` of good parts reworked by the model alone.

    With `costs` the cheapest cuts within the guarantee take the place of `false_rejects`. With
    `review_capacity`, the share of parts that persons can look at, the band is made to fit.
    """

    alpha: float = 0.05
    delta: float = 0.05
    false_rejects: float = 0.01
    defect_rate: float = 0.02  # of the line's parts
    review_capacity: float | None = None
    costs: Costs | None = None


def weakest(scores: Sequence[float], parts: Sequence[str]) -> list[float]:
    """The lowest score of each defective part: several pictures of one part are one observation,
    and the guarantee speaks of independent ones."""
    lowest: dict[str, float] = {}
    for score, part in zip(scores, parts, strict=True):
        lowest[part] = min(score, lowest.get(part, score))
    return list(lowest.values())


def strongest(scores: Sequence[float], parts: Sequence[str]) -> list[float]:
    """The highest score of each good part."""
    return [-score for score in weakest([-score for score in scores], parts)]


def fit(
    good: Sequence[float],
    defect: Sequence[float],
    risk: Risk,
    good_parts: Sequence[float] | None = None,
) -> Thresholds:
    """Thresholds from held-out scores, of defects one per part (`weakest`); `good_parts` are those
    of good parts (`strongest`) if they have several pictures each. Raises LinegateError without
    any good part."""
    if not len(good):
        raise LinegateError("thresholds need held-out good parts: val has none; split it again")
    reject = _reject_bound(good if good_parts is None else good_parts, risk)
    if not len(defect):
        return _good_only(good, reject, risk)
    escape = pass_bound(defect, risk.alpha, risk.delta)
    limit = min(defect) if escape is None else escape.threshold
    pass_below, rework_from = _choose(good, defect, limit, risk)
    promise = _promise(defect, pass_below, risk) if escape is not None else None
    return Thresholds(
        pass_below=pass_below,
        rework_from=rework_from,
        guarantee=promise,
        no_guarantee=None if promise else _lacking(len(defect), risk),
        false_rejects=reject.statement(rework_from),
    )


def _choose(
    good: Sequence[float], defect: Sequence[float], limit: float, risk: Risk
) -> tuple[float, float]:
    """Both cuts, the first at most `limit`."""
    line = Line.of(good, defect, risk.defect_rate)
    if risk.costs is not None:
        room = 1.0 if risk.review_capacity is None else risk.review_capacity
        return band.cheapest(line, limit, risk.costs, room)
    low, high = sorted((limit, above(threshold_at(good, risk.false_rejects))))
    if risk.review_capacity is None:
        return low, high
    return band.fitted(line, low, high, risk.review_capacity)


def _good_only(good: Sequence[float], reject: "_RejectBound", risk: Risk) -> Thresholds:
    if risk.costs is not None:
        raise LinegateError(
            "costs cannot be weighed without held-out defects: nobody knows how many would escape. "
            f"{_lacking(0, risk)}"
        )
    high = above(max(good)) if reject.cut is None else reject.cut
    room = GOOD_ONLY_REVIEW if risk.review_capacity is None else risk.review_capacity
    low, high = band.fitted(Line.of(good, [], 0.0), high, high, room)
    return Thresholds(
        pass_below=low,
        rework_from=high,
        no_guarantee=_lacking(0, risk),
        false_rejects=reject.statement(high),
    )


@dataclass(frozen=True, slots=True)
class _RejectBound:
    """From `cut` on at most `beta` of good parts lie, with confidence 1-`delta`; None: too few."""

    beta: float
    delta: float
    scores: Sequence[float]
    cut: float | None

    def statement(self, rework_from: float) -> FalseRejects | None:
        """What holds for a cut, if it lies no lower than the one that carries it."""
        if self.cut is None or rework_from < self.cut:
            return None
        rejected = sum(score >= rework_from for score in self.scores)
        return FalseRejects(
            beta=self.beta, delta=self.delta, n_good=len(self.scores), rejected=rejected
        )


def _reject_bound(good_parts: Sequence[float], risk: Risk) -> _RejectBound:
    """The order statistic of `pass_bound`, seen from above. No cut lies above a score of 1."""
    bound = pass_bound([-score for score in good_parts], risk.false_rejects, risk.delta)
    cut = None if bound is None or bound.threshold <= -1 else above(-bound.threshold)
    return _RejectBound(risk.false_rejects, risk.delta, good_parts, cut)


def _promise(defect: Sequence[float], pass_below: float, risk: Risk) -> Guarantee:
    return Guarantee(
        alpha=risk.alpha,
        delta=risk.delta,
        n_defects=len(defect),
        missed=sum(score < pass_below for score in defect),
        runtime=runtime(),
        architecture=platform.machine(),
    )


def _lacking(n_defects: int, risk: Risk) -> str:
    needed = defects_needed(risk.alpha, risk.delta)
    return (
        f"{n_defects} held-out defective parts cannot show that at most {risk.alpha:.1%} of "
        f"defects pass at {1 - risk.delta:.0%} confidence: {needed - n_defects} more are needed "
        f"({needed} in all, if none is missed)"
    )
