"""Features of pictures from the int8 backbone in ONNX Runtime: the numbers the box will see."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from edge.core.runtime import ort
from trainer.judge.session import open_session
from trainer.learn import samples
from trainer.learn.backbone import COARSE, FINE
from trainer.learn.samples import Sample

Floats = NDArray[np.float32]
Plan = Sequence[tuple[int, int]]
Track = Callable[[Plan, str], Iterable[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Cache:
    """Features (n, rows, columns, channels) on disk, labels (n,), defect coverage of patches
    (n, rows, columns): NaN where unknown."""

    maps: NDArray[np.float16]
    labels: NDArray[np.int64]
    coverage: Floats


def stack(fine: Floats, coarse: Floats) -> Floats:
    """Mean and maximum of the fine cells below each coarse one, and the coarse channels.

    (c, rows*r, columns*r) and (d, rows, columns) -> (rows, columns, 2c+d).
    """
    _, rows, columns = coarse.shape
    cells = fine.reshape(len(fine), rows, fine.shape[1] // rows, columns, -1)
    channels = np.concatenate([cells.mean(axis=(2, 4)), cells.max(axis=(2, 4)), coarse])
    return np.ascontiguousarray(channels.transpose(1, 2, 0))


def extract(session: ort.InferenceSession, sample: Sample) -> Floats:
    """Stacked features (rows, columns, channels) of one picture."""
    fine, coarse = session.run([FINE, COARSE], {"image": sample.image[None]})
    return stack(fine[0], coarse[0])


def build(
    backbone: ModelProto,
    pictures: Sequence[Sample],
    plan: Plan,
    make: Callable[[Sample, int], Sample],
    file: Path,
    track: Track,
) -> Cache:
    """Run every planned copy through the backbone, once; the maps lie in `file` (16-bit floats,
    exact enough for values of 8 bits)."""
    session = open_session(backbone.SerializeToString(), threads=2)
    rows, columns, channels = extract(session, pictures[0]).shape
    maps = np.lib.format.open_memmap(
        file, mode="w+", dtype=np.float16, shape=(len(plan), rows, columns, channels)
    )
    labels = np.asarray([pictures[n].label for n, _ in plan], dtype=np.int64)
    shares = np.empty((len(plan), rows, columns), np.float32)
    for place, (n, copy) in enumerate(track(plan, "features")):
        sample = make(pictures[n], copy)
        maps[place] = extract(session, sample)
        shares[place] = samples.coverage(sample, rows, columns)
    return Cache(maps, labels, shares)


def channel_statistics(cache: Cache) -> tuple[Floats, Floats]:
    """(mean, standard deviation) of each channel over all patches."""
    total = np.zeros(cache.maps.shape[-1])
    squares = np.zeros_like(total)
    for picture in cache.maps:
        patches = picture.reshape(-1, len(total)).astype(np.float64)
        total += patches.sum(axis=0)
        squares += (patches**2).sum(axis=0)
    n = cache.maps.shape[0] * cache.maps.shape[1] * cache.maps.shape[2]
    mean = total / n
    deviation = np.sqrt(np.maximum(squares / n - mean**2, 0.0))
    dead = deviation < 1e-3  # a channel that never moves must not amplify its rounding
    return mean.astype(np.float32), np.where(dead, 1.0, deviation).astype(np.float32)
