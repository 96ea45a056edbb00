"""Shapes and strokes on one part, in the pixels of its own canvas.

Shapes are float32 maps (H, W) from 0, untouched, to 1. Lengths are drawing units (blanks.py).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.camera.arrays import Map, as_image, as_map
from edge.camera.blanks import Blank, Circle
from edge.core.preprocess import Image

Spot = tuple[float, float]  # x and y
Points = NDArray[np.float32]  # (N, 2), x and y
Rng = np.random.Generator

_VISIBLE = 0.25  # a map's value from which a defect counts as there


@dataclass(slots=True, eq=False)
class Piece:
    """One part under the brush; painters change it in place."""

    blank: Blank
    bgr: Image  # (H, W, 3)
    cover: Image  # (H, W), how much of the belt is hidden, by the part or by its shadow


def between(low: float, high: float, severity: float, rng: Rng) -> float:
    """Grows with severity, with a scatter of its own."""
    scatter = float(rng.uniform(-0.12, 0.12))
    return low + (high - low) * float(np.clip(severity + scatter, 0, 1))


def spot(piece: Piece, rng: Rng, room: float = 0) -> Spot:
    """A random place on the free surface, with so much of it around."""
    size = 2 * round(room * piece.blank.unit_px) + 1
    ys, xs = np.nonzero(cv2.erode(piece.blank.face, np.ones((size, size), np.uint8)))
    i = rng.integers(len(xs))
    return float(xs[i]), float(ys[i])


def offsets(piece: Piece, at: Spot) -> tuple[Map, Map]:
    """Each pixel's distance from a spot, in x and y."""
    h, w = piece.cover.shape
    x = np.arange(w, dtype=np.float32) - np.float32(at[0])
    y = np.arange(h, dtype=np.float32) - np.float32(at[1])
    return np.broadcast_to(x, (h, w)), np.broadcast_to(y[:, None], (h, w))


