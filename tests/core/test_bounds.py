"""Known answers, the defining properties, and the guarantee itself by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.bounds import (
    binom_cdf,
    clopper_pearson,
    defects_needed,
    misses_allowed,
    pass_bound,
)

SHARES = st.floats(0.001, 0.999)
MISSES = (0, 1, 2, 5)
# Least n with BinomCDF(k; n, alpha) <= delta: (alpha, delta) -> n for each k of MISSES.
NEEDED = {
    (0.10, 0.10): (22, 38, 52, 91),
    (0.10, 0.05): (29, 46, 61, 103),
    (0.10, 0.01): (44, 64, 81, 127),
    (0.05, 0.10): (45, 77, 105, 184),
    (0.05, 0.05): (59, 93, 124, 208),
    (0.05, 0.01): (90, 130, 165, 259),
    (0.02, 0.10): (114, 194, 265, 462),
    (0.02, 0.05): (149, 236, 313, 523),
    (0.02, 0.01): (228, 330, 418, 652),
    (0.01, 0.10): (230, 388, 531, 926),
    (0.01, 0.05): (299, 473, 628, 1049),
    (0.01, 0.01): (459, 662, 838, 1307),
    (0.005, 0.10): (460, 777, 1063, 1853),
    (0.005, 0.05): (598, 947, 1258, 2100),
    (0.005, 0.01): (919, 1325, 1678, 2618),
    (0.001, 0.10): (2302, 3889, 5321, 9273),
    (0.001, 0.05): (2995, 4742, 6294, 10511),
    (0.001, 0.01): (4603, 6636, 8403, 13105),
}


def exact_cdf(k: int, n: int, p: float) -> float:
    """The sum itself, slow and plain."""
    return math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


# ---- known answers ----


@pytest.mark.parametrize(("alpha", "delta"), NEEDED)
def test_parts_needed_are_those_of_the_exact_binomial(alpha: float, delta: float) -> None:
    found = tuple(defects_needed(alpha, delta, k) for k in MISSES)
    assert found == NEEDED[(alpha, delta)]


def test_no_miss_allowed_follows_the_rule_of_the_logarithm() -> None:
    for alpha, delta in NEEDED:
        assert defects_needed(alpha, delta) == math.ceil(math.log(delta) / math.log1p(-alpha))


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (4, 20, 0.0573, 0.4366),
        (1, 10, 0.0025, 0.4450),
        (5, 6, 0.359, 0.996),
        (6, 6, 0.541, 1.0),
        (0, 10, 0.0, 0.3085),  # 1 - 0.025^(1/10)
    ],
)
def test_clopper_pearson_intervals(k: int, n: int, low: float, high: float) -> None:
    assert clopper_pearson(k, n) == (pytest.approx(low, abs=6e-4), pytest.approx(high, abs=6e-4))


def test_no_defect_in_300_shows_less_than_one_percent_one_sided() -> None:
    """One-sided 95 % is the upper end of the two-sided 90 %."""
    assert clopper_pearson(0, 300, confidence=0.90)[1] == pytest.approx(0.00994, abs=5e-6)


def test_no_escape_in_5990_audited_passes_shows_500_ppm() -> None:
    assert clopper_pearson(0, 5990, confidence=0.90)[1] == pytest.approx(500e-6, rel=1e-3)


@pytest.mark.parametrize(
    ("k", "n", "p", "cdf"),
    [
        (1, 500, 0.01, 0.0398),
        (2, 12, 0.5, 0.0386 / 2),  # McNemar's exact test of 10 against 2, one side
        (0, 5, 0.5, 0.03125),
        (0, 1, 0.3, 0.7),
        (3, 3, 0.9, 1.0),
        (-1, 10, 0.5, 0.0),
        (10, 10, 0.99, 1.0),
    ],
)
def test_binomial_values(k: int, n: int, p: float, cdf: float) -> None:
    assert binom_cdf(k, n, p) == pytest.approx(cdf, abs=5e-5)


# ---- properties ----


@given(st.integers(1, 120), st.data())
def test_binomial_is_the_sum_of_its_terms(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    p = data.draw(SHARES)
    assert binom_cdf(k, n, p) == pytest.approx(exact_cdf(k, n, p), rel=1e-9, abs=1e-12)


@given(st.integers(1, 5000), st.data())
def test_interval_holds_the_share_and_its_ends_leave_the_tails(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    low, high = clopper_pearson(k, n)
    assert 0.0 <= low <= k / n <= high <= 1.0
    if k > 0:
        assert 1.0 - binom_cdf(k - 1, n, low) == pytest.approx(0.025, rel=1e-4)
    if k < n:
        assert binom_cdf(k, n, high) == pytest.approx(0.025, rel=1e-4)


@given(st.integers(0, 400), st.sampled_from(sorted(wish for wish in NEEDED if wish[0] >= 0.02)))
def test_misses_allowed_is_the_largest_number_that_carries(
    n: int, wish: tuple[float, float]
) -> None:
    alpha, delta = wish
    allowed = misses_allowed(n, alpha, delta)
    if allowed is None:
        assert n < defects_needed(alpha, delta)
    else:
        assert (
            defects_needed(alpha, delta, allowed) <= n < defects_needed(alpha, delta, allowed + 1)
        )


@given(st.lists(st.integers(0, 20).map(lambda i: i / 20), max_size=400))
def test_pass_bound_counts_what_lies_strictly_below_it(scores: list[float]) -> None:
    bound = pass_bound(scores, alpha=0.05, delta=0.05)
    if len(scores) < 59:
        assert bound is None
        return
    assert bound is not None
    allowed = misses_allowed(len(scores), 0.05, 0.05)
    assert allowed is not None
    assert bound.n == len(scores)
    assert bound.missed == sum(score < bound.threshold for score in scores) <= allowed
    # The highest such threshold: one more score would pass beyond what is allowed.
    assert sum(score <= bound.threshold for score in scores) > allowed


def test_order_of_the_scores_does_not_matter() -> None:
    scores = list(np.random.default_rng(1).random(300))
    assert pass_bound(scores, 0.01, 0.05) == pass_bound(sorted(scores), 0.01, 0.05)


# ---- refusals ----


def test_too_few_defects_are_refused() -> None:
    assert misses_allowed(298, 0.01, 0.05) is None
    assert pass_bound([0.9] * 298, 0.01, 0.05) is None
    assert pass_bound([], 0.01, 0.05) is None
    assert pass_bound([0.9] * 299, 0.01, 0.05) is not None


def test_thirty_defects_carry_ten_percent_and_no_better() -> None:
    assert misses_allowed(30, 0.10, 0.05) == 0
    assert misses_allowed(30, 0.09, 0.05) is None


def test_no_observation_says_nothing() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "n"), [(3, 2), (-1, 5)])
def test_impossible_share_is_an_error(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        clopper_pearson(k, n)


# ---- the guarantee itself ----

CALIBRATIONS = 10_000


def true_miss_rates(n: int, k: int, seed: int) -> np.ndarray:
    """Scores are uniform, so the threshold of a calibration is also the share of all defects
    that lies below it. `pass_bound` takes the (k+1)-th smallest of n."""
    scores = np.random.default_rng(seed).random((CALIBRATIONS, n))
    return np.partition(scores, k, axis=1)[:, k]


@pytest.mark.parametrize(("alpha", "delta", "k"), [(0.05, 0.05, 0), (0.05, 0.10, 2)])
def test_ten_thousand_calibrations_keep_their_promise(alpha: float, delta: float, k: int) -> None:
    n = defects_needed(alpha, delta, k)
    broken = float((true_miss_rates(n, k, seed=7) > alpha).mean())
    standard_error = math.sqrt(delta * (1 - delta) / CALIBRATIONS)
    assert broken <= delta + 3 * standard_error
    assert broken == pytest.approx(binom_cdf(k, n, alpha), abs=3 * standard_error)


def test_one_defect_too_few_would_break_the_promise() -> None:
    """The same harness on a calibration that must be refused: it can fail."""
    broken = float((true_miss_rates(n=30, k=0, seed=7) > 0.05).mean())
    assert broken > 0.05 + 3 * math.sqrt(0.05 * 0.95 / CALIBRATIONS)


def test_simulated_threshold_is_that_of_pass_bound() -> None:
    scores = np.random.default_rng(7).random((CALIBRATIONS, 93))
    for row, rate in zip(scores[:20], true_miss_rates(93, 1, seed=7)[:20], strict=True):
        bound = pass_bound(row.tolist(), 0.05, 0.05)
        assert bound is not None and bound.threshold == rate
