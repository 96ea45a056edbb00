"""Known answers, and the definitions themselves as slow oracles, ties included."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.metrics import (
    Z95,
    Share,
    auroc,
    auroc_interval,
    average_precision,
    percentile,
    recall_at,
    threshold_at,
)

# Few levels, so that ties are the rule.
SCORES = st.lists(st.integers(0, 5).map(lambda n: n / 5), min_size=1, max_size=20)
SHARES = st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.99, 1.0])


# ---- AUROC ----


@pytest.mark.parametrize(
    ("good", "defect", "value"),
    [
        ([0.1, 0.2], [0.8, 0.9], 1.0),
        ([0.8, 0.9], [0.1, 0.2], 0.0),
        ([0.5] * 7, [0.5] * 3, 0.5),
        ([0.1, 0.4], [0.35, 0.8], 0.75),
        ([0.0, 0.5], [0.5, 1.0], 0.875),
        ([0.3], [0.3, 0.3, 0.9], 2 / 3),
    ],
)
def test_auroc_known_answers(good: list[float], defect: list[float], value: float) -> None:
    assert auroc(good, defect) == pytest.approx(value)


@given(SCORES, SCORES)
def test_auroc_is_the_share_of_pairs_in_order(good: list[float], defect: list[float]) -> None:
    won = sum((d > g) + 0.5 * (d == g) for d in defect for g in good)
    assert auroc(good, defect) == pytest.approx(won / (len(good) * len(defect)))


@given(SCORES, SCORES)
def test_auroc_turned_around_is_its_complement(good: list[float], defect: list[float]) -> None:
    assert auroc(good, defect) == pytest.approx(1.0 - auroc(defect, good))


@given(SCORES, SCORES)
def test_only_the_order_of_scores_counts(good: list[float], defect: list[float]) -> None:
    squeezed = [[score**3 / 7 for score in side] for side in (good, defect)]
    assert auroc(*squeezed) == auroc(good, defect)
    assert average_precision(*squeezed) == average_precision(good, defect)


# ---- average precision ----


@pytest.mark.parametrize(
    ("good", "defect", "value"),
    [
        ([0.1], [0.9], 1.0),
        ([0.9], [0.1], 0.5),
        ([0.5] * 7, [0.5] * 3, 0.3),  # one threshold: precision is the share of defects
        ([0.1, 0.4], [0.35, 0.8], 5 / 6),
        ([0.5, 0.2], [0.5, 0.9], 0.5 * 1 + 0.5 * 2 / 3),
        ([], [0.1, 0.2], 1.0),
    ],
)
def test_average_precision_known_answers(
    good: list[float], defect: list[float], value: float
) -> None:
    assert average_precision(good, defect) == pytest.approx(value)


@given(SCORES, SCORES)
def test_average_precision_is_the_sum_over_thresholds(
    good: list[float], defect: list[float]
) -> None:
    total, before = 0.0, 0.0
    for threshold in sorted({*good, *defect}, reverse=True):
        hits = sum(score >= threshold for score in defect)
        alarms = sum(score >= threshold for score in good)
        total += (hits / len(defect) - before) * hits / (hits + alarms)
        before = hits / len(defect)
    assert average_precision(good, defect) == pytest.approx(total)


# ---- recall at a share of false rejects ----


@given(SCORES, SCORES, SHARES)
def test_recall_is_the_best_that_any_threshold_reaches(
    good: list[float], defect: list[float], share: float
) -> None:
    allowed = math.floor(share * len(good) + 1e-9)
    cuts = [cut for cut in (-1.0, *good, *defect) if sum(g > cut for g in good) <= allowed]
    best = max(sum(d > cut for d in defect) for cut in cuts)
    found = recall_at(good, defect, share)
    assert (found.k, found.n) == (best, len(defect))


@given(SCORES, SHARES)
def test_threshold_rejects_no_more_good_parts_than_allowed(good: list[float], share: float) -> None:
    threshold = threshold_at(good, share)
    assert sum(score > threshold for score in good) <= share * len(good) + 1e-9
    lower = max((score for score in good if score < threshold), default=-math.inf)
    if threshold > -math.inf:  # the next lower one would reject too many
        assert sum(score > lower for score in good) > share * len(good) - 1e-9


@pytest.mark.parametrize(
    ("n", "share", "rejected"),
    [(100, 0.01, 1), (99, 0.01, 0), (200, 0.05, 10), (20, 0.05, 1), (19, 0.05, 0), (7, 1.0, 7)],
)
def test_share_of_good_parts_is_rounded_down(n: int, share: float, rejected: int) -> None:
    good = [i / n for i in range(n)]
    assert sum(score > threshold_at(good, share) for score in good) == rejected


def test_defect_that_ties_with_the_threshold_is_not_found() -> None:
    assert recall_at([0.1, 0.7, 0.7], [0.7, 0.8], 0.05).k == 1


# ---- without parts there is no figure ----


def test_empty_side_has_no_figure() -> None:
    assert math.isnan(auroc([], [0.5])) and math.isnan(auroc([0.5], []))
    assert math.isnan(average_precision([0.5], []))
    assert math.isnan(threshold_at([], 0.01))
    assert math.isnan(Share(0, 0).value) and Share(0, 0).interval == (0.0, 1.0)
    assert recall_at([0.5], [], 0.01).n == 0
    assert auroc_interval(0.9, 0, 5) == auroc_interval(0.9, 5, 0) == (0.0, 1.0)


# ---- intervals ----


def test_share_says_its_denominator_and_interval() -> None:
    assert str(Share(4, 20)) == "20.0% (4 of 20; 95 %: 5.7% to 43.7%)"


@pytest.mark.parametrize(("value", "n_good", "n_defect"), [(0.8, 30, 50), (0.97, 200, 12)])
def test_ends_of_the_auroc_interval_are_1_96_errors_away(
    value: float, n_good: int, n_defect: int
) -> None:
    """The variance of Hanley & McNeil 1982 at the mean group size (Newcombe 2006, method 5)."""
    for end in auroc_interval(value, n_good, n_defect):
        n, q1, q2 = (n_good + n_defect) / 2, end / (2 - end), 2 * end**2 / (1 + end)
        variance = end * (1 - end) + (n - 1) * (q1 - end**2) + (n - 1) * (q2 - end**2)
        error = math.sqrt(variance / (n_good * n_defect))
        assert abs(value - end) == pytest.approx(Z95 * error, rel=1e-6)


@given(st.floats(0.0, 1.0), st.integers(1, 500), st.integers(1, 500))
def test_auroc_interval_holds_its_value_and_stays_in_range(
    value: float, n_good: int, n_defect: int
) -> None:
    low, high = auroc_interval(value, n_good, n_defect)
    assert -1e-9 <= low <= value + 1e-9 and value - 1e-9 <= high <= 1 + 1e-9


def test_perfect_score_of_few_parts_is_no_certainty() -> None:
    low, high = auroc_interval(1.0, 20, 20)
    assert 0.8 < low < 0.95 and high == pytest.approx(1.0)
    assert auroc_interval(1.0, 2000, 2000)[0] > low


# ---- percentiles ----


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    # nearest rank: https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method
    [
        ([15, 20, 35, 40, 50], 30, 20),
        ([15, 20, 35, 40, 50], 40, 20),
        ([15, 20, 35, 40, 50], 100, 50),
        ([7], 1, 7),
        ([], 50, None),
    ],
)
def test_percentile_is_nearest_rank(
    values: list[float], percent: float, expected: float | None
) -> None:
    assert percentile(values, percent) == expected
