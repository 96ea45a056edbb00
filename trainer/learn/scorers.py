"""What a cross-validation asks of a learner: learn from one side of a fold, score the other.

The pictures are all looked at once, with their copies; a fold then only fits. Two things are
common to all folds, and neither knows a label: the int8 ranges, and the backbone.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator

from trainer.data.folds import Sides
from trainer.data.items import GOOD
from trainer.judge.crossval import Scorer
from trainer.learn import deep, good_only, supervised, tails
from trainer.learn.backbone import Backbone
from trainer.learn.features import Cache, Floats, Make
from trainer.learn.samples import Sample
from trainer.learn.tails import Tails
from trainer.track import Track

S = TypeVar("S", good_only.Settings, supervised.Settings)
Fit = Callable[[Cache, Sequence[int], Sequence[int], S, Generator, Track], Tails]


def for_supervised(
    pictures: Sequence[Sample],
    cut: Sequence[Sides],
    backbone: Backbone,
    settings: supervised.Settings,
    work: Path,
    track: Track,
) -> Callable[[supervised.Settings], Scorer]:
    """Scorers that share one cache, by the settings of their fit."""
    rng = np.random.default_rng(settings.seed)
    _, cache = supervised.look(pictures, (), backbone, settings, rng, work, track)
    return lambda knobs: scorer(cache, supervised.fit, knobs)


def for_good_only(
    pictures: Sequence[Sample],
    cut: Sequence[Sides],
    backbone: Backbone,
    settings: good_only.Settings,
    work: Path,
    track: Track,
) -> Callable[[good_only.Settings], Scorer]:
    """As for `supervised`; the pictures begin with the good ones, the only ones to learn from."""
    rng = np.random.default_rng(settings.seed)
    n_good = sum(picture.label == GOOD for picture in pictures)
    good, rest = pictures[:n_good], pictures[n_good:]
    make, least = _maker(good, cut, settings), min(_among(sides.learnt, n_good) for sides in cut)
    planned = replace(settings, good=min(settings.good or least, least))
    _, cache = good_only.look(good, rest, make, backbone, planned, rng, work, track)

    def fit(
        cache: Cache,
        learnt: Sequence[int],
        aside: Sequence[int],
        settings: good_only.Settings,
        rng: Generator,
        track: Track,
    ) -> Tails:
        drawn = good_only.draw([n for n in learnt if n < n_good], settings.good, rng)
        return good_only.fit(cache, drawn, aside, settings, rng, track)

    return lambda knobs: scorer(cache, fit, knobs)


def for_deep(
    pictures: Sequence[Sample],
    cut: Sequence[Sides],
    backbone: Backbone,
    settings: deep.Settings,
    work: Path,
    track: Track,
) -> Callable[[deep.Settings], Scorer]:
    """Here every fold trains a backbone of its own, and looks through it: minutes per fold. What
    is done lies in `work`, for a run that is gone on with."""

    def prepared(settings: deep.Settings) -> Scorer:
        def score(sides: Sides) -> Floats:
            place, said = work / f"fold{sides.fold}", work / f"fold{sides.fold}.npy"
            if said.exists():
                return np.asarray(np.load(said), dtype=np.float32)
            place.mkdir(exist_ok=True)
            parts = (sides.learnt, sides.aside, sides.left_out)
            learnt, aside, left_out = ([pictures[n] for n in part] for part in parts)
            found = _deep(learnt, aside, left_out, backbone, settings, place)
            part = work / f"fold{sides.fold}.part.npy"
            np.save(part, found)
            part.replace(said)
            shutil.rmtree(place)
            return found

        return score

    return prepared


def _deep(
    learnt: Sequence[Sample],
    aside: Sequence[Sample],
    left_out: Sequence[Sample],
    backbone: Backbone,
    settings: deep.Settings,
    place: Path,
) -> Floats:
    own = deep.tune(learnt, backbone, settings, place, silently)
    rng, rest = np.random.default_rng(settings.seed), [*aside, *left_out]
    _, cache = supervised.look(learnt, rest, own.net, settings.tails, rng, place, silently)
    first, then, end = np.cumsum([len(learnt), len(aside), len(left_out)])
    sides = range(first), range(first, then)
    fitted = supervised.fit(cache, *sides, settings.tails, rng, silently, own.head)
    return _scores(fitted, cache, range(then, end))


def scorer(cache: Cache, fit: Fit[S], settings: S) -> Scorer:
    """Fits to the rows of what is learnt; scores what is left out as it was taken."""

    def score(sides: Sides) -> Floats:
        rng = np.random.default_rng([settings.seed, sides.fold])
        fitted = fit(cache, sides.learnt, sides.aside, settings, rng, silently)
        return _scores(fitted, cache, sides.left_out)

    return score


def _scores(fitted: Tails, cache: Cache, pictures: Sequence[int]) -> Floats:
    """Of pictures as they were taken, in their order."""
    rows = cache.of(pictures, as_taken=True)
    return tails.scores(fitted, cache, rows[np.argsort(cache.picture[rows])])


def silently(steps: Sequence[Any], what: str) -> Iterable[Any]:
    """The bar of the folds is the one that is shown."""
    return steps


def _maker(good: Sequence[Sample], cut: Sequence[Sides], settings: good_only.Settings) -> Make:
    """Synthetic defects take what they need from pictures of their own fold only: else pieces of
    a picture that is left out would be learnt as defective."""
    makers: dict[int, Make] = {}
    for mates in pools(good, cut):
        makers |= dict.fromkeys(map(id, mates), good_only.maker(mates, settings))
    return lambda sample, copy, rng: makers.get(id(sample), _as_taken)(sample, copy, rng)


def pools(good: Sequence[Sample], cut: Sequence[Sides]) -> list[list[Sample]]:
    """The good pictures by fold; they come first of all that are cut."""
    return [[good[n] for n in sides.left_out if n < len(good)] for sides in cut]


def _among(chosen: Sequence[int], first: int) -> int:
    return sum(n < first for n in chosen)


def _as_taken(sample: Sample, copy: int, rng: Generator) -> Sample:
    return sample


FACTORIES: Mapping[str, Callable[..., Callable[[Any], Scorer]]] = {
    "good-only": for_good_only,
    "supervised": for_supervised,
    "deep": for_deep,
}
