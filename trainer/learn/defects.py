"""Synthetic defects on pictures of good parts: a shape (where) filled in some way (what).

They teach the good-only learner what a defect may look like, the deep learner what rare ones look
like, and the backbone's pretraining what "altered" means. Sizes are log-uniform: small defects are
the common ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.core.preprocess import Image

T = TypeVar("T")
Floats = NDArray[np.float32]
Size = tuple[int, int]  # height and width
Point = tuple[float, float]  # x and y
Box = tuple[slice, slice]  # rows and columns

AREA_SHARE = (0.0006, 0.03)  # of the picture
CONTRAST = (0.35, 2.5)  # in standard deviations of the picture
EDGE_PX = (0.3, 1.0)  # at 224 px: no lens draws sharper
VISIBLE_LEVELS = 5.0  # change of grey level, fine texture aside, below which nobody sees a defect
ON_THE_PART = 0.8  # of the defects, where the part lies on a plain ground
TRIES = 5
_PLAIN, _OFF_GROUND = 12.0, 30.0  # grey levels: how even a ground is, how far from it the part


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fill may look at: the piece of the picture around the defect, floats (h, w, C)."""

    clean: Floats
    donor: Floats  # a piece of another picture, of the same size
    contrast: float  # standard deviation of the whole picture
    ground: Floats  # (C,), the colour of its rim
    side_px: int  # of the whole picture, the shorter one


Shape = Callable[[Size, Point, Generator], Floats]  # -> opacity 0..1, (H, W), about a point
Fill = Callable[[Scene, Generator], Floats]  # -> what the piece would be, were it all defect


def spoil(image: Image, donor: Image, rng: Generator) -> tuple[Image, Image]:
    """One or two defects on a good picture: (picture (H, W, C), mask (H, W) of 0 and 255).

    `donor` is another picture of the same shape; patches of it may be pasted.
    """
    spoilt, mask = image.copy(), np.zeros(image.shape[:2], np.uint8)
    ground, spread = _rim(image)
    part = _part(image, ground) if spread < _PLAIN else None
    for _ in range(2 if rng.random() < 0.3 else 1):
        _add(spoilt, mask, donor, ground, part, rng)
    return spoilt, mask


def _add(
    image: Image, mask: Image, donor: Image, ground: Floats, part: Image | None, rng: Generator
) -> None:
    """A defect that can be seen, in place: what changes nothing here is tried elsewhere."""
    size, contrast = image.shape[:2], float(np.asarray(cv2.meanStdDev(image)[1]).mean())
    for trial in range(TRIES):
        drawn = _pick(SHAPES, rng)(size, _place(size, part, rng), rng)
        box = _around(drawn > 0)
        opacity = _blur(drawn[box], rng.uniform(*EDGE_PX) * min(size) / 224)
        clean, marked = image[box], opacity > 0.3
        other = donor[_elsewhere(size, clean.shape, rng)]
        scene = Scene(_floats(clean), _floats(other), contrast, ground, min(size))
        filled = (tint if trial == TRIES - 1 else _pick(FILLS, rng))(scene, rng)
        blend = scene.clean + (filled - scene.clean) * opacity[..., None]
        spoilt = np.clip(blend + 0.5, 0, 255).astype(np.uint8)
        if marked.any() and visible(clean, spoilt, marked) >= VISIBLE_LEVELS:
            break
    image[box] = spoilt
    mask[box][marked] = 255


def visible(clean: Image, spoilt: Image, marked: NDArray[np.bool_]) -> float:
    """Mean change of grey level where `marked`, after a blur: texture that only moved is none."""
    change = _floats(spoilt) - _floats(clean)
    return float(np.abs(_blur(change, 1.2))[marked].mean())


def _floats(array: Image) -> Floats:
    return array.astype(np.float32)


# Places ------------------------------------------------------------------------------------------


def _rim(image: Image) -> tuple[Floats, float]:
    """(colour of the rim, how far its pixels lie from it on average)."""
    rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]).astype(np.float32)
    ground = np.median(rim, axis=0)
    return ground, float(np.abs(rim - ground).mean())


def _part(image: Image, ground: Floats) -> Image | None:
    """(H, W), above 0 where the picture is not ground; None if that is nothing, or nearly all."""
    is_ground = cv2.inRange(image, ground - _OFF_GROUND, ground + _OFF_GROUND)
    off = np.asarray(cv2.bitwise_not(is_ground), dtype=np.uint8)
    return off if 0.02 < np.count_nonzero(off) / off.size < 0.9 else None


def _place(size: Size, part: Image | None, rng: Generator) -> Point:
    """On the part, mostly; not at the very edge of the picture."""
    if part is not None and rng.random() < ON_THE_PART:
        y, x = divmod(int(rng.choice(np.flatnonzero(part))), size[1])
        return float(x), float(y)
    return float(rng.uniform(0.05, 0.95) * size[1]), float(rng.uniform(0.05, 0.95) * size[0])


def _around(where: NDArray[np.bool_]) -> Box:
    """The box of what is marked and a margin, within the picture; all of it if nothing is."""
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    if not len(rows):
        return slice(None), slice(None)
    margin = max(4, min(where.shape) // 12)
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + margin + 1),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + margin + 1),
    )


def _elsewhere(size: Size, piece: tuple[int, ...], rng: Generator) -> Box:
    """A piece of that size, anywhere."""
    y, x = (int(rng.integers(all_ - part + 1)) for all_, part in zip(size, piece, strict=False))
    return slice(y, y + piece[0]), slice(x, x + piece[1])


