"""Learner `supervised`: a patch head on the cached features of a frozen int8 backbone, and a
memory of good parts beside it.

Reads from top to bottom: settings, then `train`: pictures, int8 backbone, features, tails, one
file. Seeded: the same data, settings and machine give the same file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.random import Generator
from onnx import ModelProto

from edge.core.recipe import Orientation
from trainer.data.items import DEFECT, GOOD, Dataset
from trainer.learn import augment, features, samples, stock, tails
from trainer.learn.backbone import Backbone
from trainer.learn.features import Cache
from trainer.learn.fit import Fitting, fit_head
from trainer.learn.head import PatchHead
from trainer.learn.quantize import quantize
from trainer.learn.samples import Sample
from trainer.learn.tails import Tails
from trainer.learn.trained import Trained, finish
from trainer.track import Track

ENOUGH_DEFECTS = 60


@dataclass(frozen=True, slots=True)
class Settings:
    """The knobs, with what worked on four sets of real parts."""

    seed: int = 0
    fitting: Fitting = field(default_factory=Fitting)
    copies: int = 1200  # per class, augmented
    strength: float = 0.6  # of the augmentation
    orientation: Orientation = "fixed"  # how else the part may lie, by its recipe
    memory_weight: float = 0.3  # beside the head's 1, once there are defects enough
    full_range: bool = False  # 8-bit weights: only for boxes with VNNI or Arm


def train(
    dataset: Dataset,
    backbone: Backbone,
    settings: Settings,
    work: Path,
    track: Track,
    start: PatchHead | None = None,
) -> Trained:
    """Fit the tails to the training split. Raises LinegateError if there are too few pictures."""
    rng = np.random.default_rng(settings.seed)
    pictures = stock.both(dataset, backbone.face, track)
    aside = stock.good(dataset, "val", backbone.face, track)
    learnt, left_out = range(len(pictures)), range(len(pictures), len(pictures) + len(aside))
    net, cache = look(pictures, aside, backbone, settings, rng, work, track)
    tail = fit(cache, learnt, left_out, settings, rng, track, start)
    return finish(net, backbone, tail, f"head and memory from {len(pictures)} pictures")


def look(
    pictures: Sequence[Sample],
    aside: Sequence[Sample],
    backbone: Backbone,
    settings: Settings,
    rng: Generator,
    work: Path,
    track: Track,
) -> tuple[ModelProto, Cache]:
    """The int8 backbone, and its features of all pictures: with copies, but those `aside`, which
    come last, only as they were taken."""
    net = quantize(backbone, stock.inputs(pictures, rng), settings.full_range)
    left_out = range(len(pictures), len(pictures) + len(aside))
    plan = [*samples.copies(pictures, settings.copies), *((n, 0) for n in left_out)]

    def make(sample: Sample, copy: int, rng: Generator) -> Sample:
        return augment.make_copy(sample, copy, rng, settings.strength, settings.orientation)

    return net, features.build(net, backbone, [*pictures, *aside], plan, make, rng, work, track)


def fit(
    cache: Cache,
    learnt: Sequence[int],
    left_out: Sequence[int],
    settings: Settings,
    rng: Generator,
    track: Track,
    start: PatchHead | None = None,
) -> Tails:
    """Head and memory from the pictures `learnt`, brought to one scale on good ones of
    `left_out`. The head begins as `start`, if there is one."""
    head = fit_head(cache, cache.of(learnt), settings.fitting, rng, track, start)
    known = tails.remember(cache, learnt)
    aside = cache.of(left_out, GOOD, as_taken=True)
    weight = settings.memory_weight * memory_counts(len(cache.of(learnt, DEFECT, as_taken=True)))
    return tails.join(head, known, weight, cache, aside)


def memory_counts(n_defects: int) -> float:
    """So many times: a head that saw few defects needs more help from the memory."""
    return min(3.0, max(1.0, ENOUGH_DEFECTS / n_defects))
