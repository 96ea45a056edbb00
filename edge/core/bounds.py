"""No claim without n: exact binomial bounds and the threshold that carries a guarantee.

Formulas: Clopper & Pearson 1934; the incomplete beta function by Lentz's continued fraction
(Numerical Recipes, 3rd ed., 6.4). SciPy would do, but costs the box 98 MB.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


def binom_cdf(k: int, n: int, p: float) -> float:
    """P(X <= k) for X ~ Binomial(n, p)."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    return _incomplete_beta(n - k, k + 1, 1.0 - p)


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided exact interval of a share, k of n. Without observations: (0, 1)."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share")
    if n == 0:
        return (0.0, 1.0)
    tail = (1.0 - confidence) / 2.0
    lower = 0.0 if k == 0 else _beta_quantile(tail, k, n - k + 1)
    upper = 1.0 if k == n else _beta_quantile(1.0 - tail, k + 1, n - k)
    return (lower, upper)


def misses_allowed(n: int, alpha: float, delta: float) -> int | None:
    """The most misses among n defects that still show a miss rate <= alpha at confidence
    1-delta; None if even no miss would not."""
    if binom_cdf(0, n, alpha) > delta:
        return None
    k = 0
    while binom_cdf(k + 1, n, alpha) <= delta:
        k += 1
    return k


def defects_needed(alpha: float, delta: float, misses: int = 0) -> int:
    """The least number of defects that carries the guarantee with so many misses."""
    n = max(misses + 1, math.ceil(math.log(delta) / math.log1p(-alpha)))
    while binom_cdf(misses, n, alpha) > delta:
        n += 1
    return n


@dataclass(frozen=True, slots=True)
class PassBound:
    """Pass strictly below `threshold`: P(more than alpha of defects pass) <= delta."""

    threshold: float
    missed: int
    n: int


def pass_bound(defect_scores: Sequence[float], alpha: float, delta: float) -> PassBound | None:
    """The highest threshold that carries the guarantee, by the order statistic of the scores of
    independent, unselected defects; None if there are too few of them.

    With k misses allowed the threshold is the (k+1)-th smallest score: ties fall on the rework
    side. Among n defects `missed` scores lie strictly below it.
    """
    allowed = misses_allowed(len(defect_scores), alpha, delta)
    if allowed is None:
        return None
    ordered = sorted(defect_scores)
    threshold = ordered[allowed]
    return PassBound(threshold, sum(score < threshold for score in ordered), len(ordered))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised I_x(a, b)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _incomplete_beta(b, a, 1.0 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front += a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) * _continued_fraction(a, b, x) / a


def _continued_fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0), tiny)
    total = d
    for m in range(1, 10_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d = 1.0 / _away(1.0 + numerator * d, tiny)
            c = _away(1.0 + numerator / c, tiny)
            total *= c * d
        if abs(c * d - 1.0) < 1e-15:
            return total
    raise ArithmeticError(f"incomplete beta of a={a}, b={b}, x={x} does not converge")


def _away(value: float, tiny: float) -> float:
    return tiny if abs(value) < tiny else value


def _beta_quantile(p: float, a: float, b: float) -> float:
    """Bisection: 60 halvings are exact to the last digits that matter, and cannot diverge."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if _incomplete_beta(a, b, middle) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