# Shapes ------------------------------------------------------------------------------------------


def scratch(size: Size, at: Point, rng: Generator) -> Floats:
    """A random walk, 1 to 4 pixels wide at 224; one in three is a fork."""
    side = min(size)
    width = rng.uniform(1.0, 4.0) * side / 224
    length = np.clip(_area(size, rng) / width, 0.04 * side, 0.8 * side)
    heading = rng.uniform(0, 2 * np.pi)
    lines = [_walk(at, heading, length, rng)]
    if rng.random() < 0.33:
        joint = lines[0][len(lines[0]) // 2]
        lines.append(_walk(joint, heading + rng.uniform(0.4, 1.2), length / 2, rng))
    return _stroke(size, lines, width)


def scar(size: Size, at: Point, rng: Generator) -> Floats:
    """A thin straight rectangle."""
    area, ratio = _area(size, rng), rng.uniform(3.0, 15.0)
    short = max(1.0, (area / ratio) ** 0.5)
    box = cv2.boxPoints((at, (short * ratio, short), rng.uniform(0, 180)))
    return _polygon(size, np.asarray(box))


def blob(size: Size, at: Point, rng: Generator) -> Floats:
    """A patch with a noisy edge, sharp or soft."""
    radius = (_area(size, rng) / np.pi) ** 0.5
    (x, y), angles = at, np.linspace(0, 2 * np.pi, 24, endpoint=False)
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


def _area(size: Size, rng: Generator) -> float:
    low, high = np.log(AREA_SHARE[0]), np.log(AREA_SHARE[1])
    return float(np.exp(rng.uniform(low, high))) * size[0] * size[1]


def _walk(start: Point, heading: float, length: float, rng: Generator) -> Floats:
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


def _stroke(size: Size, lines: list[Floats], width: float) -> Floats:
    canvas = np.zeros(size, np.uint8)
    points = [_fixed(line) for line in lines]
    cv2.polylines(canvas, points, False, 255, max(1, round(width)), cv2.LINE_AA, _SHIFT)
    return np.asarray(canvas / np.float32(255), dtype=np.float32)


def _polygon(size: Size, points: NDArray[np.floating]) -> Floats:
    canvas = np.zeros(size, np.uint8)
    cv2.fillPoly(canvas, [_fixed(points)], 255, cv2.LINE_AA, _SHIFT)
    return np.asarray(canvas / np.float32(255), dtype=np.float32)


def _fixed(points: NDArray[np.floating]) -> NDArray[np.int32]:
    return np.round(points * (1 << _SHIFT)).astype(np.int32)


# Fills -------------------------------------------------------------------------------------------


def tint(scene: Scene, rng: Generator) -> Floats:
    """Brighter or darker, sometimes rough; a little coloured where there is colour at all."""
    step = max(2 * VISIBLE_LEVELS, rng.uniform(*CONTRAST) * scene.contrast)
    step *= rng.choice([-1.0, 1.0])
    if not 0 <= scene.clean.mean() + step <= 255:  # there would be nothing to see
        step = -step
    stain = np.asarray(rng.normal(0, 0.15, scene.clean.shape[2]))
    if (scene.clean == scene.clean[..., :1]).all():  # grey, whatever its channels
        stain[:] = stain[0]
    tinted = scene.clean + (step * (1.0 + stain)).astype(np.float32)
    if rng.random() < 0.4:
        tinted = tinted + _grain(scene.clean.shape[:2], 0.2 * abs(step), rng)[..., None]
    return np.asarray(tinted, dtype=np.float32)


def paste(scene: Scene, rng: Generator) -> Floats:
    """What another part has somewhere else, turned, a little brighter or darker."""
    turned = scene.donor[::-1, ::-1] if rng.random() < 0.5 else scene.donor[:, ::-1]
    return np.asarray(turned * np.float32(np.exp(rng.uniform(-0.3, 0.3))), dtype=np.float32)


def smear(scene: Scene, rng: Generator) -> Floats:
    """Structure that is blurred away."""
    return _blur(scene.clean, rng.uniform(0.01, 0.03) * scene.side_px)


def displace(scene: Scene, rng: Generator) -> Floats:
    """Structure that is bent: the surroundings, a few pixels off."""
    reach = max(3, round(0.04 * scene.side_px))
    steps = [int(rng.integers(2, reach + 1)) * int(rng.choice([-1, 1])) for _ in range(2)]
    return np.roll(scene.clean, steps, axis=(0, 1))


def erase(scene: Scene, rng: Generator) -> Floats:
    """A piece that is missing: the colour of the picture's rim, where the ground shows."""
    del rng
    return np.broadcast_to(scene.ground, scene.clean.shape)


FILLS: tuple[Fill, ...] = (tint, tint, tint, paste, paste, smear, displace, erase)


def _grain(size: Size, deviation: float, rng: Generator) -> Floats:
    """Roughness: noise that is as soft as the picture."""
    noise = _blur(rng.standard_normal((*size, 1), dtype=np.float32), 0.8)[..., 0]
    return np.asarray(noise * (deviation / max(1e-6, float(noise.std()))), dtype=np.float32)


def _blur(array: Floats, sigma: float) -> Floats:
    """Gaussian; keeps the last axis, which OpenCV drops when it is 1."""
    blurred = cv2.GaussianBlur(array, (0, 0), max(0.3, sigma))
    return np.asarray(blurred, dtype=np.float32).reshape(array.shape)


def _pick(options: Sequence[T], rng: Generator) -> T:
    return options[int(rng.integers(len(options)))]
