"""Synthetic defects on pictures of good parts: a shape (where) filled in some way (what).

They teach the good-only learner what a defect may look like, the deep learner what rare ones look
like, and the backbone's pretraining what "altered" means. Sizes are log-uniform: small defects are
the common ones.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.core.preprocess import Image

T = TypeVar("T")
Floats = NDArray[np.float32]
Shape = Callable[[tuple[int, int], Generator], Floats]  # -> opacity 0..1, (H, W)
Fill = Callable[[Floats, Floats, Floats, Generator], Floats]  # picture, opacity, donor -> picture

AREA_SHARE = (0.0006, 0.03)  # of the picture
CONTRAST = (0.35, 2.5)  # in standard deviations of the picture
VISIBLE_LEVELS = 5.0  # mean change of grey level on the defect, below which nobody could see it
TRIES = 5


def spoil(image: Image, donor: Image, rng: Generator) -> tuple[Image, Image]:
    """One or two defects on a good picture: (picture (H, W, C), mask (H, W) of 0 and 255).

    `donor` is another picture of the same shape; patches of it may be pasted.
    """
    spoilt, mask = _one(image, donor, rng)
    if rng.random() < 0.3:
        spoilt, second = _one(spoilt, donor, rng)
        mask = np.maximum(mask, second)
    return spoilt, mask


def _one(image: Image, donor: Image, rng: Generator) -> tuple[Image, Image]:
    """A defect that can be seen: fills that change nothing here are tried elsewhere."""
    clean, other = image.astype(np.float32), donor.astype(np.float32)
    for trial in range(TRIES):
        opacity = _pick(SHAPES, rng)(image.shape[:2], rng)
        fill = tint if trial == TRIES - 1 else _pick(FILLS, rng)
        filled = fill(clean, opacity, other, rng)
        spoilt = clean + (filled - clean) * opacity[..., None]
        change = np.abs(spoilt - clean).mean(axis=2)
        mask = opacity > 0.3
        if mask.any() and change[mask].mean() >= VISIBLE_LEVELS:
            break
    rounded = np.clip(spoilt + 0.5, 0, 255).astype(np.uint8)
    return rounded, np.where(mask, 255, 0).astype(np.uint8)


# Shapes ------------------------------------------------------------------------------------------


def scratch(size: tuple[int, int], rng: Generator) -> Floats:
    """A random walk, 1 to 4 pixels wide at 224; one in three is a fork."""
    side = min(size)
    width = rng.uniform(1.0, 4.0) * side / 224
    length = np.clip(_area(size, rng) / width, 0.04 * side, 0.8 * side)
    start, heading = _point(size, rng), rng.uniform(0, 2 * np.pi)
    lines = [_walk(start, heading, length, rng)]
    if rng.random() < 0.33:
        joint = lines[0][len(lines[0]) // 2]
        lines.append(_walk(joint, heading + rng.uniform(0.4, 1.2), length / 2, rng))
    return _stroke(size, lines, width)


def scar(size: tuple[int, int], rng: Generator) -> Floats:
    """A thin straight rectangle."""
    area, ratio = _area(size, rng), rng.uniform(3.0, 15.0)
    short = max(1.0, (area / ratio) ** 0.5)
    box = cv2.boxPoints((_point(size, rng), (short * ratio, short), rng.uniform(0, 180)))
    return _polygon(size, np.asarray(box))


def blob(size: tuple[int, int], rng: Generator) -> Floats:
    """A patch with a noisy edge, sharp or soft."""
    radius = (_area(size, rng) / np.pi) ** 0.5
    (x, y), angles = _point(size, rng), np.linspace(0, 2 * np.pi, 24, endpoint=False)
    stretch, turn = rng.uniform(1.0, 2.0), rng.uniform(0, np.pi)
    reach = radius * np.exp(_smooth_noise(24, rng) * rng.uniform(0.05, 0.5))
    along, across = reach * np.cos(angles) * stretch, reach * np.sin(angles) / stretch
    points = np.stack(
        [
            x + along * np.cos(turn) - across * np.sin(turn),
            y + along * np.sin(turn) + across * np.cos(turn),
        ],
        axis=1,
    )
    opacity = _polygon(size, points)
    soft = rng.uniform(0.0, 0.4) * radius
    return _blur(opacity, soft) if soft > 0.5 else opacity


SHAPES: tuple[Shape, ...] = (scratch, scratch, scar, blob, blob, blob)


def _area(size: tuple[int, int], rng: Generator) -> float:
    low, high = np.log(AREA_SHARE[0]), np.log(AREA_SHARE[1])
    return float(np.exp(rng.uniform(low, high))) * size[0] * size[1]


def _point(size: tuple[int, int], rng: Generator) -> tuple[float, float]:
    """(x, y), not at the very edge."""
    return (
        float(rng.uniform(0.05, 0.95) * size[1]),
        float(rng.uniform(0.05, 0.95) * size[0]),
    )


def _walk(start: tuple[float, float], heading: float, length: float, rng: Generator) -> Floats:
    steps = 12
    turns = rng.normal(0.0, rng.choice([0.05, 0.25, 0.5]), steps).cumsum()
    headings = heading + turns
    moves = np.stack([np.cos(headings), np.sin(headings)], axis=1) * length / steps
    path = np.asarray(start) + np.concatenate([np.zeros((1, 2)), moves.cumsum(axis=0)])
    return np.asarray(path, dtype=np.float32)


def _smooth_noise(n: int, rng: Generator) -> Floats:
    """Normal noise around a circle of n points, each like its neighbours."""
    noise = rng.normal(0, 1, n)
    return np.asarray((np.roll(noise, 1) + 2 * noise + np.roll(noise, -1)) / 2.4, np.float32)


_SHIFT = 4  # bits of a pixel's fraction, in OpenCV's drawing


def _stroke(size: tuple[int, int], lines: list[Floats], width: float) -> Floats:
    canvas = np.zeros(size, np.uint8)
    points = [_fixed(line) for line in lines]
    cv2.polylines(canvas, points, False, 255, max(1, round(width)), cv2.LINE_AA, _SHIFT)
    return np.asarray(canvas / np.float32(255), dtype=np.float32)


def _polygon(size: tuple[int, int], points: NDArray[np.floating]) -> Floats:
    canvas = np.zeros(size, np.uint8)
    cv2.fillPoly(canvas, [_fixed(points)], 255, cv2.LINE_AA, _SHIFT)
    return np.asarray(canvas / np.float32(255), dtype=np.float32)


def _fixed(points: NDArray[np.floating]) -> NDArray[np.int32]:
    return np.round(points * (1 << _SHIFT)).astype(np.int32)


# Fills -------------------------------------------------------------------------------------------


def tint(image: Floats, opacity: Floats, donor: Floats, rng: Generator) -> Floats:
    """Brighter or darker, a little coloured, sometimes grainy."""
    del opacity, donor
    step = rng.uniform(*CONTRAST) * max(8.0, float(image.std())) * rng.choice([-1.0, 1.0])
    colour = step * (1.0 + rng.normal(0, 0.15, image.shape[2]))
    tinted = image + colour.astype(np.float32)
    if rng.random() < 0.4:
        grain = rng.normal(0, 0.3 * abs(step), image.shape[:2]).astype(np.float32)
        tinted = tinted + grain[..., None]
    return np.asarray(tinted, dtype=np.float32)


def paste(image: Floats, opacity: Floats, donor: Floats, rng: Generator) -> Floats:
    """What another part has somewhere else, turned, a little brighter or darker."""
    del opacity
    turned = donor[::-1, ::-1] if rng.random() < 0.5 else donor[:, ::-1]
    moved = np.roll(turned, _shift(image.shape, 0.4, rng), axis=(0, 1))
    return np.asarray(moved * np.float32(np.exp(rng.uniform(-0.3, 0.3))), dtype=np.float32)


def smear(image: Floats, opacity: Floats, donor: Floats, rng: Generator) -> Floats:
    """Structure that is blurred away."""
    del opacity, donor
    return _blur(image, rng.uniform(0.01, 0.03) * min(image.shape[:2]))


def displace(image: Floats, opacity: Floats, donor: Floats, rng: Generator) -> Floats:
    """Structure that is bent: the surroundings, a few pixels off."""
    del opacity, donor
    return np.roll(image, _shift(image.shape, 0.04, rng), axis=(0, 1))


def erase(image: Floats, opacity: Floats, donor: Floats, rng: Generator) -> Floats:
    """A piece that is missing: the colour of the picture's rim, where the ground shows."""
    del opacity, donor, rng
    rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return np.broadcast_to(np.median(rim, axis=0), image.shape)


FILLS: tuple[Fill, ...] = (tint, tint, tint, paste, paste, smear, displace, erase)


def _shift(shape: tuple[int, ...], share: float, rng: Generator) -> tuple[int, int]:
    """(dy, dx) of up to a share of each side, and at least a pixel or two."""
    reach = [max(3, round(share * side)) for side in shape[:2]]
    dy, dx = (int(rng.integers(2, r + 1)) * int(rng.choice([-1, 1])) for r in reach)
    return dy, dx


def _blur(array: Floats, sigma: float) -> Floats:
    """Gaussian; keeps the last axis, which OpenCV drops when it is 1."""
    blurred = cv2.GaussianBlur(array, (0, 0), max(0.3, sigma))
    return np.asarray(blurred, dtype=np.float32).reshape(array.shape)


def _pick(options: Sequence[T], rng: Generator) -> T:
    return options[int(rng.integers(len(options)))]
