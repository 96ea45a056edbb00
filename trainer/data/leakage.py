"""Does the exam hold what was learnt? Copies and near-copies between splits.

A near-copy is a pair of thumbnails that agree in what sets them apart from all other pictures of
the set: with a fixed camera, what is common to all parts says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainer.data.items import Dataset, Item

NEAR = 0.985  # correlation of two thumbnails' deviations from the mean one
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Leakage:
    """Pairs of paths (held out, trained on)."""

    same: list[tuple[str, str]] = field(default_factory=list)
    near: list[tuple[str, str]] = field(default_factory=list)


def find(train: Sequence[Item], held_out: Sequence[Item]) -> Leakage:
    """Compare every held-out picture with every training picture."""
    by_content = {item.sha256: item for item in train}
    same = [(i.path, by_content[i.sha256].path) for i in held_out if i.sha256 in by_content]
    if not train or not held_out:
        return Leakage(same)
    mean = _standardised(train).mean(axis=0)
    known, asked = _deviations(train, mean), _deviations(held_out, mean)
    copies = dict(same)
    near = [
        (held_out[row].path, train[column].path)
        for row, column in _correlated(asked, known)
        if held_out[row].path not in copies
    ]
    return Leakage(same, near)


def learnt(trained_on: Dataset, items: Sequence[Item]) -> list[str]:
    """Paths of the items that were trained on, under whatever name."""
    known = {item.sha256 for item in trained_on.of("train")}
    return [item.path for item in items if item.sha256 in known]


def _correlated(asked: NDArray[np.float32], known: NDArray[np.float32]) -> list[tuple[int, int]]:
    """(row, best column) of all rows with a correlation of NEAR and more, block by block."""
    pairs = []
    for start in range(0, len(asked), _BLOCK):
        likeness = asked[start : start + _BLOCK] @ known.T
        best = likeness.argmax(axis=1)
        rows = np.flatnonzero(likeness[np.arange(len(best)), best] >= NEAR)
        pairs += [(start + int(row), int(best[row])) for row in rows]
    return pairs


def _standardised(items: Sequence[Item]) -> NDArray[np.float32]:
    """Thumbnails of shape (n, pixels), free of each one's brightness and contrast."""
    pixels = np.stack([np.frombuffer(item.thumb, np.uint8) for item in items]).astype(np.float32)
    pixels -= pixels.mean(axis=1, keepdims=True)
    return np.asarray(pixels / (pixels.std(axis=1, keepdims=True) + 1.0), dtype=np.float32)


def _deviations(items: Sequence[Item], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    away = _standardised(items) - mean
    norm = np.linalg.norm(away, axis=1, keepdims=True)
    return np.asarray(away / np.maximum(norm, 1e-6), dtype=np.float32)
