"""Training pictures at the model's size, and copies of them as the line might have shown them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.core.manifest import Face
from edge.core.preprocess import Image, to_input
from trainer.data.items import Dataset, Item

_ROTATION_DEG, _SCALE, _SHIFT = 5.0, 0.07, 0.04  # learnt on four sets of real parts
_GAIN, _GAMMA = 0.25, 0.2


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
        mask = _u8(cv2.resize(_u8(mask > 0) * 255, _size(face), interpolation=cv2.INTER_AREA))
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


def flip(sample: Sample, horizontal: bool, vertical: bool) -> Sample:
    step = (slice(None, None, -1 if vertical else 1), slice(None, None, -1 if horizontal else 1))
    mask = None if sample.mask is None else np.ascontiguousarray(sample.mask[step])
    return Sample(np.ascontiguousarray(sample.image[step]), sample.label, mask)


def augment(sample: Sample, rng: Generator, strength: float, flips: bool) -> Sample:
    """Another picture of the same part: turned, moved, lit and focused a little differently."""
    if flips:
        sample = flip(sample, rng.random() < 0.5, rng.random() < 0.5)
    move = _move(sample.image.shape[:2], rng, strength)
    image = _warp(sample.image, move)
    if rng.random() < 0.8:
        image = _light(image, rng, strength)
    if rng.random() < 0.15:
        image = _u8(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.0) * max(strength, 0.1)))
    if rng.random() < 0.3:
        noise = rng.normal(0.0, rng.uniform(1.0, 6.0) * strength, image.shape[:2])
        image = _u8(np.clip(_hwc(image) + noise[..., None], 0, 255))
    return Sample(_hwc(image), sample.label, _warp_mask(sample.mask, move))


def copies(samples: Sequence[Sample], wanted: int, flips: bool) -> list[tuple[int, int]]:
    """(sample, copy) for the cached features: copy 0 is the picture itself.

    Each class gets augmented copies up to `wanted`; a class that is large already gets its four
    flips (copies -1, -2, -3), which cost less than they bring.
    """
    plan: list[tuple[int, int]] = []
    for label in (0, 1):
        mine = [n for n, sample in enumerate(samples) if sample.label == label]
        if len(mine) * 1.2 < wanted:
            plan += [(mine[k % len(mine)], k // len(mine)) for k in range(wanted if mine else 0)]
        else:
            plan += [(n, -copy) for n in mine for copy in range(4 if flips else 1)]
    return plan


def make_copy(sample: Sample, copy: int, rng: Generator, strength: float, flips: bool) -> Sample:
    """The copy that `copies` planned."""
    if copy > 0:
        return augment(sample, rng, strength, flips)
    return flip(sample, horizontal=copy in (-1, -3), vertical=copy in (-2, -3))


def _move(shape: tuple[int, ...], rng: Generator, strength: float) -> NDArray[np.float64]:
    """A 2x3 matrix: small rotation, scale and shift about the middle."""
    h, w = shape
    angle = rng.uniform(-_ROTATION_DEG, _ROTATION_DEG) * strength
    scale = 1.0 + rng.uniform(-_SCALE, _SCALE) * strength
    move = np.asarray(cv2.getRotationMatrix2D((w / 2, h / 2), angle, scale), dtype=np.float64)
    move[:, 2] += rng.uniform(-_SHIFT, _SHIFT, 2) * strength * (w, h)
    return move


def _warp(image: Image, move: NDArray[np.float64]) -> Image:
    h, w = image.shape[:2]
    moved = cv2.warpAffine(
        image, move, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return _hwc(_u8(moved))


def _warp_mask(mask: Image | None, move: NDArray[np.float64]) -> Image | None:
    return None if mask is None else _warp(mask, move)[..., 0]


def _light(image: Image, rng: Generator, strength: float) -> Image:
    gain = np.exp(rng.uniform(-_GAIN, _GAIN) * strength)
    gamma = np.exp(rng.uniform(-_GAMMA, _GAMMA) * strength)
    curve = 255.0 * gain * (np.arange(256) / 255.0) ** gamma
    return _hwc(_u8(cv2.LUT(image, _u8(np.clip(curve + 0.5, 0, 255)))))


def _hwc(image: Image) -> Image:
    """OpenCV drops a single channel; put it back."""
    return image[..., None] if image.ndim == 2 else image


def _size(face: Face) -> tuple[int, int]:
    return face.width_px, face.height_px


def _u8(array: object) -> Image:
    return np.asarray(array, dtype=np.uint8)
