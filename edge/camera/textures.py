"""What a camera sees besides shape: metal, belt, light and noise. Random, but made beforehand, so
that a frame costs only crops and a few passes over its pixels."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.camera.arrays import Map, as_image, as_map
from edge.camera.blanks import Blank
from edge.camera.parts import Purpose, stream
from edge.core.preprocess import Image

_MARGIN_PX = 64  # a texture is larger than its place by this much: crops differ
_LIGHT_UNIT = 200  # a light map's value for nominal brightness


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the parts of one lot have in common."""

    colours: Image  # (256, 1, 3): the BGR colour of each brightness
    grain: float  # contrast of the surface's texture, 1.0 as made
    mottle: float  # depth of the cloudy patches, 0..1


@lru_cache(maxsize=64)
def lot_look(seed: int, lot: int) -> Look:
    """An ordinary lot: aluminium, a little warmer or cooler, finer or coarser."""
    rng = stream(seed, lot, Purpose.LOT)
    warmth, brightness = rng.normal(0, 0.018), rng.normal(1, 0.035)
    tint = brightness * np.array([1.03 - warmth, 1.0, 0.985 + warmth])
    return Look(_colours(tint), float(rng.uniform(0.75, 1.2)), float(rng.uniform(0.03, 0.09)))


@lru_cache(maxsize=64)
def foreign_look(name: str) -> Look:
    """A lot like none before: anodised or of another alloy, with a coarse finish."""
    key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
    rng = stream(key, 0, Purpose.LOT)
    tints = ([0.55, 0.78, 0.95], [0.62, 0.66, 0.82], [1.00, 0.80, 0.62], [0.50, 0.52, 0.55])
    return Look(_colours(np.array(tints[rng.integers(len(tints))])), 2.2, 0.16)


def _colours(tint: NDArray[np.float64]) -> Image:
    table = np.arange(256)[:, None, None] * tint
    return as_image(table)


class Metal:
    """Surfaces for one face of the part: brushed where it is flat, turned where it is round."""

    def __init__(self, blank: Blank, rng: np.random.Generator) -> None:
        self._shape = h, w = blank.alpha.shape
        self._turned_at = blank.turned > 127
        size = max(h, w) + _MARGIN_PX
        unit = blank.unit_px
        self._brushed = [_brushed(size, unit, angle, rng) for angle in (-9, -5, -2, 1, 4, 8)]
        if blank.round_turning:
            self._turned = [_turned(size, unit, rng) for _ in range(3)]
        else:
            self._turned = [_brushed(size, unit, 0, rng) for _ in range(3)]

    def coat(self, look: Look, rng: np.random.Generator) -> Image:
        """The brightness of one part's surface: 128 in the mean, (H, W)."""
        coat = _crop(self._brushed[rng.integers(len(self._brushed))], self._shape, rng)
        turned = self._turned[rng.integers(len(self._turned))]
        np.copyto(coat, _crop(turned, self._shape, rng, shift=False), where=self._turned_at)
        coat = as_image(cv2.convertScaleAbs(coat, alpha=look.grain, beta=128 * (1 - look.grain)))
        h, w = self._shape
        patches = as_image(128 + look.mottle * rng.uniform(-128, 128, (9, 9)))
        clouds = cv2.resize(patches, (w, h), interpolation=cv2.INTER_CUBIC)
        return as_image(cv2.multiply(coat, clouds, scale=1 / 128))


class Setting:
    """Belt, lamp and sensor of one camera."""

    def __init__(
        self, width_px: int, height_px: int, unit: float, rng: np.random.Generator
    ) -> None:
        self._shape = (height_px, width_px)
        self._belt = _belt(height_px + _MARGIN_PX, width_px + _MARGIN_PX, unit, rng)
        self._light = [_light_map(height_px, width_px, rng) for _ in range(8)]
        self._noise = _noise(height_px + _MARGIN_PX, width_px + _MARGIN_PX, rng)

    def belt(self, rng: np.random.Generator) -> Image:
        """The belt where this part lies on it, (H, W, 3)."""
        return _crop(self._belt, self._shape, rng)

    def lit(self, scene: Image, lamp: float, rng: np.random.Generator) -> Image:
        """The scene under an uneven lamp that is a little brighter or darker each time."""
        light = self._light[rng.integers(len(self._light))]
        gain = lamp * float(np.clip(rng.normal(1, 0.03), 0.9, 1.1))
        return as_image(cv2.multiply(scene, light, scale=gain / _LIGHT_UNIT))

    def noisy(self, scene: Image, number: int, exposure: int) -> Image:
        """What the sensor makes of it: no two exposures of a part are equal."""
        cell = (number * 7919 + exposure) % _MARGIN_PX**2
        y, x = divmod(cell, _MARGIN_PX)
        h, w = self._shape
        noise = self._noise[y : y + h, x : x + w]
        return as_image(cv2.addWeighted(scene, 1.0, noise, 1.0, -128.0))


