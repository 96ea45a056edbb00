"""The loop that fits a patch head to cached features."""

from copy import deepcopy
from dataclasses import dataclass
from math import cos, pi

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from trainer.learn import features, head, sanity
from trainer.learn.features import CHUNK, Cache, Rows
from trainer.learn.hardware import has_bfloat16
from trainer.learn.head import HeadWeights, PatchHead
from trainer.track import Track

THREADS = 2
STATISTICS_ROWS = 256  # thousands of patches


@dataclass(frozen=True, slots=True)
class Fitting:
    """The knobs of the loop, with what worked on four sets of real parts."""

    steps: int = 400
    batch: int = 32
    defect_share: float = 0.4  # of a batch
    rate: float = 2e-3  # AdamW, warm-up over 5 %, then a cosine down to 1 %
    weight_decay: float = 0.05
    gradient_norm: float = 2.0
    top_share: float = head.TOP_SHARE
    mask_weight: float = 0.5
    average: float = 0.98  # the weights kept are a running mean


def fit_head(
    cache: Cache,
    rows: Rows,
    fitting: Fitting,
    rng: Generator,
    track: Track,
    start: PatchHead | None = None,
) -> HeadWeights:
    """Fit a head to some rows of the cache, good and defective ones: a fresh one, or one that
    knows these parts from other features of the same channels. Raises LinegateError if a fresh one
    cannot learn a handful of them by heart."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(int(rng.integers(2**31)))
    some = rows[:: len(rows) // STATISTICS_ROWS + 1]
    model = fresh_head(cache, some, fitting.top_share) if start is None else deepcopy(start)
    kept = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(fitting.average)
    )
    optimiser = _optimiser(model.train(), fitting)
    quick = has_bfloat16(torch.device("cpu"))
    if start is None:
        few = _tensors(cache, rows[sanity.handful(cache.labels[rows])])
        sanity.check(model, few, lambda trial: _optimiser(trial, fitting), fitting.mask_weight)
    for step in track(range(fitting.steps), "head"):
        optimiser.param_groups[0]["lr"] = fitting.rate * schedule(step, fitting.steps)
        x, labels, coverage = batch(cache, rows, fitting, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=quick):
            patches, logits = model(x)
        loss = head.loss(patches.float(), logits.float(), labels, coverage, fitting.mask_weight)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), fitting.gradient_norm)
        optimiser.step()
        kept.update_parameters(model)
    final: PatchHead = kept.module.eval()
    return head.weights(final, reach(final, cache, some))


def fresh_head(cache: Cache, rows: Rows, top_share: float) -> PatchHead:
    mean, deviation = features.channel_statistics(cache.maps, rows)
    _, height, width, channels = cache.maps.shape
    return PatchHead(channels, height * width, mean, deviation, top_share)


def reach(model: PatchHead, cache: Cache, rows: Rows) -> float:
    """The largest value behind the first convolution: the int8 grid of the box must hold it."""
    with torch.no_grad():
        chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
        return max(float(model.own(_maps(cache, chunk)).max()) for chunk in chunks)


def schedule(step: int, steps: int) -> float:
    """Learning rate as a share of its peak: linear warm-up, cosine to 1 %."""
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    along = (step - warm) / max(1, steps - warm)
    return 0.01 + 0.99 * (1 + cos(pi * along)) / 2


def batch(
    cache: Cache, rows: Rows, fitting: Fitting, rng: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """(features [n, channels, rows, columns], labels [n], coverage [n, rows, columns])."""
    labels = cache.labels[rows]
    n_defects = round(fitting.batch * fitting.defect_share)
    chosen = np.concatenate(
        [
            rng.choice(rows[labels == 1], n_defects),
            rng.choice(rows[labels == 0], fitting.batch - n_defects),
        ]
    )
    return _tensors(cache, chosen)


def _tensors(cache: Cache, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
    return (
        _maps(cache, rows),
        torch.from_numpy(cache.labels[rows]).float(),
        torch.from_numpy(cache.coverage[rows]),
    )


def _maps(cache: Cache, rows: Rows) -> Tensor:
    return torch.from_numpy(cache.maps[rows]).float().permute(0, 3, 1, 2)


def _optimiser(model: PatchHead, fitting: Fitting) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=fitting.rate, weight_decay=fitting.weight_decay)
