"""Learner `good-only`: from good pictures alone, for a line that has shown no defect yet.

A memory of good parts; from some 50 good pictures on, a head beside it that was taught on
synthetic defects.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from onnx import ModelProto

from edge.core.errors import LinegateError
from edge.core.recipe import Orientation
from trainer.data.items import DEFECT, GOOD, Dataset
from trainer.learn import augment, features, memory, stock, tails
from trainer.learn.backbone import Backbone
from trainer.learn.defects import spoil
from trainer.learn.features import Cache, Make
from trainer.learn.fit import Fitting, fit_head
from trainer.learn.quantize import quantize
from trainer.learn.samples import Sample
from trainer.learn.tails import Tails
from trainer.learn.trained import Trained, finish
from trainer.track import Track

T = TypeVar("T")
AUGMENTED = 8  # copies from this number on: no part has more poses


@dataclass(frozen=True, slots=True)
class Settings:
    """The knobs, with what worked on four sets of real parts."""

    seed: int = 0
    good: int | None = None  # draw so many good pictures; None: all
    filled: int = 120  # fewer good pictures are filled up with copies for the memory
    head_from: int = 50  # good pictures; with fewer the memory alone judges
    synthetic: int = 300  # defective pictures, made of good ones
    copies: int = 300  # of good pictures, augmented as the synthetic ones are
    strength: float = 0.6  # of the augmentation
    orientation: Orientation = "fixed"  # how else the part may lie, by its recipe
    memory_weight: float = 2.0  # beside the head's 1: made-up defects may mislead it
    fitting: Fitting = field(default_factory=lambda: Fitting(steps=200))
    full_range: bool = False  # 8-bit weights: only for boxes with VNNI or Arm


def train(
    dataset: Dataset, backbone: Backbone, settings: Settings, work: Path, track: Track
) -> Trained:
    """Learn from the good pictures of the training split. Raises LinegateError if there are fewer
    than `memory.LEAST`."""
    rng = np.random.default_rng(settings.seed)
    pictures = draw(stock.good(dataset, "train", backbone.face, track), settings.good, rng)
    aside = stock.good(dataset, "val", backbone.face, track)
    make = maker(pictures, settings)
    net, cache = look(pictures, aside, make, backbone, settings, rng, work, track)
    left_out = range(len(pictures), len(pictures) + len(aside))
    tail = fit(cache, range(len(pictures)), left_out, settings, rng, track)
    return finish(net, backbone, tail, about(tail, len(pictures)))


def look(
    pictures: Sequence[Sample],
    aside: Sequence[Sample],
    make: Make,
    backbone: Backbone,
    settings: Settings,
    rng: Generator,
    work: Path,
    track: Track,
) -> tuple[ModelProto, Cache]:
    """The int8 backbone, and its features of good `pictures` with their copies, and of those
    `aside`, which come last, as they were taken."""
    net = quantize(backbone, stock.inputs(pictures, rng), settings.full_range)
    copies = plan(len(pictures), len(aside), settings, rng)
    return net, features.build(net, backbone, [*pictures, *aside], copies, make, rng, work, track)


def draw(pictures: Sequence[T], wanted: int | None, rng: Generator) -> list[T]:
    """`wanted` of the pictures, or all. Raises LinegateError if there are too few."""
    if min(len(pictures), wanted or len(pictures)) < memory.LEAST or len(pictures) < (wanted or 0):
        raise LinegateError(
            f"{len(pictures)} good pictures to train on"
            + ("" if wanted is None else f", {wanted} asked for")
            + f"; the good-only learner needs {memory.LEAST}"
        )
    return (
        list(pictures)
        if wanted is None
        else [pictures[n] for n in rng.permutation(len(pictures))[:wanted]]
    )


def plan(learnt: int, aside: int, settings: Settings, rng: Generator) -> list[tuple[int, int]]:
    """(picture, copy): 0 as it was taken, above 0 another pose, then augmented, below 0 spoilt.

    The memory's copies fill up each picture alike. The head's come from any pictures, as many good
    as spoilt ones: were one class alone augmented, noise and dust would seem to tell it.
    """
    drawn = min(learnt, settings.good or learnt)
    each = -(-settings.filled // drawn) - 1
    filled = [(n, copy) for copy in range(1, each + 1) for n in range(learnt)]
    taken = [(n, 0) for n in range(learnt + aside)]
    if drawn < settings.head_from:
        return [*taken, *filled]
    any_of = [int(n) for n in rng.permutation(learnt)]
    good = [(any_of[k % learnt], AUGMENTED + k // learnt) for k in range(settings.copies)]
    spoilt = [(any_of[k % learnt], -1 - k // learnt) for k in range(settings.synthetic)]
    return [*taken, *filled, *good, *spoilt]


def maker(pictures: Sequence[Sample], settings: Settings) -> Make:
    """What makes the copies of the plan; the first ones are the other poses that the part allows,
    which lose nothing of it."""

    def make(sample: Sample, copy: int, rng: Generator) -> Sample:
        poses = augment.poses(settings.orientation, sample)
        if 0 <= copy < len(poses):
            return augment.lay(sample, poses[copy])
        other = augment.augment(sample, rng, settings.strength, settings.orientation)
        if copy > 0:
            return other
        donor = pictures[int(rng.integers(len(pictures)))].image
        image, mask = spoil(other.image, donor, rng)
        return Sample(image, DEFECT, mask, sample.square)

    return make


def fit(
    cache: Cache,
    learnt: Sequence[int],
    left_out: Sequence[int],
    settings: Settings,
    rng: Generator,
    track: Track,
) -> Tails:
    """Memory, and head where the cache has synthetic defects, from the pictures `learnt`; brought
    to one scale on good ones of `left_out`."""
    known = tails.remember(cache, learnt)
    rows = cache.of(learnt)
    taught = len(learnt) >= settings.head_from and (cache.labels[rows] == DEFECT).any()
    head = fit_head(cache, rows, settings.fitting, rng, track) if taught else None
    aside = cache.of(left_out, GOOD, as_taken=True)
    return tails.join(head, known, settings.memory_weight, cache, aside)


def about(tail: Tails, n: int) -> str:
    beside = "" if tail.head is None else ", and a head taught on synthetic defects"
    return f"memory of {n} good pictures{beside}"