def smeared(image: Image, smear: float, unit: float) -> Image:
    """Seen through grease: streaked, hazy, without detail. `smear` 0..1."""
    h, w = image.shape[:2]
    small = cv2.resize(image, (w // 4, h // 4), interpolation=cv2.INTER_AREA)
    length = 2 * round(1 + 9 * smear * unit) + 1
    streak = np.fliplr(np.eye(length, dtype=np.float32)) / length
    hazy = cv2.blur(cv2.filter2D(small, -1, streak), (3, 3))
    hazy = cv2.resize(hazy, (w, h), interpolation=cv2.INTER_LINEAR)
    weight = min(1.0, 0.25 + 0.75 * smear)
    return as_image(cv2.addWeighted(image, 1 - weight, hazy, weight, 22 * smear))


def _crop(
    texture: Image, shape: tuple[int, int], rng: np.random.Generator, shift: bool = True
) -> Image:
    """A fresh copy of some place in the texture; without `shift` its middle. Mirrored or not."""
    y, x = rng.integers(0, _MARGIN_PX, 2) if shift else _middle(texture, shape)
    crop = texture[y : y + shape[0], x : x + shape[1]]
    flip = int(rng.integers(4)) - 2
    return crop.copy() if flip == -2 else as_image(cv2.flip(crop, flip))


def _middle(texture: Image, shape: tuple[int, int]) -> tuple[int, int]:
    return (texture.shape[0] - shape[0]) // 2, (texture.shape[1] - shape[1]) // 2


def _brushed(size: int, unit: float, angle_deg: float, rng: np.random.Generator) -> Image:
    """Fine parallel lines of many lengths."""
    wide = size + size // 4  # enough to turn by ten degrees and still fill the middle
    lines = np.zeros((wide, wide), np.float32)
    for length, thickness, weight in ((70, 0.5, 1.0), (180, 0.9, 0.8), (22, 0.6, 0.5)):
        columns = 3 + round(wide / (length * unit))
        noise = rng.standard_normal((wide, columns), np.float32)
        noise = as_map(cv2.GaussianBlur(noise, (0, 0), sigmaX=0.01, sigmaY=thickness * unit))
        lines += weight * _stretched(noise, wide, wide)
    turn = cv2.getRotationMatrix2D((wide / 2, wide / 2), angle_deg, 1.0)
    turn[:, 2] -= (wide - size) // 2
    return as_image(128 + 4.6 * as_map(cv2.warpAffine(lines, turn, (size, size))))


def _turned(size: int, unit: float, rng: np.random.Generator) -> Image:
    """Concentric lines of a lathe tool."""
    noise = rng.standard_normal((12, size), np.float32)
    noise = as_map(cv2.GaussianBlur(noise, (0, 0), sigmaX=0.7 * unit, sigmaY=0.01))
    once_around = _stretched(np.tile(noise, (3, 1)), size, 2160)[720:1440]  # no seam
    centre = (size / 2, size / 2)
    flags = cv2.WARP_INVERSE_MAP | cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR
    return as_image(128 + 9 * as_map(cv2.warpPolar(once_around, (size, size), centre, size, flags)))


def _belt(height: int, width: int, unit: float, rng: np.random.Generator) -> Image:
    """Dark rubber with a woven pattern, dust and wear."""
    y, x = np.mgrid[0:height, 0:width] / max(unit, 0.2)
    weave = np.sin(x * 0.9) * np.sin(y * 0.9)
    patches = rng.standard_normal((15, 20), np.float32)
    wear = _stretched(patches, width, height)
    dust = rng.random((height, width)) > 0.9993
    grey = 46 + 4 * weave + 3.5 * wear + 25 * dust
    grey += 3 * rng.standard_normal((height, width), np.float32)
    return as_image(np.maximum(grey, 12)[..., None] * np.array([1.08, 1.0, 0.92]))


def _stretched(noise: Map, width: int, height: int) -> Map:
    """Smooth between the values of a coarser noise; deviation 1."""
    drawn = as_map(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC))
    return as_map(drawn / drawn.std())


def _light_map(height: int, width: int, rng: np.random.Generator) -> Image:
    """Brighter towards one side, darker in the corners; (H, W, 3)."""
    y, x = np.mgrid[0:height, 0:width]
    x, y = 2 * x / width - 1, 2 * y / height - 1
    slope_x, slope_y = rng.uniform(-0.09, 0.09, 2)
    light = _LIGHT_UNIT * (1 + slope_x * x + slope_y * y) * (1.03 - 0.11 * (x**2 + y**2))
    return np.repeat(as_image(light)[..., None], 3, axis=2)


def _noise(height: int, width: int, rng: np.random.Generator) -> Image:
    """Read-out and shot noise around 128, mostly the same in all colours."""
    grey = rng.normal(0, 1.3, (height, width, 1))
    colour = rng.normal(0, 0.6, (height, width, 3))
    return as_image(128 + grey + colour)
