"""The good part as maps: a machined flange, seen from the top and at its rim.

A part's relief is drawn once as a height map at double resolution, lit from the top left, and
shrunk; what differs from part to part (texture, pose, colour) is laid over it in scene.py.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.camera.arrays import Map, as_image, as_map
from edge.core.preprocess import Image

LIGHT = (-0.50, -0.60)  # where the light comes from, in the picture plane: top left
_FINE = 2  # supersampling


@dataclass(frozen=True, slots=True)
class Circle:
    x_px: float
    y_px: float
    r_px: float


@dataclass(frozen=True, slots=True, eq=False)
class Blank:
    """One face of the part without texture and colour. Maps are (H, W), uint8."""

    unit_px: float  # pixels per unit of the drawing; 1.0 where a frame is 480 px high
    shade: Image  # brightness under the lamp
    alpha: Image  # 255 on the part, 0 beside it
    cover: Image  # how much of the belt is hidden, by the part or by its shadow
    metal: Image  # 255 on the part's surface, 0 beside it and in holes
    face: Image  # 255 where the surface is flat and free: here defects can lie
    turned: Image  # 255 where the surface was turned, not brushed
    round_turning: bool  # turned in rings around the middle; seen from the side, in lines
    holes: tuple[Circle, ...]  # one of these can be missing
    rims: tuple[Circle, ...]  # edges at which a burr can stand
    flat: tuple[float, float]  # the middle of a free place, larger than a hole
    serial: tuple[float, float]  # where the serial number is engraved, bottom left of the text


def flange_top(unit_px: float) -> Blank:
    """The flange from above: a plate with a turned hub, a groove, and drilled holes."""
    drawing = _Drawing(420, 420, unit_px)
    away = drawing.away(0, 0)
    drawing.body(_rounded_box(drawing.x, drawing.y, 186, 186, 54), chamfer=6)
    drawing.height += _step(104 - away, 4) * 5
    drawing.groove(away - 119, width=3)
    corners = [drawing.drill(x, y, 17, spotface=10) for x in (-134, 134) for y in (-134, 134)]
    for x in (-153, 153):
        drawing.drill(x, 0, 8)
    bore = drawing.drill(0, 0, 58)
    drawing.engrave("LG-40", -94, 162)
    turned = (away < 104) & (away > 58)
    highlights = np.cos(2 * (np.arctan2(drawing.y, drawing.x) - 0.87)) * turned
    return drawing.blank(
        brightness=as_map(172 + 28 * highlights),
        turned=turned,
        round_turning=True,
        holes=tuple(corners),
        rims=(*corners, bore, bore),
        flat=(62, -150),
        serial=(-14, 162),
    )


def flange_rim(unit_px: float) -> Blank:
    """The flange from the side: the plate's milled edge with two ports, the hub above it."""
    drawing = _Drawing(540, 240, unit_px)
    plate = _rounded_box(drawing.x, drawing.y - 28, 244, 66, 10)
    hub = _rounded_box(drawing.x, drawing.y + 62, 140, 34, 8)
    drawing.body(np.minimum(plate, hub), chamfer=7)
    drawing.groove(drawing.y - 64, width=2.5)
    ports = [drawing.drill(x, 28, 20, spotface=9) for x in (-150, 150)]
    drawing.engrave("LG-40", -74, 32)
    on_hub = drawing.y < -36
    curvature = np.clip(np.abs(drawing.x) / 140, 0, 1) ** 2 * on_hub
    return drawing.blank(
        brightness=as_map(160 - 56 * curvature),
        turned=on_hub,
        round_turning=False,
        holes=tuple(ports),
        rims=tuple(ports),
        flat=(212, 8),
        serial=(6, 32),
    )