def curve(piece: Piece, at: Spot, length: float, bend: float, rng: Rng) -> Points:
    """A line through a spot whose direction wanders by about `bend` radians."""
    n = 24
    turns = np.cumsum(rng.normal(0, bend / n**0.5, n)) + rng.uniform(0, 2 * np.pi)
    line = np.cumsum(_steps(piece, turns, length), 0)
    return as_map(line - line[n // 2] + at)


def free_curve(piece: Piece, length: float, bend: float, rng: Rng) -> Points:
    """The one of a few random curves that lies on the free surface the most."""
    curves = [curve(piece, spot(piece, rng), length, bend, rng) for _ in range(5)]
    return max(curves, key=lambda line: _share_on(piece.blank.face, line))


def walk(piece: Piece, rim: Circle, length: float, rng: Rng) -> Points:
    """A jagged way outwards from a hole's rim."""
    n = 14
    out = rng.uniform(0, 2 * np.pi)
    turns = out + np.cumsum(rng.normal(0, 0.12, n)) + rng.normal(0, 0.45, n)
    start = np.array([rim.x_px + rim.r_px * np.cos(out), rim.y_px + rim.r_px * np.sin(out)])
    line = np.cumsum(_steps(piece, turns, length), 0)
    return as_map(start + line - line[0])


def curl(piece: Piece, at: Spot, radius: float, rng: Rng) -> Points:
    """A drawn-out spiral."""
    turn = np.linspace(0, rng.uniform(4, 9), 40) + rng.uniform(0, 6)
    reach = np.linspace(0.35, 1, 40) * radius
    line = np.stack([reach * np.cos(turn), reach * np.sin(turn)], 1)
    line[:, 0] += np.linspace(0, rng.uniform(0, 18), 40)
    return as_map(line * piece.blank.unit_px + at)


def arc(rim: Circle, length_px: float, reach_px: float, rng: Rng) -> Points:
    """A ragged line along a hole's rim that stands into the hole by up to `reach_px`."""
    n = 24
    angles = rng.uniform(0, 2 * np.pi) + np.linspace(0, min(length_px / rim.r_px, 5.0), n)
    ragged = np.clip(np.abs(np.cumsum(rng.normal(0, 0.45, n))), 0, 1.2)
    radii = rim.r_px - reach_px * ragged * np.sin(np.linspace(0.3, np.pi, n))
    x, y = rim.x_px + radii * np.cos(angles), rim.y_px + radii * np.sin(angles)
    return as_map(np.stack([x, y], 1))


def grains(piece: Piece, at: Spot, count: int, rng: Rng) -> Map:
    """A heap of small grains."""
    canvas = np.zeros(piece.cover.shape, np.uint8)
    unit = piece.blank.unit_px
    for _ in range(count):
        x, y = np.array(at) + rng.normal(0, 13 * unit, 2)
        a, b = np.maximum(1, rng.uniform(1.2, 3.6, 2) * unit)
        size = (round(a), round(b))
        tilt_deg = rng.uniform(0, 180)
        cv2.ellipse(canvas, (round(x), round(y)), size, tilt_deg, 0, 360, 255, -1, cv2.LINE_AA)
    return _softened(piece, canvas, 0.6)


def stroke(piece: Piece, line: Points, width: float, rng: Rng) -> Map:
    """The line, drawn with a pressure that comes and goes."""
    canvas = np.zeros(piece.cover.shape, np.uint8)
    thickness = max(1, round(width * piece.blank.unit_px))
    pressure = np.convolve(rng.uniform(0.35, 1.0, len(line) + 1), np.ones(3) / 3, "valid")
    ends = np.round(line * 8).astype(np.int32)
    for a, b, press in zip(ends[:-1], ends[1:], pressure, strict=True):
        cv2.line(canvas, a, b, int(255 * press), thickness, cv2.LINE_AA, 3)
    return _softened(piece, canvas, 0.55)


def blot(piece: Piece, at: Spot, radius: float, roughness: float, rng: Rng) -> Map:
    """An irregular patch with soft edges."""
    dx, dy = offsets(piece, at)
    angle = np.arctan2(dy, dx)
    reach = np.ones_like(angle)
    for wave in range(2, 7):
        size = roughness * rng.normal(0, 1) / wave
        reach += as_map(size * np.cos(wave * angle + rng.uniform(0, 6.3)))
    away = np.hypot(dx, dy) / (radius * piece.blank.unit_px * np.maximum(reach, 0.3))
    return as_map(np.clip((1.15 - away) / 0.3, 0, 1))


def rough(piece: Piece, rng: Rng) -> Map:
    """The grain of broken metal: around 0, mostly within 1."""
    noise = rng.standard_normal(piece.cover.shape, np.float32)
    noise = as_map(cv2.GaussianBlur(noise, (0, 0), 1.6 * piece.blank.unit_px))
    return as_map(0.5 * noise / noise.std())


def grown(area: Map, by_px: float) -> Map:
    """The area with a seam around it."""
    size = 2 * max(1, round(by_px)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return as_map(cv2.dilate(area, kernel))


def beside(area: Map, by_px: int) -> Map:
    """The area's shadow: moved to the lower right, where the area itself is not."""
    return as_map(np.roll(area, (by_px, by_px), (0, 1)) * (1 - area))


def metal(piece: Piece) -> Map:
    """1 on the part's surface, 0 beside it and in its holes."""
    return as_map(piece.blank.metal / 255.0)


def multiply(piece: Piece, gain: NDArray[np.floating]) -> None:
    """`gain` is (H, W), or (H, W, 3) for a tint."""
    gain = gain if gain.ndim == 3 else gain[..., None]
    piece.bgr[...] = as_image(piece.bgr * gain)


def add(piece: Piece, light: Map) -> None:
    piece.bgr[...] = as_image(piece.bgr + light[..., None])


def mask(area: Map) -> Image:
    return as_image((area > _VISIBLE) * 255)


def _share_on(area: Image, line: Points) -> float:
    h, w = area.shape
    x, y = np.round(line).astype(int).T
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    return float(np.count_nonzero(area[y[inside], x[inside]])) / len(line)


def _steps(piece: Piece, turns: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    step = length * piece.blank.unit_px / len(turns)
    return np.stack([np.cos(turns), np.sin(turns)], 1) * step


def _softened(piece: Piece, canvas: Image, sigma: float) -> Map:
    return as_map(cv2.GaussianBlur(canvas, (0, 0), sigma * piece.blank.unit_px) / 255.0)
