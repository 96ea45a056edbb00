import numpy as np
import pytest

from edge.core.errors import LinegateError
from trainer.judge.thresholds import Risk, fit, weakest


def test_enough_defects_carry_the_guarantee() -> None:
    """473 defects allow one miss at 1 % and 95 %: the cut is the second lowest score."""
    defect = list(np.linspace(0.2, 0.9, 473))
    cuts = fit([0.01] * 50 + [0.5] * 50, defect, Risk(alpha=0.01))
    assert cuts.pass_below == defect[1]
    assert cuts.guarantee is not None
    assert (cuts.guarantee.n_defects, cuts.guarantee.missed) == (473, 1)


def test_too_few_defects_are_refused_with_the_number_that_is_missing() -> None:
    cuts = fit([0.1] * 100, [0.5] * 40, Risk(alpha=0.05))
    assert cuts.guarantee is None
    assert cuts.no_guarantee is not None and "19 more are needed (59 in all" in cuts.no_guarantee
    assert cuts.pass_below <= 0.5  # even so, none of the known defects passes


def test_rework_starts_above_all_but_the_allowed_good_parts() -> None:
    good = [float(np.float32(n / 1000)) for n in range(200)]  # 1 % are two: 0.199 and 0.198
    cuts = fit(good, [0.05] * 10 + [0.9] * 90, Risk(alpha=0.05, false_rejects=0.01))
    assert sum(score >= cuts.rework_from for score in good) == 2


def test_gap_between_good_and_defective_becomes_the_review_band() -> None:
    cuts = fit([0.1] * 100, [0.9] * 100, Risk())
    assert 0.1 < cuts.pass_below < 0.11
    assert cuts.rework_from == 0.9
    assert cuts.guarantee is not None and cuts.guarantee.missed == 0


def test_overlap_leaves_the_guarantee_its_place() -> None:
    good, defect = [0.1] * 98 + [0.8] * 2, [0.3] * 50 + [0.9] * 50
    cuts = fit(good, defect, Risk(alpha=0.05))
    assert cuts.pass_below == 0.3 and cuts.rework_from > 0.8 - 1e-6


def test_without_held_out_defects_there_are_no_thresholds() -> None:
    with pytest.raises(LinegateError, match="0 defective"):
        fit([0.1], [], Risk())


def test_guarantee_holds_in_nineteen_of_twenty_draws() -> None:
    """The statement itself: over many draws the shipped cut lets more than alpha pass in at most
    a share delta of them."""
    rng, broken = np.random.default_rng(1), 0
    for _ in range(400):
        cuts = fit([0.0] * 50, list(rng.random(100)), Risk(alpha=0.05, false_rejects=0.5))
        broken += cuts.rework_from > 0.05  # escapes are uniform: P(score < cut) = cut
    assert broken / 400 <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5


def test_pictures_of_one_part_are_one_observation() -> None:
    scores = [0.9, 0.2, 0.8] + [0.7] * 57
    parts = ["a", "a", "b"] + [f"p{n}" for n in range(57)]
    lowest = weakest(scores, parts)
    assert lowest[:2] == [0.2, 0.8] and len(lowest) == 59
    assert fit([0.1] * 100, lowest, Risk(alpha=0.05)).guarantee is not None
    ten_parts = [f"p{n % 10}" for n in range(60)]  # sixty pictures carry no more than ten do
    refused = fit([0.1] * 100, weakest(scores, ten_parts), Risk(alpha=0.05))
    assert refused.guarantee is None and "49 more are needed" in (refused.no_guarantee or "")
