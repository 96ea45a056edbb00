"""How part n looks on the belt: pure, seeded, and fast, since all textures are made beforehand.

A frame is belt, shadow and part (drawing, texture, colour, defect; turned and shifted), perhaps
a mark on the fixture, lit by an uneven lamp, seen through a lens, with a sensor's noise.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.camera.arrays import as_image
from edge.camera.blanks import Blank, flange_rim, flange_top
from edge.camera.brush import Piece
from edge.camera.defects import paint
from edge.camera.faults import Faults
from edge.camera.mark import AT, printed_mark, put
from edge.camera.parts import PARTS_PER_LOT, Defect, Purpose, stream
from edge.camera.tags import TAG_AT, Printed, tag
from edge.camera.textures import Look, Metal, Setting, foreign_look, lot_look, smeared
from edge.core.preprocess import Image

Matrix = NDArray[np.float64]  # (2, 3), affine

_NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """One exposure, BGR (H, W, 3), and where a defect shows, (H, W) of 0 and 255, if one does."""

    image: Image
    mask: Image | None


class Scene:
    """The conveyor before one camera. Making one takes about half a second, a frame 5 ms."""

    def __init__(
        self,
        seed: int,
        width_px: int,
        height_px: int,
        *,
        rim: bool = False,
        mark: bool = False,
        codes: Printed | None = None,
    ) -> None:
        """`rim`: the camera looks at the part's rim instead of its top, where its tag is. `mark`:
        a printed mark lies in the upper left corner."""
        self._seed = seed
        self._codes = None if rim else codes
        self._size = (width_px, height_px)
        self._unit = min(width_px / (600 if rim else 480), height_px / 480)  # the part fits in
        self._look_at = Purpose.RIM if rim else Purpose.TOP
        self._blank = flange_rim(self._unit) if rim else flange_top(self._unit)
        rng = stream(seed, int(rim), Purpose.TEXTURES)
        self._metal = Metal(self._blank, rng)
        self._setting = Setting(width_px, height_px, self._unit, rng)
        self._mark = printed_mark(self._unit) if mark else None

    def render(
        self,
        number: int,
        defect: Defect | None = None,
        exposure: int = 0,
        faults: Faults = _NO_FAULTS,
        tag_says: str = "",
    ) -> Rendering:
        """Part `number`. Another `exposure` of it differs by the noise alone."""
        rng = stream(self._seed, number, self._look_at)
        piece = self._piece(number, self._look(number, faults), rng)
        mask = None
        if defect is not None:
            brush = stream(self._seed, number, Purpose.BRUSH)
            mask = paint(piece, defect.kind, defect.severity, brush)
        pose = self._pose(rng, faults)
        scene = self._laid_down(piece, self._setting.belt(rng), pose)
        if self._codes is not None and tag_says:
            self._put(tag(tag_says, self._codes, self._unit), scene, pose)
        image = self._shoot(scene, number, exposure, faults, rng)
        return Rendering(image, None if mask is None else self._placed(mask, pose))

    def empty(self, exposure: int = 0, faults: Faults = _NO_FAULTS) -> Rendering:
        """The belt without a part."""
        rng = stream(self._seed, exposure, self._look_at)
        return Rendering(self._shoot(self._setting.belt(rng), 0, exposure, faults, rng), None)

    def _shoot(
        self,
        scene: Image,
        number: int,
        exposure: int,
        faults: Faults,
        rng: np.random.Generator,
    ) -> Image:
        """What the camera makes of what lies there: mark, light, lens, sensor."""
        if self._mark is not None:
            x, y = round(AT * self._unit) + np.array(faults.moved_px)
            put(scene, self._mark, (int(x), int(y)))
        scene = self._setting.lit(scene, faults.lamp * faults.overexposed, rng)
        if faults.defocus_px > 0:
            scene = as_image(cv2.GaussianBlur(scene, (0, 0), faults.defocus_px))
        if faults.smear > 0:
            scene = smeared(scene, faults.smear, self._unit)
        image = self._setting.noisy(scene, number, exposure)
        for x, y, grey in faults.stuck:
            image[y : y + 1, x : x + 1] = grey  # beyond the frame: none
        return image

    def _look(self, number: int, faults: Faults) -> Look:
        if faults.lot is not None:
            return foreign_look(faults.lot)
        return lot_look(self._seed, number // PARTS_PER_LOT)

    def _piece(self, number: int, look: Look, rng: np.random.Generator) -> Piece:
        """A good part, with the marks that good parts have."""
        shade = _engraved(self._blank, f"{number % 1_000_000:06d}", rng)
        coat = self._metal.coat(look, rng)
        for _ in range(rng.poisson(1.2)):
            _handled(coat, self._unit, rng)
        grey = cv2.multiply(shade, coat, scale=1 / 128)
        bgr = as_image(cv2.applyColorMap(grey, look.colours))
        return Piece(self._blank, bgr, self._blank.cover.copy())

    def _pose(self, rng: np.random.Generator, faults: Faults) -> Matrix:
        """How the part lies: the matrix from its own coordinates to the frame's."""
        turn_deg = float(np.clip(rng.normal(0, 1.6), -4, 4))
        reach = 11 * self._unit
        dx, dy = rng.uniform(-reach, reach, 2) + faults.moved_px
        h, w = self._blank.alpha.shape
        pose = np.asarray(cv2.getRotationMatrix2D((w / 2, h / 2), turn_deg, 1.0), np.float64)
        pose[:, 2] += (self._size[0] - w) / 2 + dx, (self._size[1] - h) / 2 + dy
        return pose

    def _laid_down(self, piece: Piece, belt: Image, pose: Matrix) -> Image:
        alpha = cv2.cvtColor(self._blank.alpha, cv2.COLOR_GRAY2BGR)
        part = cv2.multiply(piece.bgr, alpha, scale=1 / 255)
        part = cv2.warpAffine(part, pose, self._size)
        seen = cv2.warpAffine(255 - piece.cover, pose, self._size, borderValue=255.0)
        seen = cv2.cvtColor(seen, cv2.COLOR_GRAY2BGR)
        return as_image(cv2.add(part, cv2.multiply(belt, seen, scale=1 / 255)))

    def _put(self, tag: Image, scene: Image, pose: Matrix) -> None:
        """Lay a tag beside the part, turned and shifted with it."""
        (h, w), (part_h, part_w) = tag.shape, self._blank.alpha.shape
        place = pose.copy()
        left, top = part_w / 2 + TAG_AT[0] * self._unit, part_h / 2 + TAG_AT[1] * self._unit
        place[:, 2] = pose @ (left - w / 2, top - h / 2, 1.0)
        there = np.asarray(cv2.warpAffine(np.full_like(tag, 255), place, self._size)) > 127
        scene[there] = np.asarray(cv2.warpAffine(tag, place, self._size))[there][:, None]

    def _placed(self, mask: Image, pose: Matrix) -> Image:
        placed = cv2.warpAffine(mask, pose, self._size)
        return as_image((np.asarray(placed) > 127) * 255)


