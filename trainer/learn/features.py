"""Features of pictures from the int8 backbone in ONNX Runtime: the numbers the box will see.

One pass serves every fit: each row of the cache knows its picture, so a cross-validation chooses
rows and computes no feature again.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from onnx import ModelProto

from edge.core.runtime import ort
from trainer.judge.session import open_session
from trainer.learn import samples
from trainer.learn.backbone import Backbone
from trainer.learn.samples import Sample
from trainer.learn.stacked import FEATURES
from trainer.track import Track

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Plan = Sequence[tuple[int, int]]

Make = Callable[[Sample, int, Generator], Sample]  # a picture's copy of that number

FILES = ("maps.npy", "narrow.npy")  # of a cache, gigabytes
CHUNK = 32  # pictures at a time
THREADS = 2
LEAST_DEVIATION = 0.4  # of the median channel's


@dataclass(frozen=True, slots=True)
class Cache:
    """Rows are copies of pictures, in the order of the plan; the two maps lie on disk."""

    maps: NDArray[np.float16]  # (n, rows, columns, channels), for the head
    narrow: NDArray[np.float16]  # (n, rows, columns, sum of widths), for the memory
    widths: tuple[int, ...]  # channels of each layer in `narrow`
    labels: NDArray[np.int64]  # (n,)
    coverage: Floats  # (n, rows, columns) defective share of a patch; NaN: nobody knows
    picture: Rows  # (n,) which picture a row shows
    copy: NDArray[np.int64]  # (n,) 0: as it was taken

    def of(self, pictures: Iterable[int], label: int | None = None, as_taken: bool = False) -> Rows:
        """Rows of some pictures, perhaps of one label, perhaps without augmented copies."""
        chosen = np.isin(self.picture, list(pictures))
        if label is not None:
            chosen &= self.labels == label
        if as_taken:
            chosen &= self.copy == 0
        return np.flatnonzero(chosen)


def stack_narrow(layers: Sequence[Floats], grid: tuple[int, int]) -> Floats:
    """Every layer (c, rows*r, columns*r) as means on the coarse grid: (rows, columns, sum of c)."""
    channels = np.concatenate([_cells(layer, grid).mean(axis=(2, 4)) for layer in layers])
    return np.ascontiguousarray(channels.transpose(1, 2, 0))


def _cells(layer: Floats, grid: tuple[int, ...]) -> Floats:
    rows, columns = grid
    channels, height, width = layer.shape
    return layer.reshape(channels, rows, height // rows, columns, width // columns)


def extract(
    session: ort.InferenceSession, backbone: Backbone, sample: Sample
) -> tuple[Floats, Floats]:
    """Features of one picture for the head and for the memory, both (rows, columns, channels)."""
    names = [FEATURES, *backbone.narrow]
    wide, *narrow = (tap[0] for tap in session.run(names, {"image": sample.image[None]}))
    return wide.transpose(1, 2, 0), stack_narrow(narrow, backbone.face.heatmap)


def build(
    net: ModelProto,
    backbone: Backbone,
    pictures: Sequence[Sample],
    plan: Plan,
    make: Make,
    rng: Generator,
    folder: Path,
    track: Track,
) -> Cache:
    """Run every planned copy (picture, copy) through the int8 `net` of the backbone, once.

    The maps lie in `folder` as 16-bit floats, exact enough for values of 8 bits. Every copy draws
    from a generator of its own, so threads may take them in any order.
    """
    session = open_session(net.SerializeToString())
    cache = _empty(session, backbone, pictures, plan, folder)
    seeds = rng.integers(2**63, size=len(plan))

    def look(row: int) -> None:
        sample = pictures[cache.picture[row]]
        sample = make(sample, int(cache.copy[row]), np.random.default_rng(seeds[row]))
        cache.maps[row], cache.narrow[row] = extract(session, backbone, sample)
        cache.labels[row] = sample.label
        cache.coverage[row] = samples.coverage(sample, *backbone.face.heatmap)

    pool = ThreadPoolExecutor(THREADS)
    try:
        for _ in zip(track(plan, "features"), pool.map(look, range(len(plan))), strict=True):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return cache


def _empty(
    session: ort.InferenceSession,
    backbone: Backbone,
    pictures: Sequence[Sample],
    plan: Plan,
    folder: Path,
) -> Cache:
    grid = backbone.face.heatmap
    wide, narrow = (
        np.lib.format.open_memmap(
            folder / name, "w+", np.float16, (len(plan), *grid, maps.shape[-1])
        )
        for name, maps in zip(FILES, extract(session, backbone, pictures[0]), strict=True)
    )
    picture, copies = np.asarray(plan, dtype=np.int64).T
    widths = tuple(backbone.shape(tap)[0] for tap in backbone.narrow)
    shares = np.empty((len(plan), *grid), np.float32)
    return Cache(wide, narrow, widths, np.empty(len(plan), np.int64), shares, picture, copies)


def channel_statistics(maps: NDArray[np.float16], rows: Rows) -> tuple[Floats, Floats]:
    """(mean, standard deviation) of each channel over all patches of some rows; see `floored`."""
    total = np.zeros(maps.shape[-1])
    squares = np.zeros_like(total)
    for row in rows:
        patches = maps[row].reshape(-1, len(total)).astype(np.float64)
        total += patches.sum(axis=0)
        squares += (patches**2).sum(axis=0)
    n = len(rows) * maps.shape[1] * maps.shape[2]
    mean = total / n
    deviation = np.sqrt(np.maximum(squares / n - mean**2, 0.0))
    return mean.astype(np.float32), floored(deviation)


def floored(deviation: NDArray[np.floating]) -> Floats:
    """A channel that hardly moves counts as moving more: else the head would amplify the rounding
    of int8, and its own weights would fit no int8 grid."""
    least = LEAST_DEVIATION * np.median(deviation) or 1.0
    return np.asarray(np.maximum(deviation, least), dtype=np.float32)
