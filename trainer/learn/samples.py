"""Training pictures at the model's size, and the plan of how many copies each is worth."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.core.manifest import Face
from edge.core.preprocess import Image, to_input, u8
from trainer.data.items import Dataset, Item


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture (H, W, C) as the model sees it, its label, and where the defect is (H, W)."""

    image: Image
    label: int
    mask: Image | None
    square: bool = True  # as it was taken: squeezed into a square, no part can turn by a quarter


def load(dataset: Dataset, item: Item, face: Face) -> Sample:
    assert item.label is not None
    mask = dataset.mask(item)
    if mask is not None:
        mask = u8(cv2.resize(u8(mask > 0) * 255, _size(face), interpolation=cv2.INTER_AREA))
    square = item.width_px == item.height_px
    return Sample(to_input(dataset.image(item), face)[0], item.label, mask, square)


def coverage(sample: Sample, rows: int, columns: int) -> NDArray[np.float32]:
    """Share of each patch that is defective, (rows, columns): NaN where nobody drew a mask."""
    if sample.label == 0:
        return np.zeros((rows, columns), np.float32)
    if sample.mask is None:
        return np.full((rows, columns), np.nan, np.float32)
    share = sample.mask.astype(np.float32) / 255.0
    small = cv2.resize(share, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32)


def copies(samples: Sequence[Sample], wanted: int) -> list[tuple[int, int]]:
    """(sample, copy) for the cached features: copy 0 is the picture itself.

    Each class gets augmented copies up to `wanted`, and one of each picture if it is large already:
    were only one class augmented, noise and dust would seem to tell it from the other.
    """
    plan: list[tuple[int, int]] = []
    for label in (0, 1):
        mine = [n for n, sample in enumerate(samples) if sample.label == label]
        if len(mine) * 1.2 < wanted:
            plan += [(mine[k % len(mine)], k // len(mine)) for k in range(wanted if mine else 0)]
        else:
            plan += [(n, copy) for n in mine for copy in (0, 1)]
    return plan


def _size(face: Face) -> tuple[int, int]:
    return face.width_px, face.height_px
