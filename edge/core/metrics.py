"""How well scores tell defects from good parts, and percentiles of times.

Higher scores mean more likely defective. NumPy only, ties treated by definition: an untied order
must not be invented.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.core.bounds import clopper_pearson

Z95 = 1.959963984540054


def auroc(good: ArrayLike, defect: ArrayLike) -> float:
    """P(defect scores above good) + P(tie)/2 (Mann & Whitney 1947). NaN if a side is empty."""
    good, defect = _sorted(good), _sorted(defect)
    if not good.size or not defect.size:
        return math.nan
    below = np.searchsorted(good, defect, side="left").sum()
    not_above = np.searchsorted(good, defect, side="right").sum()
    return float((below + not_above) / 2 / (good.size * defect.size))


def average_precision(good: ArrayLike, defect: ArrayLike) -> float:
    """Sum over thresholds of precision x gain in recall; equal scores are one threshold."""
    good, defect = _sorted(good), _sorted(defect)
    if not defect.size:
        return math.nan
    levels = np.unique(defect)[::-1]
    hits = defect.size - np.searchsorted(defect, levels, side="left")
    alarms = good.size - np.searchsorted(good, levels, side="left")
    gains = np.diff(hits, prepend=0) / defect.size
    return float((gains * hits / (hits + alarms)).sum())


def threshold_at(good: ArrayLike, share: float) -> float:
    """The lowest threshold above which (strictly) lie at most `share` of the good scores."""
    good = _sorted(good)
    if not good.size:
        return math.nan
    allowed = math.floor(share * good.size + 1e-9)
    return -math.inf if allowed >= good.size else float(good[good.size - 1 - allowed])


def percentile(values: Collection[float], percent: float) -> float | None:
    """The nearest-rank percentile: the smallest value that `percent` of all do not exceed."""
    if not values:
        return None
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(0, int(rank) - 1)]


@dataclass(frozen=True, slots=True)
class Share:
    """k of n, with its exact 95 % interval."""

    k: int
    n: int

    @property
    def value(self) -> float:
        return self.k / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        return clopper_pearson(self.k, self.n)

    def of_parts(self, n: int) -> tuple[float, float]:
        """The interval, had n independent parts had this share: for several pictures a part."""
        k = self.k * n / self.n if self.n else 0.0
        return clopper_pearson(math.floor(k), n)[0], clopper_pearson(math.ceil(k), n)[1]

    def __str__(self) -> str:
        if not self.n:
            return "unknown (0 of 0)"
        low, high = self.interval
        return f"{self.value:.1%} ({self.k} of {self.n}; 95 %: {low:.1%} to {high:.1%})"


def recall_at(good: ArrayLike, defect: ArrayLike, share: float) -> Share:
    """Defects found when at most `share` of the good parts are rejected (scores above)."""
    scores = _sorted(defect)
    return Share(int((scores > threshold_at(good, share)).sum()), scores.size)


def auroc_interval(value: float, n_good: int, n_defect: int) -> tuple[float, float]:
    """95 % interval of an AUROC that stays honest at 1.0 (Newcombe 2006, method 5)."""
    if not n_good or not n_defect:
        return (0.0, 1.0)
    return (
        _newcombe(value, 0.0, n_good * n_defect, (n_good + n_defect) / 2),
        _newcombe(value, 1.0, n_good * n_defect, (n_good + n_defect) / 2),
    )


def _newcombe(value: float, end: float, pairs: int, mean_n: float) -> float:
    """The truth between `value` and `end` that is 1.96 of its standard errors away: bisection."""
    inside, outside = value, end
    for _ in range(60):
        truth = (inside + outside) / 2
        spread = 2 * mean_n - 1 - (3 * mean_n - 3) / ((2 - truth) * (1 + truth))
        reach = Z95 * math.sqrt(max(truth * (1 - truth) * spread / pairs, 0.0))
        if abs(value - truth) <= reach:
            inside = truth
        else:
            outside = truth
    return (inside + outside) / 2


def _sorted(scores: ArrayLike) -> NDArray[np.float64]:
    return np.sort(np.asarray(scores, dtype=np.float64).ravel())
