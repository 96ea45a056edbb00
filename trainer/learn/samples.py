"""Training pictures at the model's size, and the plan of how many copies each is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.core.errors import LinegateError
from edge.core.manifest import Face
from edge.core.preprocess import Image, to_input, u8
from trainer.data.items import Dataset, Item

AREA_PX = 224 * 224  # of an input whose size nobody asked for
CELL_PX = 16  # of an input, below one cell of the heatmap


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture (H, W, C) as the model sees it, its label, and where the defect is (H, W)."""

    image: Image
    label: int
    mask: Image | None


def load(dataset: Dataset, item: Item, face: Face) -> Sample:
    assert item.label is not None
    mask = dataset.mask(item)
    if mask is not None:
        mask = u8(cv2.resize(u8(mask > 0) * 255, _size(face), interpolation=cv2.INTER_AREA))
    return Sample(to_input(dataset.image(item), face)[0], item.label, mask)


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


def input_face(
    items: Sequence[Item], size_px: tuple[int, int] | None, grey: bool, embedding: int
) -> Face:
    """The asked size (width, height), or about 224 x 224 pixels in the pictures' shape; sides
    are multiples of 16. Raises LinegateError if the asked ones are not."""
    grey = grey or all(item.channels == 1 for item in items)
    width, height = size_px or _size_like(items[0])
    if width % CELL_PX or height % CELL_PX:
        raise LinegateError(f"an input of {width}x{height}: both must be multiples of {CELL_PX}")
    return Face(
        height_px=height,
        width_px=width,
        colour="grey" if grey else "rgb",
        heatmap=(height // CELL_PX, width // CELL_PX),
        embedding=embedding,
    )


def _size_like(item: Item) -> tuple[int, int]:
    cells = sqrt(AREA_PX / (item.width_px * item.height_px)) / CELL_PX
    wide, high = (max(1, round(side * cells)) for side in (item.width_px, item.height_px))
    return wide * CELL_PX, high * CELL_PX


def _size(face: Face) -> tuple[int, int]:
    return face.width_px, face.height_px
