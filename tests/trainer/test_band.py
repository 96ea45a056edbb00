import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.judge.band import Costs, Line, above, cheapest, cost, fitted
from trainer.judge.thresholds import Risk, fit

GOOD, DEFECT = [0.1] * 90 + [0.5] * 10, [0.5] * 20 + [0.9] * 80
COSTS = Costs(escape=200, reject=5, review=1)

scores = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=1, max_size=25)


def test_shares_are_those_of_the_line_and_not_of_the_held_out_parts() -> None:
    line = Line.of(GOOD, DEFECT, defect_rate=0.02)
    assert line.below(np.array([0.5, 0.9])).tolist() == pytest.approx([0.882, 0.984])


def test_expected_share_of_an_order_statistic_is_one_in_n_plus_one() -> None:
    """Nine held-out defects, none below the cut: one in ten of the coming ones is expected to."""
    line = Line.of([0.1], [0.5] * 9, 0.1)
    assert line.missed(np.array([0.0, 0.3, 0.6])).tolist() == pytest.approx([0, 0.1, 1])
    assert line.rejected(np.array([0.0, 0.6])).tolist() == pytest.approx([1, 0.5])


def test_cost_of_a_part_by_hand() -> None:
    """2 % defects: 1/101 of them escape; in the band 10 % of good parts and 20 % of defects;
    1/101 of good parts is reworked."""
    line = Line.of(GOOD, DEFECT, 0.02)
    by_hand = 0.02 / 101 * 200 + (0.98 * 0.1 + 0.02 * 0.2) * 1 + 0.98 / 101 * 5
    assert cost(line, 0.5, 0.9, COSTS) == pytest.approx(by_hand)


def test_dear_escapes_leave_every_part_to_a_person() -> None:
    low, high = cheapest(Line.of(GOOD, DEFECT, 0.02), 0.5, Costs(20_000, 500, 1), 1.0)
    assert low == 0 and high == 0.9


def test_cheap_reworks_spare_the_persons() -> None:
    """Of these parts none lies in the band."""
    cuts = cheapest(Line.of(GOOD, DEFECT, 0.02), 0.5, Costs(50, 0.5, 1), 1.0)
    assert cuts == (above(0.1), 0.5)


def test_where_nothing_known_lies_a_person_looks() -> None:
    assert cheapest(Line.of([0.1] * 50, [0.9] * 50, 0.02), 0.9, COSTS, 1.0) == (above(0.1), 0.9)


@given(scores, scores, st.floats(0, 1), st.sampled_from([0.0, 0.05, 0.3, 1.0]))
def test_cheapest_cuts_are_the_cheapest_of_all_that_are_allowed(
    good: list[float], defect: list[float], limit: float, capacity: float
) -> None:
    line = Line.of(good, defect, 0.1)
    low, high = cheapest(line, limit, COSTS, capacity)
    cuts = line.cuts()
    below = dict(zip(cuts.tolist(), line.below(cuts).tolist(), strict=True))
    everything = [
        cost(line, a, b, COSTS)
        for a in below
        for b in below
        if a <= min(limit, b) and below[b] - below[a] <= capacity + 1e-9
    ]
    assert low <= high and low <= limit and below[high] - below[low] <= capacity + 1e-9
    assert cost(line, low, high, COSTS) == pytest.approx(min(everything))


def test_band_that_is_too_wide_shrinks_from_above() -> None:
    line = Line.of([n / 100 for n in range(100)], [0.5, 0.99], 0.02)
    low, high = fitted(line, 0.2, 0.9, 0.1)
    assert low == 0.2 and 0.29 <= high <= 0.31


def test_spare_capacity_lets_fewer_parts_pass() -> None:
    line = Line.of([n / 100 for n in range(100)], [0.5, 0.99], 0.02)
    low, high = fitted(line, 0.5, 0.52, 0.1)
    assert high == 0.52 and 0.41 <= low <= 0.43


@given(scores, scores, st.sampled_from([0.0, 0.05, 0.3]))
def test_capacity_is_kept_and_no_more_defects_pass_than_without(
    good: list[float], defect: list[float], capacity: float
) -> None:
    plain, kept = fit(good, defect, Risk()), fit(good, defect, Risk(review_capacity=capacity))
    line = Line.of(good, defect, Risk().defect_rate)
    low, high = line.below(np.array([kept.pass_below, kept.rework_from]))
    assert high - low <= capacity + 1e-9
    assert kept.pass_below <= plain.pass_below
