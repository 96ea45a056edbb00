"""Nothing that is left out of a fold reaches a fit."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.data.folds import Sides, sides
from trainer.data.items import DEFECT, GOOD, Item
from trainer.judge import crossval
from trainer.learn import backbone, deep, scorers, supervised
from trainer.learn.features import Cache
from trainer.learn.fit import Fitting
from trainer.learn.samples import Sample

pytestmark = pytest.mark.torch
COPIES = 3


def quietly(steps: Sequence[Any], what: str) -> Iterable[Any]:
    return steps


def painted(rng: np.random.Generator, label: int) -> Sample:
    """Grey (64, 64, 1), with a dark spot if defective."""
    image = rng.normal(120, 4, (64, 64, 1))
    image[20:30, 30:40] -= 60 * label
    return Sample(image.astype(np.uint8), label, None)


class World:
    """Pictures whose features are noise, good ones first, in two folds."""

    def __init__(self, n_good: int, n_defect: int) -> None:
        self.labels = [GOOD] * n_good + [DEFECT] * n_defect
        self.items = [
            Item(f"{n}", "", y, "", None, None, f"{n}", None, "", "", 8, 8, 1, b"")
            for n, y in enumerate(self.labels)
        ]
        self.cut = sides(self.items, 2, 0)

    def cache(self) -> Cache:
        """Three copies of each picture, in an order of their own; they differ a little."""
        rng = np.random.default_rng(3)
        picture = rng.permutation(np.repeat(np.arange(len(self.labels)), COPIES))
        copy = np.asarray([(picture[:row] == n).sum() for row, n in enumerate(picture)])
        maps = rng.normal(0, 1, (len(self.labels), 2, 2, 24))[picture]
        maps = (maps + rng.normal(0, 0.05, maps.shape)).astype(np.float16)
        labels = np.asarray(self.labels)[picture]
        coverage = np.where(labels == DEFECT, np.nan, 0.0)[:, None, None] * np.ones((1, 2, 2))
        return Cache(maps, maps[..., :6], (6,), labels, coverage.astype(np.float32), picture, copy)

    def auroc(self, scorer: crossval.Scorer) -> float:
        walked = crossval.walk(self.items, self.cut, scorer, quietly)
        return float(crossval.figures(list(walked))["auroc"]["mean"])


def test_fit_sees_no_row_of_what_is_left_out_and_scores_come_in_order() -> None:
    world = World(60, 40)
    cache, asked = world.cache(), []

    def fit(cache: Cache, learnt: Any, aside: Any, *rest: Any) -> Any:
        asked.append({*cache.picture[cache.of(learnt)], *cache.picture[cache.of(aside)]})
        return supervised.fit(cache, learnt, aside, *rest)

    settings = supervised.Settings(fitting=Fitting(steps=2))
    score = scorers.scorer(cache, fit, settings)
    for side in world.cut:
        found = score(side)
        assert asked[-1] == {*side.learnt, *side.aside} and not asked[-1] & {*side.left_out}
        turned = Sides(side.fold, side.learnt, side.aside, side.left_out[:1])
        assert score(turned)[0] == pytest.approx(found[0], abs=1e-5)


def test_labels_without_meaning_cannot_be_learnt_unless_a_fold_leaks() -> None:
    world = World(60, 60)
    settings = supervised.Settings(memory_weight=0.0, fitting=Fitting(steps=60, rate=0.01))
    honest = scorers.scorer(world.cache(), supervised.fit, settings)

    def leaky(side: Sides) -> np.ndarray:
        """The planted bug: what is scored was learnt."""
        return honest(Sides(side.fold, side.left_out, side.aside, side.left_out))

    assert world.auroc(honest) == pytest.approx(0.5, abs=0.12)
    assert world.auroc(leaky) > 0.9


def test_synthetic_defects_are_made_of_pictures_of_their_own_fold() -> None:
    world = World(30, 20)
    good = [Sample(np.zeros((4, 4, 1), np.uint8), GOOD, None) for _ in range(30)]
    pools = scorers.pools(good, world.cut)
    assert sorted(id(p) for pool in pools for p in pool) == sorted(map(id, good))
    for side, pool in zip(world.cut, pools, strict=True):
        mine = {id(good[n]) for n in side.left_out if n < 30}
        assert {id(picture) for picture in pool} == mine


def test_fold_of_deep_trains_its_own_layers_and_is_not_done_twice(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    world, rng = World(16, 10), np.random.default_rng(5)
    told = [painted(rng, label) for label in world.labels]
    tails = supervised.Settings(copies=20, fitting=Fitting(steps=2))
    settings = deep.Settings(epochs=1, least_steps=2, tails=tails)
    net = backbone.load(tiny_backbone)
    make = scorers.for_deep(told, world.cut, net, settings, tmp_path, quietly)
    found = make(settings)(world.cut[1])
    assert found.shape == (len(world.cut[1].left_out),) and len(set(found)) > 1
    assert [file.name for file in tmp_path.iterdir()] == ["fold1.npy"]

    again = scorers.for_deep([], world.cut, net, settings, tmp_path, quietly)  # nothing to learn
    assert (again(settings)(world.cut[1]) == found).all()