def _engraved(blank: Blank, text: str, rng: np.random.Generator) -> Image:
    """The drawing with this part's serial number, not always in quite the same place."""
    shade = blank.shade.copy()
    unit = blank.unit_px
    x, y = np.array(blank.serial) + rng.uniform(-2, 2, 2) * unit
    font, size, stroke = cv2.FONT_HERSHEY_SIMPLEX, 0.5 * unit, max(1, round(unit))
    for offset, grey in ((1, 205), (0, 96)):
        at = (round(x + offset * unit), round(y + offset * unit))
        cv2.putText(shade, text, at, font, size, grey, stroke, cv2.LINE_AA)
    return shade


def _handled(coat: Image, unit: float, rng: np.random.Generator) -> None:
    """A hairline from handling, as good parts have: far fainter than any scratch."""
    h, w = coat.shape
    start = rng.uniform(0.1, 0.9, 2) * (w, h)
    turn, length = rng.uniform(0, 2 * np.pi), rng.uniform(20, 70) * unit
    end = start + length * np.array([np.cos(turn), np.sin(turn)])
    line = np.round(np.stack([start, end]) * 8).astype(np.int32)
    grey = 128 + int(rng.integers(-12, 13))
    cv2.line(coat, line[0], line[1], grey, 1, cv2.LINE_AA, 3)
