"""Procedural pictures to learn seeing from: materials, patterns and part-like drawings.

No outside data, so no outside licence. A picture is a field of values 0..1, often bent and mixed
with a second one, coloured by a random palette; half of them grey, as most inspection cameras are.
Families: fractal noise, brushed metal, gratings and weaves, dot lattices, grains, dead leaves
(Lee, Mumford & Huang 2001), drawings of parts.
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
Field = Callable[[int, Generator], Floats]  # -> values about 0..1, (side, side)


def draw(side_px: int, rng: Generator) -> Image:
    """A picture (side, side, 3) that nobody has seen."""
    field = _pick(FIELDS, rng)(side_px, rng)
    if rng.random() < 0.5:
        field = _bend(field, rng)
    if rng.random() < 0.6:
        field = _mix(field, _pick(FIELDS, rng)(side_px, rng), rng)
    picture = _colour(_levels(field), rng)
    if rng.random() < 0.3:
        picture = _leaf_over(picture, rng)
    return picture


# Fields ------------------------------------------------------------------------------------------


def fractal(side: int, rng: Generator) -> Floats:
    """Noise at several scales; the exponent says how rough."""
    roughness = rng.uniform(0.3, 1.1)
    field, weight, cells = np.zeros((side, side), np.float32), 1.0, int(rng.integers(2, 6))
    while cells < side:
        field += weight * _noise(side, cells, cells, rng)
        weight, cells = weight * roughness, cells * 2
    return field


def brushed(side: int, rng: Generator) -> Floats:
    """Long thin streaks in one direction."""
    field = _noise(side, side // int(rng.integers(1, 4)), int(rng.integers(1, 6)), rng)
    field += rng.uniform(0.2, 1.0) * _noise(side, side // 2, int(rng.integers(4, 24)), rng)
    return _turn(field, rng)


def grating(side: int, rng: Generator) -> Floats:
    """Stripes, soft or hard; two of them crossed are a weave."""
    waves = np.sin(_phase(side, rng))
    if rng.random() < 0.5:
        second = np.sin(_phase(side, rng))
        waves = waves * second if rng.random() < 0.5 else np.maximum(waves, second)
    return np.asarray(np.tanh(waves * rng.uniform(0.5, 6.0)), dtype=np.float32)


def lattice(side: int, rng: Generator) -> Floats:
    """Dots, rings or squares on a regular or slightly disturbed grid."""
    x, y = _grid(side)
    pitch, angle, skew = rng.uniform(6, 48), rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5)
    u = (x * np.cos(angle) + y * np.sin(angle)) / pitch
    v = (y * np.cos(angle) - x * np.sin(angle)) / (pitch * rng.uniform(0.6, 1.4)) + skew * u
    if rng.random() < 0.3:
        v = v + 0.5 * (np.floor(u) % 2)
    du, dv = u - np.floor(u) - 0.5, v - np.floor(v) - 0.5
    distance = np.maximum(abs(du), abs(dv)) if rng.random() < 0.3 else np.hypot(du, dv)
    radius, edge = rng.uniform(0.08, 0.4), rng.uniform(0.02, 0.15)
    if rng.random() < 0.2:
        distance = abs(distance - radius)
        radius *= 0.3
    return np.asarray(
        1 / (1 + np.exp(np.clip((distance - radius) / edge * 4, -30, 30))), np.float32
    )


def grains(side: int, rng: Generator) -> Floats:
    """Cells around random seeds (Voronoi), each with its own value, with or without borders."""
    seeds = np.full((side, side), 255, np.uint8)
    n = int(np.exp(rng.uniform(np.log(12), np.log(600))))
    seeds[rng.integers(0, side, n), rng.integers(0, side, n)] = 0
    distance, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP
    )
    field = rng.uniform(0, 1, labels.max() + 1).astype(np.float32)[labels]
    inside = distance / max(1.0, float(distance.max()))
    return np.asarray(field + rng.uniform(-1.0, 1.0) * inside, dtype=np.float32)


def leaves(side: int, rng: Generator) -> Floats:
    """Shapes of many sizes that cover each other, the large ones first."""
    canvas = np.full((side, side), rng.uniform(0, 255), np.uint8)
    sizes = np.sort(side * 0.4 * rng.power(0.4, int(rng.integers(20, 160))))[::-1]
    for size in np.maximum(sizes, 2.0):
        _shape(canvas, size, rng)
    return np.asarray(canvas / np.float32(255), dtype=np.float32)


def drawing(side: int, rng: Generator) -> Floats:
    """A part on its ground: a body, and holes, slots, letters and ribs in and around it."""
    canvas = np.full((side, side), rng.uniform(0, 255), np.uint8)
    _shape(canvas, side * rng.uniform(0.25, 0.5), rng, centre=(side / 2, side / 2))
    for _ in range(int(rng.integers(2, 14))):
        kind = rng.random()
        if kind < 0.5:
            _shape(canvas, side * rng.uniform(0.02, 0.15), rng)
        elif kind < 0.75:
            _line(canvas, rng)
        else:
            _letters(canvas, rng)
    return np.asarray(canvas / np.float32(255), dtype=np.float32)


FIELDS: tuple[Field, ...] = (
    fractal,
    brushed,
    grating,
    lattice,
    lattice,
    grains,
    leaves,
    leaves,
    drawing,
    drawing,
)


def _noise(side: int, rows: int, columns: int, rng: Generator) -> Floats:
    """Normal noise of a few cells, made large and smooth."""
    small = rng.standard_normal((max(2, rows), max(2, columns)), dtype=np.float32)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def _grid(side: int) -> tuple[Floats, Floats]:
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    return x, y


def _phase(side: int, rng: Generator) -> Floats:
    x, y = _grid(side)
    angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(4), np.log(80)))
    turned = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / period)
    return np.asarray(turned + rng.uniform(0, 2 * np.pi), dtype=np.float32)


def _turn(field: Floats, rng: Generator) -> Floats:
    side = len(field)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(0, 180), 1.42)
    turned = cv2.warpAffine(field, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(turned, dtype=np.float32)


def _shape(
    canvas: Image, size: float, rng: Generator, centre: tuple[float, float] | None = None
) -> None:
    """Fill an ellipse, a rectangle or a polygon, sometimes only its outline."""
    side = len(canvas)
    x, y = centre or rng.uniform(-0.05, 1.05, 2) * side
    grey, angle = float(rng.uniform(0, 255)), rng.uniform(0, 360)
    thickness = -1 if rng.random() < 0.85 else max(1, round(size * 0.1))
    ratio = rng.uniform(0.3, 1.0)
    if rng.random() < 0.5:
        axes = (max(1, round(size)), max(1, round(size * ratio)))
        cv2.ellipse(canvas, (round(x), round(y)), axes, angle, 0, 360, grey, thickness, cv2.LINE_AA)
        return
    corners = int(rng.integers(3, 9))
    angles = np.radians(angle) + np.linspace(0, 2 * np.pi, corners, endpoint=False)
    reach = size * rng.uniform(ratio, 1.0, corners)
    points = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], axis=1)
    outline = np.round(points).astype(np.int32)
    if thickness < 0:
        cv2.fillPoly(canvas, [outline], grey, cv2.LINE_AA)
    else:
        cv2.polylines(canvas, [outline], True, grey, thickness, cv2.LINE_AA)


def _line(canvas: Image, rng: Generator) -> None:
    ends = rng.integers(0, len(canvas), 4).tolist()
    width, grey = int(rng.integers(1, 8)), float(rng.uniform(0, 255))
    cv2.line(canvas, tuple(ends[:2]), tuple(ends[2:]), grey, width, cv2.LINE_AA)


def _letters(canvas: Image, rng: Generator) -> None:
    text = "".join(chr(int(c)) for c in rng.integers(48, 91, int(rng.integers(1, 7))))
    place = tuple(rng.integers(0, len(canvas), 2).tolist())
    scale, width = float(rng.uniform(0.3, 2.0)), int(rng.integers(1, 4))
    font, grey = int(rng.integers(0, 8)), float(rng.uniform(0, 255))
    cv2.putText(canvas, text, place, font, scale, grey, width, cv2.LINE_AA)


# What becomes of fields --------------------------------------------------------------------------


def _bend(field: Floats, rng: Generator) -> Floats:
    side = len(field)
    x, y = _grid(side)
    cells, reach = int(rng.integers(2, 9)), rng.uniform(0.01, 0.08) * side
    dx, dy = (_noise(side, cells, cells, rng) * np.float32(reach) for _ in range(2))
    bent = cv2.remap(field, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(bent, dtype=np.float32)


def _mix(field: Floats, other: Floats, rng: Generator) -> Floats:
    """Add, multiply, or put one beside the other behind a border that a third field draws."""
    one, two = _levels(field), _levels(other)
    kind = rng.random()
    if kind < 0.35:
        return one + np.float32(rng.uniform(0.05, 0.8)) * two
    if kind < 0.5:
        return one * two
    border = _levels(_pick((fractal, leaves, grains, drawing), rng)(len(field), rng))
    return np.where(border > rng.uniform(0.3, 0.7), one, two)


def _levels(field: Floats) -> Floats:
    """Stretched to 0..1 between the 1st and the 99th percentile of a coarse sample."""
    low, high = np.percentile(field[::4, ::4], (1, 99))
    return np.asarray(np.clip((field - low) / max(high - low, 1e-6), 0, 1), dtype=np.float32)


def _colour(field: Floats, rng: Generator) -> Image:
    """Through a random palette: grey for half of the pictures, seldom with full contrast."""
    palette = _palette(rng)
    codes = np.round(field * 255).astype(np.uint8)
    return np.asarray(palette[codes], dtype=np.uint8)


def _palette(rng: Generator) -> NDArray[np.uint8]:
    """(256, 3), smooth."""
    along = np.linspace(0, 1, 256, dtype=np.float32) ** np.exp(rng.uniform(-0.9, 0.9))
    low, high = np.sort(rng.uniform(0, 255, 2))
    low, high = min(low, 200.0), max(high, low + 30.0)
    if rng.random() < 0.5:
        low, high = high, low
    grey = low + (high - low) * along[:, None].repeat(3, axis=1)
    if rng.random() < 0.5:
        knots = rng.uniform(0, 255, (int(rng.integers(2, 5)), 3)).astype(np.float32)
        colour = cv2.resize(knots, (3, 256), interpolation=cv2.INTER_LINEAR)
        grey = grey + rng.uniform(0.1, 1.0) * (colour - grey)
    return np.asarray(np.clip(grey, 0, 255), dtype=np.uint8)


def _leaf_over(picture: Image, rng: Generator) -> Image:
    """A few sharp shapes in front, of colours of their own."""
    side = len(picture)
    mask = np.zeros((side, side), np.uint8)
    for _ in range(int(rng.integers(1, 6))):
        _shape(mask, side * rng.uniform(0.02, 0.3), rng)
    front = _colour(_levels(_pick(FIELDS, rng)(side, rng)), rng)
    share = (mask > 60)[..., None]
    return np.where(share, front, picture)


def _pick(options: Sequence[T], rng: Generator) -> T:
    return options[int(rng.integers(len(options)))]
