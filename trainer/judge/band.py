"""The band between the two cuts: what it costs the line, and how wide persons can afford it.

Every cut that is worth a look lies at a held-out defect's score (the defect no longer passes) or
just above a good part's (the good part still does), so the best one is found by trying them all.
The expected share of coming defects below the (k+1)-th lowest of n held-out scores is
(k+1)/(n+1), and so for good parts at the other end (David & Nagaraja, Order Statistics, 3rd ed.,
2.5): with few parts, a decision without a person is dear.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one wrong or open decision, in any one currency: a defect that passes, a good part that
    the model reworks, a part that a person looks at."""

    escape: float
    reject: float
    review: float


@dataclass(frozen=True, slots=True)
class Line:
    """Held-out scores, ascending, and the share of defects among the line's parts. Without
    held-out defects only good parts are spoken of."""

    good: Floats
    defect: Floats
    defect_rate: float

    @classmethod
    def of(cls, good: Sequence[float], defect: Sequence[float], defect_rate: float) -> "Line":
        return cls(np.sort(np.asarray(good)), np.sort(np.asarray(defect)), defect_rate)

    def cuts(self) -> Floats:
        """All that differ in what they do to the held-out parts, ascending from 0."""
        after_good = np.array([above(score) for score in self.good])
        return np.unique(np.concatenate([[0.0], after_good, self.defect]))

    def below(self, cuts: Floats) -> Floats:
        """The share of the line's parts that scores below each cut."""
        good = np.searchsorted(self.good, cuts) / self.good.size
        if not self.defect.size:
            return good
        defect = np.searchsorted(self.defect, cuts) / self.defect.size
        return self.defect_rate * defect + (1 - self.defect_rate) * good

    def missed(self, cuts: Floats) -> Floats:
        """The expected share of coming defects that passes below each cut."""
        expected = (np.searchsorted(self.defect, cuts) + 1) / (self.defect.size + 1)
        return np.where(cuts > 0, expected, 0.0)  # below 0 there is no score

    def rejected(self, cuts: Floats) -> Floats:
        """The expected share of coming good parts that is reworked from each cut on."""
        n = self.good.size
        return (n - np.searchsorted(self.good, cuts) + 1) / (n + 1)


def above(score: float) -> float:
    """The next float32 above, at most 1: rework starts *from* its cut, and scores are float32."""
    after = 0.0 if math.isinf(score) else float(np.nextafter(np.float32(score), np.float32(2)))
    return min(after, 1.0)


def cost(line: Line, pass_below: float, rework_from: float, costs: Costs) -> float:
    """Expected cost of one part of the line."""
    low, high = np.array([pass_below]), np.array([rework_from])
    return float((_passing(line, low, costs) + _reworking(line, high, costs))[0])


def cheapest(line: Line, limit: float, costs: Costs, capacity: float) -> tuple[float, float]:
    """(pass_below, rework_from) of the least expected cost, with pass_below at most `limit` and at
    most the share `capacity` of the line's parts between them.

    Of equal ones the widest: where nothing known lies, a person looks, and that costs nothing.
    """
    cuts = line.cuts()
    below, passing = line.below(cuts), _passing(line, cuts, costs)
    reworking = _reworking(line, cuts, costs)
    last = int(np.searchsorted(cuts, limit, side="right"))
    best = (math.inf, 0.0, 0.0)
    for place, high in enumerate(cuts):
        first = int(np.searchsorted(below, below[place] - capacity - 1e-12))
        allowed = passing[first : min(place + 1, last)]
        if allowed.size and (total := allowed.min() + reworking[place]) <= best[0]:
            best = (total, float(cuts[first + allowed.argmin()]), float(high))
    return best[1:]


def _passing(line: Line, cuts: Floats, costs: Costs) -> Floats:
    """What depends on pass_below: escapes, less the looks that passing spares."""
    escapes = line.defect_rate * costs.escape * line.missed(cuts)
    return escapes - costs.review * line.below(cuts)


def _reworking(line: Line, cuts: Floats, costs: Costs) -> Floats:
    """What depends on rework_from: looks up to it, and good parts that are reworked."""
    rejects = (1 - line.defect_rate) * costs.reject * line.rejected(cuts)
    return rejects + costs.review * line.below(cuts)


def fitted(
    line: Line, pass_below: float, rework_from: float, capacity: float
) -> tuple[float, float]:
    """The band as wide as `capacity` allows, without letting more parts pass.

    Too wide: it shrinks from above, and the model reworks more good parts. Room left: it grows
    downwards, and fewer defects pass.
    """
    cuts, ends = line.cuts(), np.array([pass_below, rework_from])
    below, (low, high) = line.below(cuts), line.below(ends)
    if high - low > capacity:
        return pass_below, float(cuts[(cuts >= pass_below) & (below - low <= capacity)].max())
    return float(cuts[(cuts <= pass_below) & (high - below <= capacity + 1e-12)].min()), rework_from