class _Drawing:
    """A relief in the making: coordinates and heights in drawing units from the middle."""

    def __init__(self, width: int, height: int, unit_px: float) -> None:
        self._unit_px = unit_px
        self._fine = unit_px * _FINE
        self._middle = (width / 2, height / 2)
        w, h = round(width * unit_px) * _FINE, round(height * unit_px) * _FINE
        x, y = np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)
        self.x = as_map(x / self._fine - width / 2)
        self.y = as_map(y / self._fine - height / 2)
        self.height = np.zeros_like(self.x)
        self._depth = np.zeros_like(self.x)  # 1 in a hole
        self._kept_free = np.zeros(self.x.shape, bool)
        self._outline = self.x

    def away(self, x: float, y: float) -> Map:
        return as_map(np.hypot(self.x - x, self.y - y))

    def body(self, outline: Map, chamfer: float) -> None:
        self._outline = outline
        self.height += _step(-outline, chamfer) * chamfer

    def groove(self, from_middle: Map, width: float) -> None:
        self.height -= _step(width - np.abs(from_middle), 2) * 3
        self._kept_free |= np.abs(from_middle) < width + 2

    def drill(self, x: float, y: float, radius: float, spotface: float = 0) -> Circle:
        away = self.away(x, y)
        if spotface:
            self.height -= _step(radius + spotface - away, 2) * 1.5
        self._depth = np.maximum(self._depth, _step(radius - away, 2))
        left, top = self._pixel(x, y)
        return Circle(left, top, radius * self._unit_px)

    def engrave(self, text: str, x: float, y: float) -> None:
        canvas = np.zeros(self.x.shape, np.uint8)
        left, top = self._pixel(x, y)
        at = (round(left * _FINE), round(top * _FINE))
        font, stroke = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(1.6 * self._fine))
        cv2.putText(canvas, text, at, font, 0.66 * self._fine, 255, stroke, cv2.LINE_AA)
        self.height -= as_map(canvas / 283)
        self._kept_free |= canvas > 12

    def blank(
        self,
        brightness: Map,
        turned: NDArray[np.bool_],
        round_turning: bool,
        holes: tuple[Circle, ...],
        rims: tuple[Circle, ...],
        flat: tuple[float, float],
        serial: tuple[float, float],
    ) -> Blank:
        inside = _step(-self._outline, 1)
        alpha = _shrunk(inside * 255)
        free = (self._outline < -10) & (self._depth < 0.01) & ~self._kept_free
        return Blank(
            unit_px=self._unit_px,
            shade=_shrunk(brightness * self._lit() * _drilled(self._depth)),
            alpha=alpha,
            cover=_cover(alpha, self._unit_px),
            metal=_shrunk(as_map(inside * (1 - self._depth) * 255)),
            face=_shrunk(as_map(free * 255.0)),
            turned=_shrunk(as_map(turned * 255.0)),
            round_turning=round_turning,
            holes=holes,
            rims=rims,
            flat=self._pixel(*flat),
            serial=self._pixel(*serial),
        )

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        return (self._middle[0] + x) * self._unit_px, (self._middle[1] + y) * self._unit_px

    def _lit(self) -> Map:
        """Lambert's cosine law on the relief, 1.0 on level ground, and darker in corners."""
        height = as_map(cv2.GaussianBlur(self.height, (0, 0), 0.5 * self._fine))
        slope_y, slope_x = np.gradient(height * self._fine)
        lz = float(np.sqrt(1 - LIGHT[0] ** 2 - LIGHT[1] ** 2))
        cosine = lz - LIGHT[0] * slope_x - LIGHT[1] * slope_y
        cosine /= np.sqrt(1 + slope_x**2 + slope_y**2)
        around = (round(20 * self._fine) + 1,) * 2
        corners = np.minimum(0, height - cv2.blur(height, around))
        return as_map(0.35 + 0.65 * np.clip(cosine, 0, 1.4) / lz + 0.06 * corners)


def _rounded_box(x: Map, y: Map, half_w: float, half_h: float, radius: float) -> Map:
    """Signed distance to a rounded rectangle, negative inside (Quilez, 2D distance functions)."""
    qx, qy = np.abs(x) - half_w + radius, np.abs(y) - half_h + radius
    outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
    return as_map(outside + np.minimum(np.maximum(qx, qy), 0) - radius)


def _step(inside: NDArray[np.floating], width: float) -> Map:
    """From 0 to 1 over `width` units: a chamfer."""
    return as_map(np.clip(inside / width, 0, 1))


def _drilled(depth: Map) -> Map:
    """Dark inside, with a little light on the wall that faces the lamp."""
    moved = np.roll(depth, (-8, -8), (0, 1))
    wall = as_map(cv2.GaussianBlur(depth - moved, (0, 0), 6))
    return as_map(1 - depth * (0.87 - 0.30 * np.clip(wall, 0, 1)))


def _cover(alpha: Image, unit_px: float) -> Image:
    """The part and, to its lower right, its soft shadow."""
    shift = (round(9 * unit_px), round(7 * unit_px))
    shadow = as_map(cv2.GaussianBlur(np.roll(alpha, shift, (0, 1)), (0, 0), 5 * unit_px))
    return np.maximum(alpha, as_image(0.6 * shadow))


def _shrunk(values: Map) -> Image:
    h, w = values.shape
    return as_image(cv2.resize(values, (w // _FINE, h // _FINE), interpolation=cv2.INTER_AREA))
