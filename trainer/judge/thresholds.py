"""Two cuts of the score: below the first a part passes, from the second it is reworked.

The first carries the guarantee "at most alpha of defects pass, with confidence 1-delta", from
held-out defects on the very file that ships. The second keeps false rejects rare. Where the two
rules cross, because the scores leave a gap between good and defective parts, the gap becomes the
review band: nothing known lies in it, so whatever falls there is for a person.
"""

import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.core.bounds import defects_needed, pass_bound
from edge.core.errors import LinegateError
from edge.core.manifest import Guarantee, Thresholds
from edge.core.metrics import threshold_at
from trainer.judge.session import runtime


@dataclass(frozen=True, slots=True)
class Risk:
    """What the user wants: at most `alpha` escapes at confidence 1-`delta`, and at most
    `false_rejects` of good parts reworked by the model alone."""

    alpha: float = 0.05
    delta: float = 0.05
    false_rejects: float = 0.01


def weakest(scores: Sequence[float], parts: Sequence[str]) -> list[float]:
    """The lowest score of each defective part: several pictures of one part are one observation,
    and the guarantee speaks of independent ones."""
    lowest: dict[str, float] = {}
    for score, part in zip(scores, parts, strict=True):
        lowest[part] = min(score, lowest.get(part, score))
    return list(lowest.values())


def fit(good: Sequence[float], defect: Sequence[float], risk: Risk) -> Thresholds:
    """Thresholds from held-out scores, of defects one per part (`weakest`). Raises LinegateError
    without any good part or defect."""
    if not len(good) or not len(defect):
        raise LinegateError(
            f"thresholds need held-out parts: val has {len(good)} good and {len(defect)} "
            "defective ones; split the data again"
        )
    bound = pass_bound(defect, risk.alpha, risk.delta)
    escape_cut = min(defect) if bound is None else bound.threshold
    reject_cut = _above(threshold_at(good, risk.false_rejects))
    pass_below, rework_from = sorted((escape_cut, reject_cut))
    if bound is None:
        return Thresholds(
            pass_below=pass_below, rework_from=rework_from, no_guarantee=_lacking(defect, risk)
        )
    guarantee = Guarantee(
        alpha=risk.alpha,
        delta=risk.delta,
        n_defects=len(defect),
        missed=sum(score < pass_below for score in defect),
        runtime=runtime(),
        architecture=platform.machine(),
    )
    return Thresholds(pass_below=pass_below, rework_from=rework_from, guarantee=guarantee)


def _above(score: float) -> float:
    """The next float32 above: rework starts *from* its threshold, and scores are float32."""
    above = 0.0 if math.isinf(score) else float(np.nextafter(np.float32(score), np.float32(2)))
    return min(above, 1.0)


def _lacking(defect: Sequence[float], risk: Risk) -> str:
    needed = defects_needed(risk.alpha, risk.delta)
    return (
        f"{len(defect)} held-out defects cannot show that at most {risk.alpha:.1%} of defects "
        f"pass at {1 - risk.delta:.0%} confidence: {needed - len(defect)} more are needed "
        f"({needed} in all, if none is missed)"
    )
