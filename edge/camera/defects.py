"""How a defect looks: one painter per kind, from hardly visible to obvious.

A painter changes the piece in place and returns where: 0..1, (H, W). Lengths are drawing units
(blanks.py).
"""

from collections.abc import Callable

import cv2
import numpy as np

from edge.camera.arrays import Map, as_image, as_map
from edge.camera.blanks import LIGHT
from edge.camera.brush import (
    Piece,
    Rng,
    add,
    arc,
    beside,
    between,
    blot,
    curl,
    curve,
    free_curve,
    grains,
    grown,
    mask,
    metal,
    multiply,
    offsets,
    rough,
    spot,
    stroke,
    walk,
)
from edge.core.preprocess import Image

Painter = Callable[[Piece, float, Rng], Map]


def paint(piece: Piece, kind: str, severity: float, rng: Rng) -> Image:
    """Give the piece a defect; returns its mask, (H, W) of 0 and 255."""
    return mask(_PAINTERS[kind](piece, severity, rng))


def _scratch(piece: Piece, severity: float, rng: Rng) -> Map:
    line = free_curve(piece, between(45, 200, severity, rng), 0.3, rng)
    core = stroke(piece, line, between(1.5, 3.2, severity, rng), rng) * metal(piece)
    depth = between(0.24, 0.70, severity, rng)
    bright = 1 if rng.random() < 0.4 else -1
    multiply(piece, 1 + bright * depth * (core - 0.5 * beside(core, 2) * metal(piece)))
    return core


def _crack(piece: Piece, severity: float, rng: Rng) -> Map:
    """From the rim of a hole outwards, in a jagged line, often with a branch."""
    rim = piece.blank.rims[rng.integers(len(piece.blank.rims))]
    line = walk(piece, rim, between(40, 150, severity, rng), rng)
    core = stroke(piece, line, between(1.4, 2.8, severity, rng), rng)
    if rng.random() < 0.5:
        branch = walk(piece, rim, between(20, 60, severity, rng), rng)
        fork = line[len(line) // 2]
        core = as_map(np.maximum(core, stroke(piece, branch - branch[0] + fork, 1.4, rng)))
    core *= metal(piece)
    multiply(piece, 1 - between(0.42, 0.9, severity, rng) * core)
    return core


def _dent(piece: Piece, severity: float, rng: Rng) -> Map:
    """A hollow: its slope towards the lamp is dark, the one away from it bright."""
    radius = between(9, 24, severity, rng) * piece.blank.unit_px
    dx, dy = offsets(piece, spot(piece, rng, room=8))
    stretch = rng.uniform(0.75, 1.3)
    inside = np.exp(-1.6 * ((dx / (radius * stretch)) ** 2 + (dy * stretch / radius) ** 2))
    inside *= metal(piece)
    towards_light = (dx * LIGHT[0] + dy * LIGHT[1]) / radius
    steepness = between(0.65, 1.5, severity, rng)
    multiply(piece, 1 - (steepness * towards_light + 0.12) * inside)
    return as_map(inside)


_STAINS = (  # the share of blue, green and red that is lost
    (0.80, 0.62, 0.50),  # oil
    (0.95, 0.55, 0.30),  # rust
    (0.60, 0.65, 0.67),  # soot
    (-0.50, -0.55, -0.58),  # dried coolant: brighter than the metal
)


def _stain(piece: Piece, severity: float, rng: Rng) -> Map:
    area = blot(piece, spot(piece, rng), between(17, 46, severity, rng), 0.35, rng)
    area *= metal(piece)
    tint = np.array(_STAINS[rng.integers(len(_STAINS))], np.float32)
    multiply(piece, 1 - between(0.22, 0.70, severity, rng) * area[..., None] * tint)
    return area


def _chip(piece: Piece, severity: float, rng: Rng) -> Map:
    """Broken off at the outline: the belt shows, and a rough seam of fracture."""
    contours, _ = cv2.findContours(piece.blank.alpha, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=len)[:, 0, :]
    x, y = outline[rng.integers(len(outline))]
    radius = between(9, 28, severity, rng)
    gone = as_map(np.clip(6 * blot(piece, (float(x), float(y)), radius, 0.30, rng) - 2, 0, 1))
    seam = grown(gone, (2 + 0.18 * radius) * piece.blank.unit_px) * (1 - gone)
    multiply(piece, (1 + seam * (0.28 * rough(piece, rng) - 0.06)) * (1 - gone))
    piece.cover[...] = as_image(np.minimum(piece.cover, 255 - 190 * gone))
    return as_map(np.maximum(gone, seam) * (piece.blank.alpha > 127))


def _missing_hole(piece: Piece, severity: float, rng: Rng) -> Map:
    """Not drilled; at low severity begun and given up: too narrow."""
    hole = piece.blank.holes[rng.integers(len(piece.blank.holes))]
    away = np.hypot(*offsets(piece, (hole.x_px, hole.y_px)))
    kept_px = hole.r_px * max(0.0, 0.6 - 0.9 * severity)
    filled = np.clip(hole.r_px + 2.0 - away, 0, 1) * np.clip(away - kept_px, 0, 1)
    flat_x, flat_y = piece.blank.flat
    shift = (round(hole.y_px - flat_y), round(hole.x_px - flat_x))
    surface = as_map(np.roll(piece.bgr, shift, (0, 1)))
    piece.bgr[...] = as_image(piece.bgr + filled[..., None] * (surface - piece.bgr))
    return as_map(filled)


def _burr(piece: Piece, severity: float, rng: Rng) -> Map:
    """A curl of metal left at an edge: bright, with a shadow beside it."""
    rim = piece.blank.rims[rng.integers(len(piece.blank.rims))]
    unit = piece.blank.unit_px
    length_px = between(26, 62, severity, rng) * unit
    line = arc(rim, length_px, between(3.5, 8, severity, rng) * unit, rng)
    core = stroke(piece, line, between(2.6, 5.0, severity, rng), rng)
    shadow = beside(core, 3)
    multiply(piece, 1 - 0.5 * shadow)
    add(piece, core * between(85, 140, severity, rng))
    return as_map(np.maximum(core, shadow))


def _contamination(piece: Piece, severity: float, rng: Rng) -> Map:
    """Something lies on the part: bright swarf, a dark fibre, or grains."""
    at, light = spot(piece, rng, room=5), 0.0
    darkness = between(0.48, 0.88, severity, rng)
    match int(rng.integers(3)):
        case 0:
            core = stroke(piece, curl(piece, at, between(7, 18, severity, rng), rng), 2.6, rng)
            darkness, light = 0.2, between(65, 120, severity, rng)
        case 1:
            line = curve(piece, at, between(45, 120, severity, rng), 1.6, rng)
            core = stroke(piece, line, between(1.7, 2.8, severity, rng), rng)
        case _:
            core = grains(piece, at, round(between(4, 12, severity, rng)), rng)
    multiply(piece, (1 - darkness * core) * (1 - 0.35 * beside(core, 2)))
    add(piece, core * light)
    return core


_PAINTERS: dict[str, Painter] = {
    "scratch": _scratch,
    "crack": _crack,
    "dent": _dent,
    "stain": _stain,
    "chip": _chip,
    "missing_hole": _missing_hole,
    "burr": _burr,
    "contamination": _contamination,
}
