"""Copies of a picture as the line might have shown the same part: pose, light, focus, noise, dust.

Only what the recipe's `orientation` allows is ever turned or mirrored. `strength` 1 is the most
that a line is expected to vary; the learners use less.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.core.preprocess import Image, u8
from edge.core.recipe import Orientation
from trainer.learn.samples import Sample

Matrix = NDArray[np.float64]  # 3x3, on homogeneous pixel coordinates (x, y, 1)
Pose = tuple[bool, int]  # mirrored left to right first, then so many quarter turns

_ROTATION_DEG, _SCALE, _SHIFT = 5.0, 0.07, 0.04  # learnt on four sets of real parts
_GAIN, _GAMMA, _WHITE_SHARE = 0.25, 0.2, 0.05
_BLUR_PX, _NOISE_LEVELS = (0.3, 1.0), (1.0, 6.0)
_LIGHT_SHARE, _BLUR_SHARE, _NOISE_SHARE, _DUST_SHARE = 0.8, 0.15, 0.3, 0.2  # of the copies

# Dust lies out of focus on part or glass: no speck is larger or stronger than this.
DUST_SIGMA_PX = (0.4, 0.8)  # at 224 px: two pixels across at half height
DUST_LEVELS = (6.0, 24.0)
_SPECKS = 5


def poses(orientation: Orientation, sample: Sample) -> list[Pose]:
    """All ways in which such a part may lie in this picture; the first is as it is.

    Quarter turns need a square picture; of another only the half turn keeps the shape.
    """
    h, w = sample.image.shape[:2]
    turns = (0, 1, 2, 3) if sample.square and h == w else (0, 2)
    allowed: dict[Orientation, list[Pose]] = {
        "fixed": [(False, 0)],
        "turned": [(False, turn) for turn in turns],
        "mirrored": [(mirror, turn) for turn in (0, 2) for mirror in (False, True)],
        "any": [(mirror, turn) for turn in turns for mirror in (False, True)],
    }
    return allowed[orientation]


def lay(sample: Sample, pose: Pose) -> Sample:
    """The picture and its mask in another pose; no pixel is lost or invented."""
    mask = None if sample.mask is None else _lay(sample.mask, pose)
    return replace(sample, image=_lay(sample.image, pose), mask=mask)


def augment(
    sample: Sample, rng: Generator, strength: float, orientation: Orientation = "fixed"
) -> Sample:
    """Another picture of the same part: laid, lit and focused a little differently."""
    h, w = sample.image.shape[:2]
    ways = poses(orientation, sample)
    move = nudge((h, w), rng, strength) @ pose_matrix(ways[int(rng.integers(len(ways)))], (h, w))
    image = _warp(sample.image, move)
    if rng.random() < _DUST_SHARE:
        dust(image, rng, strength)
    if rng.random() < _LIGHT_SHARE:
        image = _light(image, rng, strength)
    if rng.random() < _BLUR_SHARE:
        image = u8(cv2.GaussianBlur(image, (0, 0), rng.uniform(*_BLUR_PX) * max(strength, 0.1)))
    if rng.random() < _NOISE_SHARE:
        image = _noise(image, rng, rng.uniform(*_NOISE_LEVELS) * strength)
    mask = None if sample.mask is None else _warp(sample.mask, move)
    return replace(sample, image=image.reshape(sample.image.shape), mask=mask)


def make_copy(
    sample: Sample, copy: int, rng: Generator, strength: float, orientation: Orientation
) -> Sample:
    """The copy that `samples.copies` planned: 0 the picture itself, any other a fresh one."""
    return augment(sample, rng, strength, orientation) if copy else sample


# Pose --------------------------------------------------------------------------------------------


def pose_matrix(pose: Pose, shape: tuple[int, int]) -> Matrix:
    """Where the pose puts each pixel of a picture (h, w); what `lay` does, as a matrix."""
    mirrored, turns = pose
    h, w = shape
    matrix = np.eye(3)
    if mirrored:
        matrix = np.array([[-1.0, 0, w - 1], [0, 1, 0], [0, 0, 1]])
    for _ in range(turns):  # against the clock, as numpy.rot90: (x, y) -> (y, w-1-x)
        matrix = np.array([[0, 1.0, 0], [-1, 0, w - 1], [0, 0, 1]]) @ matrix
        h, w = w, h
    return matrix


def nudge(shape: tuple[int, int], rng: Generator, strength: float) -> Matrix:
    """A small rotation, scale and shift about the middle of a picture (h, w)."""
    h, w = shape
    angle = rng.uniform(-_ROTATION_DEG, _ROTATION_DEG) * strength
    scale = 1.0 + rng.uniform(-_SCALE, _SCALE) * strength
    move = np.eye(3)
    move[:2] = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), angle, scale)
    move[:2, 2] += rng.uniform(-_SHIFT, _SHIFT, 2) * (w * strength, h * strength)
    return move


def _lay(array: Image, pose: Pose) -> Image:
    mirrored, turns = pose
    return np.ascontiguousarray(np.rot90(array[:, ::-1] if mirrored else array, turns))


def _warp(image: Image, move: Matrix) -> Image:
    """Always a new array, without the last axis if that is 1."""
    h, w = image.shape[:2]
    return u8(
        cv2.warpAffine(
            image, move[:2], (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    )


# Light, noise, dust ------------------------------------------------------------------------------


def _light(image: Image, rng: Generator, strength: float) -> Image:
    """Gain and gamma, as one table of 256 values. What was not white stays so, but for a few
    pixels: nobody could tell good from defective on a picture that is burnt out."""
    gamma = np.exp(rng.uniform(-_GAMMA, _GAMMA) * strength)
    room = (_bright(image) / 255.0) ** -gamma
    gain = min(np.exp(rng.uniform(-_GAIN, _GAIN) * strength), max(1.0, room))
    curve = 255.0 * gain * (np.arange(256) / 255.0) ** gamma
    return u8(cv2.LUT(image, u8(np.clip(curve + 0.5, 0, 255))))


def _bright(image: Image) -> int:
    """The grey level that the brightest `_WHITE_SHARE` of all values reach, at least 1."""
    values = image.reshape(len(image), -1)
    counts = cv2.calcHist([values], [0], None, [256], [0, 256]).cumsum()
    return max(1, int(np.searchsorted(counts, (1 - _WHITE_SHARE) * values.size)))


def _noise(image: Image, rng: Generator, deviation: float) -> Image:
    """The same on all channels; of the sensor, so after the light."""
    noise = rng.standard_normal(image.shape[:2], dtype=np.float32) * np.float32(deviation)
    if image.ndim == 3:
        noise = np.asarray(cv2.merge([noise] * image.shape[2]))
    return u8(cv2.add(image, noise, dtype=cv2.CV_8U))


def dust(image: Image, rng: Generator, strength: float) -> None:
    """Lay a few soft specks on the picture (H, W) or (H, W, C), bright or dark, in place."""
    h, w = image.shape[:2]
    for _ in range(int(rng.integers(1, _SPECKS + 1))):
        sigma_px = max(0.4, rng.uniform(*DUST_SIGMA_PX) * min(h, w) / 224)
        bump = _speck(sigma_px) * rng.uniform(*DUST_LEVELS) * strength * rng.choice((-1.0, 1.0))
        y, x = int(rng.integers(h - len(bump) + 1)), int(rng.integers(w - len(bump) + 1))
        under = image[y : y + len(bump), x : x + len(bump)]
        bump = bump.reshape(*bump.shape, *[1] * (image.ndim - 2))
        under[...] = np.clip(under + bump + 0.5, 0, 255)


def _speck(sigma_px: float) -> NDArray[np.float64]:
    """A round bump of height 1, three standard deviations to each side."""
    reach = int(np.ceil(3 * sigma_px))
    profile = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    return np.outer(profile, profile)
