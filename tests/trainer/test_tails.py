"""Two answers on one scale, and a score that keeps pictures apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.learn import supervised, tails

pytestmark = pytest.mark.torch
VALUES = st.lists(st.floats(-50, 50), min_size=2, max_size=30)


def test_typical_good_part_scores_a_tenth_and_the_oddest_half() -> None:
    logits, distances = np.array([-9.0, -7, -8, -8, -2]), np.array([1.0, 1.1, 0.9, 1, 3])
    blend = tails.balance(logits, distances, 1.0, 0.3)
    odd = blend.head_gain * logits + blend.memory_gain * distances + blend.offset
    assert np.median(tails.squash(odd)) == pytest.approx(0.1)
    assert tails.squash(odd).max() == pytest.approx(0.5)


def test_weights_hold_in_robust_deviations() -> None:
    """MAD 1 against MAD 0.1: a weight of 0.3 gives the distance three times the logit's gain."""
    logits, distances = np.array([-2.0, -1, 0, 1, 2]), np.array([0.8, 0.9, 1, 1.1, 1.2])
    blend = tails.balance(logits, distances, 1.0, 0.3)
    assert blend.memory_gain / blend.head_gain == pytest.approx(3.0)


def test_tail_without_weight_has_no_say() -> None:
    assert tails.balance(np.zeros(1), np.arange(9.0), 0, 1).head_gain == 0


def test_constant_answers_do_not_divide_by_nought() -> None:
    blend = tails.balance(np.full(5, 2.0), np.full(5, 2.0), 1.0, 0.3)
    assert np.isfinite([blend.head_gain, blend.memory_gain, blend.offset]).all()


@given(VALUES)
def test_score_lies_between_nought_and_one_and_keeps_the_order(values: list[float]) -> None:
    odd = np.sort(np.asarray(values))
    score = tails.squash(odd)
    assert (np.diff(score) >= 0).all() and score.min() > 0 and score.max() < 1


def test_float32_keeps_scores_apart_far_out() -> None:
    assert np.unique(tails.squash(np.linspace(-300, 300, 5000))).size == 5000


@pytest.mark.parametrize(
    ("defects", "times"), [(5, 3.0), (20, 3.0), (40, 1.5), (60, 1.0), (999, 1.0)]
)
def test_memory_counts_more_beside_a_head_that_saw_few_defects(defects: int, times: float) -> None:
    assert supervised.memory_counts(defects) == times
