import math
from collections.abc import Callable

import numpy as np
import pytest

from edge.core.errors import LinegateError
from trainer.judge.band import Costs
from trainer.judge.thresholds import Risk, fit, strongest, weakest


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


def test_without_held_out_good_parts_there_are_no_thresholds() -> None:
    with pytest.raises(LinegateError, match="need held-out good parts"):
        fit([], [0.9], Risk())


# ---- the guarantee itself ----

CALIBRATIONS = 10_000


def broken_share(draw: Callable[[np.random.Generator], np.ndarray], risk: Risk, n: int) -> float:
    """How often, of `n` calibrations, more than alpha of defects pass. Escapes are uniform on the
    steps of `draw`, so the share that scores below a cut is the cut."""
    rng, broken = np.random.default_rng(1), 0
    for _ in range(n):
        cuts = fit([0.0, 1.0], draw(rng).tolist(), risk)
        assert cuts.guarantee is not None
        broken += cuts.pass_below > risk.alpha
    return broken / n


def allowed(delta: float, n: int) -> float:
    return delta + 3 * math.sqrt(delta * (1 - delta) / n)


@pytest.mark.parametrize("steps", [0, 1000, 64, 12], ids=lambda n: f"{n} steps" if n else "smooth")
@pytest.mark.parametrize("n_defects", [59, 100])
def test_ten_thousand_calibrations_keep_the_promise(steps: int, n_defects: int) -> None:
    """Also where int8 scores are few and nearly all defects tie."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        scores = rng.random(n_defects)
        return np.floor(scores * steps) / steps if steps else scores

    risk = Risk(alpha=0.05, delta=0.05, false_rejects=0.1)
    assert broken_share(draw, risk, CALIBRATIONS) <= allowed(risk.delta, CALIBRATIONS)


def test_costs_and_capacity_chosen_on_the_same_parts_keep_the_promise() -> None:
    """Escapes that cost next to nothing pull the cut up, as far as the guarantee lets them."""
    for risk in (Risk(costs=Costs(0.001, 5, 1)), Risk(review_capacity=0.3)):
        share = broken_share(lambda rng: rng.random(60), risk, 1000)
        assert share <= allowed(risk.delta, 1000)


def test_one_defect_too_few_would_break_the_promise() -> None:
    """The harness can fail: the lowest of 40 scores as cut breaks it in 13 of 100."""
    lowest = np.random.default_rng(1).random((CALIBRATIONS, 40)).min(axis=1)
    assert float((lowest > 0.05).mean()) > allowed(0.05, CALIBRATIONS)


# ---- parts with several pictures ----


def test_pictures_of_one_part_are_one_observation() -> None:
    scores = [0.9, 0.2, 0.8] + [0.7] * 57
    parts = ["a", "a", "b"] + [f"p{n}" for n in range(57)]
    lowest = weakest(scores, parts)
    assert lowest[:2] == [0.2, 0.8] and len(lowest) == 59
    assert fit([0.1] * 100, lowest, Risk(alpha=0.05)).guarantee is not None
    ten_parts = [f"p{n % 10}" for n in range(60)]  # sixty pictures carry no more than ten do
    refused = fit([0.1] * 100, weakest(scores, ten_parts), Risk(alpha=0.05))
    assert refused.guarantee is None and "49 more are needed" in (refused.no_guarantee or "")


# ---- good parts left out of the fit ----


def test_good_only_cuts_come_from_good_parts_and_promise_nothing_of_defects() -> None:
    good = [float(np.float32(n / 1000)) for n in range(1, 301)]
    cuts = fit(good, [], Risk())
    assert cuts.guarantee is None
    assert cuts.no_guarantee is not None
    assert "59 more are needed" in cuts.no_guarantee
    assert cuts.false_rejects is not None
    assert (cuts.false_rejects.n_good, cuts.false_rejects.rejected) == (300, 0)
    assert sum(cuts.pass_below <= score for score in good) == 15  # a person sees 5 %


def test_fewer_than_299_good_parts_do_not_carry_one_percent() -> None:
    assert fit([0.1] * 298, [], Risk()).false_rejects is None
    assert fit([0.1] * 299, [], Risk()).false_rejects is not None


def test_good_parts_with_several_pictures_are_counted_once() -> None:
    parts = [f"p{n // 2}" for n in range(298)]
    scores = strongest([0.1, 0.2] * 149, parts)
    assert scores == [0.2] * 149
    assert fit([0.1, 0.2] * 149, [], Risk(), scores).false_rejects is None


def test_no_promise_on_good_parts_above_the_highest_score_there_is() -> None:
    assert fit([1.0] * 400, [], Risk()).false_rejects is None


def test_false_rejects_keep_their_promise() -> None:
    """Good scores are uniform: the share from a cut on is what the cut leaves of 1."""
    rng, broken, n = np.random.default_rng(2), 0, 2000
    for _ in range(n):
        cuts = fit((np.floor(rng.random(70) * 200) / 200).tolist(), [], Risk(false_rejects=0.05))
        assert cuts.false_rejects is not None
        broken += 1 - math.ceil(cuts.rework_from * 200) / 200 > 0.05 + 1e-9
    assert broken / n <= allowed(0.05, n)


def test_costs_without_a_known_defect_are_refused() -> None:
    with pytest.raises(LinegateError, match="59 more are needed"):
        fit([0.1] * 50, [], Risk(costs=Costs(100, 5, 1)))
