"""Cross-validation on made-up scores: figures, the choice, and whether a leak is noticed."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from trainer.data.folds import Sides, sides
from trainer.data.items import DEFECT, GOOD, Item
from trainer.judge import crossval
from trainer.judge.crossval import Candidate
from trainer.judge.evaluate import Scored


def quietly(steps: Sequence[Any], what: str) -> Iterable[Any]:
    return steps


def picture(n: int, label: int) -> Item:
    return Item(f"{n}", "", label, "", None, None, f"{n}", None, "", "", 8, 8, 1, b"")


def fold(auroc: float) -> Scored:
    """Ten good and ten defective pictures of which so many pairs are in order."""
    good = [picture(n, GOOD) for n in range(10)]
    scores = [*range(10), *[9.5] * round(10 * auroc), *[-1.0] * (10 - round(10 * auroc))]
    defects = [picture(n + 10, DEFECT) for n in range(10)]
    return Scored((*good, *defects), np.asarray(scores, np.float32))


def candidate(learner: str, *aurocs: float) -> Candidate:
    return Candidate(learner, tuple(map(fold, aurocs)), 60.0)


class Watch:
    """Ten seconds pass between any two looks."""

    def __init__(self) -> None:
        self.ns = 0

    def monotonic_ns(self) -> int:
        self.ns += 10_000_000_000
        return self.ns

    def now(self) -> Any:
        raise NotImplementedError


# ---- figures ----


def test_every_picture_is_scored_once_by_who_has_not_seen_it() -> None:
    items = [picture(n, int(n >= 20)) for n in range(30)]
    cut = sides(items, 5, 0)
    walked = crossval.walk(items, cut, lambda side: np.float32(side.left_out), quietly)
    said = {item.path: score for one in walked for item, score in zip(*pair(one), strict=True)}
    assert said == {f"{n}": n for n in range(30)}


def pair(scored: Scored) -> tuple[Sequence[Item], Sequence[float]]:
    return scored.items, [float(s) for s in scored.scores]


def test_figures_tell_every_fold_and_the_spread() -> None:
    found = crossval.figures([fold(0.8), fold(1.0), fold(0.9)])
    assert found["auroc"]["each"] == pytest.approx([0.8, 1.0, 0.9])
    assert (found["auroc"]["mean"], found["auroc"]["sd"]) == pytest.approx((0.9, 0.1))
    assert found["auroc"]["min"] == pytest.approx(0.8)
    assert (found["folds"], found["n_good"], found["n_defect"]) == (3, 30, 30)


def test_folds_without_defects_have_no_figures() -> None:
    good = Scored((picture(0, GOOD), picture(1, GOOD)), np.float32([0.1, 0.2]))
    assert crossval.figures([good])["auroc"] is None


def test_table_names_the_fold_of_every_picture() -> None:
    rows = crossval.table([fold(1.0), fold(0.9)]).decode().splitlines()
    assert rows[0] == "path,label,score,part,kind,domain,fold" and len(rows) == 41
    assert rows[1] == "0,0,0.0,0,,,0" and rows[-1].endswith(",1")


def test_only_as_many_folds_as_fit_into_the_time_but_two_at_least() -> None:
    folds = [fold(0.9)] * 5
    assert len(crossval.candidate("deep", iter(folds), Watch(), most_s=30).folds) == 3
    assert len(crossval.candidate("deep", iter(folds), Watch(), most_s=1).folds) == 2
    assert len(crossval.candidate("deep", iter(folds), Watch()).folds) == 5


# ---- choice ----


def test_error_of_a_difference_counts_that_folds_share_their_training_pictures() -> None:
    """Gains .1 .2 .3: sd .1; variance times 1/3 + 1/2."""
    found = crossval.difference([0.5, 0.5, 0.5], [0.6, 0.7, 0.8], k=3)
    assert found.mean == pytest.approx(0.2)
    assert found.error == pytest.approx(0.1 * math.sqrt(1 / 3 + 1 / 2))


@pytest.mark.parametrize(
    ("simple", "costly", "chosen"),
    [
        ([0.8, 0.8, 0.8], [0.9, 1.0, 0.9], "supervised"),
        ([0.9, 0.9, 0.9], [0.9, 0.9, 0.9], "good-only"),  # a tie
        ([0.9, 0.8, 0.7], [0.7, 0.9, 0.9], "good-only"),  # better by less than its error
        ([0.9, 0.9, 0.9], [0.8, 0.8, 0.8], "good-only"),
    ],
)
def test_costly_learner_must_be_better_by_more_than_the_error(
    simple: list[float], costly: list[float], chosen: str
) -> None:
    found = crossval.choose([candidate("good-only", *simple), candidate("supervised", *costly)], 3)
    assert found["learner"] == chosen
    assert [row["learner"] for row in found["rows"]] == ["good-only", "supervised"]


def test_each_costlier_learner_is_held_against_the_best_so_far_on_common_folds() -> None:
    found = crossval.choose(
        [
            candidate("good-only", 0.5, 0.6, 0.5),
            candidate("supervised", 0.9, 0.9, 0.9),
            candidate("deep", 0.9, 0.9),
        ],
        3,
    )
    assert found["learner"] == "supervised"
    assert found["rows"][2]["reason"].startswith("not better than supervised: +0.0000")


# ---- leaks ----


def by_heart(items: Sequence[Item], side: Sides, learnt: Sequence[int]) -> np.ndarray:
    """A learner that says of a picture it has seen what it was told, and guesses about others."""
    known = {n: float(items[n].label or 0) for n in learnt}
    guess = np.random.default_rng(side.fold).random(len(side.left_out)) / 2
    return np.float32([known.get(n, g) for n, g in zip(side.left_out, guess, strict=True)])


def test_labels_without_meaning_give_a_half_and_a_leak_gives_one() -> None:
    labels = np.random.default_rng(1).integers(0, 2, 400)
    items = [picture(n, int(label)) for n, label in enumerate(labels)]
    cut = sides(items, 5, 0)

    def mean(leaky: bool) -> float:
        def scorer(side: Sides) -> np.ndarray:
            return by_heart(items, side, side.left_out if leaky else side.learnt)

        found = crossval.figures(list(crossval.walk(items, cut, scorer, quietly)))
        return float(found["auroc"]["mean"])

    assert mean(leaky=False) == pytest.approx(0.5, abs=0.06) and mean(leaky=True) == 1.0
