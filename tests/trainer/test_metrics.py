"""Known answers, and the definitions themselves as slow oracles."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.judge import metrics

SCORES = st.lists(st.integers(0, 6).map(lambda n: n / 6), min_size=1, max_size=25)


def test_perfect_order_is_one_and_reversed_zero() -> None:
    assert metrics.auroc([0.1, 0.2], [0.8, 0.9]) == 1.0
    assert metrics.auroc([0.8, 0.9], [0.1, 0.2]) == 0.0


def test_all_scores_equal_is_a_coin() -> None:
    assert metrics.auroc([0.5] * 7, [0.5] * 3) == 0.5
    assert metrics.average_precision([0.5] * 7, [0.5] * 3) == pytest.approx(0.3)


def test_textbook_example() -> None:
    """scikit-learn's own: y = 0 0 1 1, scores = .1 .4 .35 .8: AUROC .75, AP .8333."""
    assert metrics.auroc([0.1, 0.4], [0.35, 0.8]) == 0.75
    assert metrics.average_precision([0.1, 0.4], [0.35, 0.8]) == pytest.approx(0.8333333)


@given(good=SCORES, defect=SCORES)
def test_auroc_is_the_share_of_pairs_in_order(good: list[float], defect: list[float]) -> None:
    pairs = [(d > g) + 0.5 * (d == g) for d in defect for g in good]
    assert metrics.auroc(good, defect) == pytest.approx(sum(pairs) / len(pairs))


@given(good=SCORES, defect=SCORES)
def test_average_precision_is_the_sum_over_thresholds(
    good: list[float], defect: list[float]
) -> None:
    total, recall_before = 0.0, 0.0
    for threshold in sorted({*good, *defect}, reverse=True):
        hits = sum(score >= threshold for score in defect)
        alarms = sum(score >= threshold for score in good)
        recall = hits / len(defect)
        total += (recall - recall_before) * hits / (hits + alarms)
        recall_before = recall
    assert metrics.average_precision(good, defect) == pytest.approx(total)


@given(good=SCORES, defect=SCORES, share=st.sampled_from([0.0, 0.01, 0.05, 0.2, 0.5, 1.0]))
def test_recall_never_rejects_more_good_parts_than_allowed(
    good: list[float], defect: list[float], share: float
) -> None:
    threshold = metrics.threshold_at(good, share)
    assert sum(score > threshold for score in good) <= share * len(good) + 1e-9
    found = metrics.recall_at(good, defect, share)
    levels = [-math.inf, *good]
    allowed = [t for t in levels if sum(g > t for g in good) <= share * len(good) + 1e-9]
    assert found.k == max(sum(d > t for d in defect) for t in allowed)


def test_one_percent_of_a_hundred_good_parts_is_one() -> None:
    good = np.arange(100) / 100  # 0.99 may be rejected, 0.98 not
    assert metrics.threshold_at(good, 0.01) == 0.98
    assert metrics.recall_at(good, [0.98, 0.985], 0.01).k == 1


def test_ties_at_the_threshold_are_not_found() -> None:
    assert metrics.recall_at([0.1, 0.7, 0.7], [0.7, 0.8], 0.05).k == 1


def test_empty_side_has_no_auroc() -> None:
    assert math.isnan(metrics.auroc([], [0.5]))


def test_share_carries_its_exact_interval() -> None:
    """4 of 20: .0573 to .4366 (Clopper & Pearson 1934)."""
    share = metrics.Share(4, 20)
    assert share.interval == (pytest.approx(0.0573, abs=1e-4), pytest.approx(0.4366, abs=1e-4))
    assert "4 of 20" in str(share)


def test_auroc_interval_stays_honest_at_one() -> None:
    low, high = metrics.auroc_interval(1.0, 20, 20)
    assert 0.8 < low < 0.95 and high == pytest.approx(1.0)
    wide, narrow = (metrics.auroc_interval(0.9, n, n) for n in (20, 200))
    assert wide[0] < narrow[0] < 0.9 < narrow[1] < wide[1]


def test_auroc_interval_ends_where_the_truth_is_1_96_errors_away() -> None:
    """The defining equation, with the variance of Hanley & McNeil 1982 at the mean group size."""
    for end in metrics.auroc_interval(0.8, 30, 50):
        n, q1, q2 = 40, end / (2 - end), 2 * end**2 / (1 + end)
        variance = end * (1 - end) + (n - 1) * (q1 - end**2) + (n - 1) * (q2 - end**2)
        assert abs(0.8 - end) == pytest.approx(metrics.Z95 * math.sqrt(variance / 1500), rel=1e-6)
