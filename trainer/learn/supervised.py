"""Learner `supervised`: a patch head on the cached features of a frozen int8 backbone.

Reads from top to bottom: settings, then `train`: pictures, int8 backbone, features, head, one
file. Seeded: the same data, settings and machine give the same file.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from edge.core.errors import LinegateError
from edge.core.manifest import Face
from edge.core.recipe import Orientation
from trainer.data.items import Dataset
from trainer.learn import augment, features, fuse, head, samples
from trainer.learn.backbone import Backbone
from trainer.learn.features import Cache
from trainer.learn.head import HeadWeights, PatchHead
from trainer.learn.quantize import float_twin, quantize
from trainer.learn.samples import Sample

Track = Callable[[Sequence[Any], str], Iterable[Any]]

THREADS = 2
MIN_DEFECTS = 10
CALIBRATION = 100  # pictures
LOGIT_REACH = 6.0  # training logits are scaled into +-6, where float32 tells scores apart


@dataclass(frozen=True, slots=True)
class Settings:
    """The knobs, with what worked on four sets of real parts."""

    seed: int = 0
    steps: int = 400
    batch: int = 32
    defect_share: float = 0.4  # of a batch
    rate: float = 2e-3  # AdamW, warm-up over 5 %, then a cosine down to 1 %
    weight_decay: float = 0.05
    gradient_norm: float = 2.0
    mask_weight: float = 0.5
    feature_noise: float = 0.1  # in standard deviations of a channel
    average: float = 0.98  # the weights kept are a running mean
    copies: int = 1200  # per class, augmented
    strength: float = 0.6  # of the augmentation
    orientation: Orientation = "fixed"  # how else the part may lie, by its recipe
    full_range: bool = False  # 8-bit weights: only for boxes with VNNI or Arm


@dataclass(frozen=True, slots=True)
class Trained:
    """The file for the box, its float twin, and the backbone both are built on."""

    int8: bytes
    float32: bytes
    backbone: Backbone


def train(
    dataset: Dataset, backbone: Backbone, settings: Settings, work: Path, track: Track
) -> Trained:
    """Fit the head to the training split. Raises LinegateError if there are too few pictures."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)

    pictures = load_pictures(dataset, backbone.face, track)
    net = quantize(backbone, _some(pictures, rng), settings.full_range)
    poses = augment.poses(settings.orientation, pictures[0].image.shape)
    plan = samples.copies(pictures, settings.copies, len(poses))

    def make(sample: Sample, copy: int) -> Sample:
        return augment.make_copy(sample, copy, rng, settings.strength, settings.orientation)

    cache = features.build(net, pictures, plan, make, work / "features.npy", track)
    tail = fit_head(cache, settings, rng, track)
    return Trained(
        int8=fuse.fuse(net, backbone, tail).SerializeToString(deterministic=True),
        float32=fuse.fuse(float_twin(backbone), backbone, tail).SerializeToString(
            deterministic=True
        ),
        backbone=backbone,
    )


def load_pictures(dataset: Dataset, face: Face, track: Track) -> list[Sample]:
    """The training split at the model's size."""
    items = dataset.of("train")
    n_defects = sum(item.label == 1 for item in items)
    if n_defects < MIN_DEFECTS or n_defects == len(items):
        raise LinegateError(
            f"{n_defects} defective and {len(items) - n_defects} good pictures to train on; "
            f"the supervised learner needs {MIN_DEFECTS} defective ones, and good ones"
        )
    return [samples.load(dataset, item, face) for item in track(items, "pictures")]


def fit_head(cache: Cache, settings: Settings, rng: Generator, track: Track) -> HeadWeights:
    """The loop."""
    mean, deviation = features.channel_statistics(cache)
    _, rows, columns, channels = cache.maps.shape
    model = PatchHead(channels, rows * columns, mean, deviation)
    kept = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.average)
    )
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.rate, weight_decay=settings.weight_decay
    )
    model.train()
    for step in track(range(settings.steps), "head"):
        optimiser.param_groups[0]["lr"] = settings.rate * schedule(step, settings.steps)
        x, labels, coverage = batch(cache, settings, rng)
        patches, logits = model(x, settings.feature_noise)
        loss = head.loss(patches, logits, labels, coverage, settings.mask_weight)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_norm)
        optimiser.step()
        kept.update_parameters(model)
    final = kept.module.eval()
    return head.weights(final, temperature(final, cache))


def schedule(step: int, steps: int) -> float:
    """Learning rate as a share of its peak: linear warm-up, cosine to 1 %."""
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    along = (step - warm) / max(1, steps - warm)
    return 0.01 + 0.99 * (1 + cos(pi * along)) / 2


def batch(cache: Cache, settings: Settings, rng: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """(features [n, channels, rows, columns], labels [n], coverage [n, rows, columns])."""
    n_defects = round(settings.batch * settings.defect_share)
    chosen = np.concatenate(
        [
            rng.choice(np.flatnonzero(cache.labels == 1), n_defects),
            rng.choice(np.flatnonzero(cache.labels == 0), settings.batch - n_defects),
        ]
    )
    return (
        _tensor(cache.maps[chosen]),
        torch.from_numpy(cache.labels[chosen]).float(),
        torch.from_numpy(cache.coverage[chosen]),
    )


def temperature(model: PatchHead, cache: Cache) -> float:
    """What brings all logits of the training pictures within the reach of float32's sigmoid."""
    highest = 0.0
    with torch.no_grad():
        for start in range(0, len(cache.maps), 64):
            _, logits = model(_tensor(cache.maps[start : start + 64]))
            highest = max(highest, float(logits.abs().max()))
    return max(1.0, highest / LOGIT_REACH)


def _tensor(maps: np.ndarray) -> Tensor:
    return torch.from_numpy(maps.astype(np.float32)).permute(0, 3, 1, 2)


def _some(pictures: Sequence[Sample], rng: Generator) -> list[np.ndarray]:
    """Calibration inputs [1,H,W,C]: a draw of the training pictures."""
    chosen = rng.permutation(len(pictures))[:CALIBRATION]
    return [pictures[n].image[None] for n in chosen]
