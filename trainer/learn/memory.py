"""A statistical memory of good parts: how each place of one looks, and how far a new part is off.

PaDiM (Defard et al. 2021, arXiv:2011.08785) on few dimensions: channels are standardised and
reduced by PCA over all places, then each place keeps a Gaussian. The anomaly of a patch is its
Mahalanobis distance, of a picture the mean of its highest. It needs no defect, no torch and a
second for hundreds of pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LEAST = 10  # good pictures
ENOUGH = 200  # good pictures; copies of fewer help, of more they do not
DIMS = 48
TOP_SHARE = 0.01  # of the patches: a defect is small
SHRINKAGE = 0.1  # towards the mean covariance of all places
RIDGE = 0.01  # of the mean variance
DEAD = 1e-3  # a channel that never moves must not amplify its rounding
CHUNK = 32  # pictures at a time


@dataclass(frozen=True, slots=True)
class Memory:
    """Distances are |whiten (project x + shift) - centre|, so normed that a good part's are
    about 1."""

    project: Floats  # (dims, channels)
    shift: Floats  # (dims,)
    whiten: Floats  # (rows * columns, dims, dims)
    centre: Floats  # (rows * columns, dims)
    top: int  # places whose mean is the picture's score


def fit(maps: ArrayLike, widths: Sequence[int], dims: int = DIMS) -> Memory:
    """Learn from maps (n, rows, columns, channels) of good parts alone.

    `widths` are the channels of each layer that lies in the maps: every layer weighs the same.
    """
    maps = np.asarray(maps)
    project, shift = reduction(maps, widths, dims)
    seen = reduce(maps, project, shift)
    mean = seen.mean(axis=1, keepdims=True)
    whiten = whitening(seen - mean, SHRINKAGE)
    return Memory(
        project=project.astype(np.float32),
        shift=shift.astype(np.float32),
        whiten=whiten.astype(np.float32),
        centre=(mean @ whiten.transpose(0, 2, 1))[:, 0].astype(np.float32),
        top=max(1, round(TOP_SHARE * len(seen))),
    )


def reduction(
    maps: NDArray[np.floating], widths: Sequence[int], dims: int
) -> tuple[Doubles, Doubles]:
    """Standardise each channel, weigh its layer, keep the `dims` main directions of all patches:
    (matrix (dims, channels), shift (dims,))."""
    mean, covariance = moments(maps)
    deviation = np.sqrt(covariance.diagonal())
    weight = np.repeat(1 / np.sqrt(widths), widths)
    scale = weight / np.where(deviation < DEAD, 1.0, deviation)
    _, directions = np.linalg.eigh(covariance * np.outer(scale, scale))
    project = directions[:, ::-1][:, :dims].T * scale
    return project, -project @ mean


def moments(maps: NDArray[np.floating]) -> tuple[Doubles, Doubles]:
    """(mean (channels,), covariance (channels, channels)) over all patches."""
    channels = maps.shape[-1]
    total, products = np.zeros(channels), np.zeros((channels, channels))
    for start in range(0, len(maps), CHUNK):
        patches = maps[start : start + CHUNK].reshape(-1, channels).astype(np.float64)
        total += patches.sum(axis=0)
        products += patches.T @ patches
    n = maps[..., 0].size
    mean = total / n
    return mean, products / n - np.outer(mean, mean)


def reduce(maps: NDArray[np.floating], project: Doubles, shift: Doubles) -> Doubles:
    """(n, rows, columns, channels) -> (rows * columns, n, dims)."""
    n, rows, columns, channels = maps.shape
    seen = np.empty((rows * columns, n, len(project)))
    for start in range(0, n, CHUNK):
        part = slice(start, start + CHUNK)
        flat = maps[part].reshape(-1, rows * columns, channels).astype(np.float64)
        seen[:, part] = (flat @ project.T + shift).transpose(1, 0, 2)
    return seen


def whitening(centred: Doubles, shrinkage: float) -> Doubles:
    """From what is left of (places, n, dims) after the mean to one matrix per place (places, dims,
    dims) whose product with it has mean square 1 over the dimensions."""
    _, n, dims = centred.shape
    own = centred.transpose(0, 2, 1) @ centred / max(1, n - 1)
    common = own.mean(axis=0)
    ridge = max(RIDGE * np.trace(common) / dims, 1e-9)
    covariance = (1 - shrinkage) * own + shrinkage * common + ridge * np.eye(dims)
    inverse: Doubles = np.linalg.inv(np.linalg.cholesky(covariance)) / np.sqrt(dims)
    return inverse


def distances(memory: Memory, maps: ArrayLike) -> Floats:
    """Anomaly of each patch, (n, rows, columns), of maps (n, rows, columns, channels)."""
    maps = np.asarray(maps)
    seen = reduce(maps, memory.project.astype(np.float64), memory.shift.astype(np.float64))
    off = seen @ memory.whiten.transpose(0, 2, 1) - memory.centre[:, None]
    found: Floats = np.linalg.norm(off, axis=2).T.reshape(maps.shape[:3]).astype(np.float32)
    return found


def scores(memory: Memory, maps: ArrayLike) -> Floats:
    """Anomaly of each picture, (n,): the mean of its highest patches."""
    return highest(distances(memory, maps), memory.top)


def highest(patches: Floats, top: int) -> Floats:
    """Mean of the `top` highest of each picture's patches (n, rows, columns)."""
    flat = np.sort(patches.reshape(len(patches), -1), axis=1)
    mean: Floats = flat[:, -top:].mean(axis=1)
    return mean
