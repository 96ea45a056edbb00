"""Pixels of the sensor that are dead, stuck or always stand out. From ordinary frames, bit by bit.

Two signs, each over `FRAMES` frames: a pixel that does not vary where its surroundings do; and
one that stands out from its surroundings in the same way in every frame, where the scene changed.
A scene that never changes may have such spots of its own, so there only the first sign counts.

Memory and time are bounded: at most a megapixel of the frame is watched at a time, band by band.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.core.preprocess import Image

Pixel = tuple[int, int]  # x and y in the frame
Mask = NDArray[np.bool_]  # (H, W)

FRAMES = 64
BAND_PX = 1_000_000
STILL = 1  # grey levels: a pixel that varies no more than this is still
LIVELY = 6  # of its surroundings, by which a still one is told from an even scene: noise will do
STANDS_OUT = 24  # grey levels above or below its surroundings; half of it, once it was found
CHANGED = 20  # how much its surroundings' own details changed: more than noise can
THIN = 3  # px: what is thicker than this in both directions is no defect of pixels, but the scene
_AROUND = 5  # px: side of the surroundings
_EDGE = _AROUND // 2
_MIDDLE = 128  # a difference of 0 as a grey level


class PixelWatch:
    """Of one camera. `found` is what the last look at each band brought."""

    def __init__(self) -> None:
        self.found: frozenset[Pixel] = frozenset()
        self._size = (0, 0)
        self._band = 0
        self._frames = 0

    def take(self, frame: Image) -> None:
        """Take one grey frame (H, W). Another size begins anew."""
        if frame.shape != self._size:
            self._size = frame.shape
            self.found, self._band, self._frames = frozenset(), 0, 0
        top, bottom = self._rows()
        self._add(frame[max(0, top - _EDGE) : bottom + _EDGE])
        if self._frames == FRAMES:
            self._conclude(top, bottom)

    def _rows(self) -> tuple[int, int]:
        height, width = self._size
        rows = max(1, BAND_PX // width)
        top = self._band * rows
        return top, min(height, top + rows)

    def _add(self, band: Image) -> None:
        around = cv2.medianBlur(band, _AROUND)
        over = np.asarray(cv2.addWeighted(band, 0.5, around, -0.5, _MIDDLE))  # halved: it fits
        if self._frames == 0:
            self._low, self._high = band.copy(), band.copy()
            self._least, self._most = over.copy(), over
        else:
            cv2.min(self._low, band, self._low)
            cv2.max(self._high, band, self._high)
            cv2.min(self._least, over, self._least)
            cv2.max(self._most, over, self._most)
        self._frames += 1

    def _conclude(self, top: int, bottom: int) -> None:
        """What was found before stays where this scene could not tell."""
        span = self._high - self._low
        lively = np.asarray(cv2.medianBlur(span, _AROUND)) >= LIVELY
        details = np.asarray(cv2.medianBlur(self._most - self._least, _AROUND))
        changed = details >= CHANGED // 2
        still, out = span <= STILL, self._stands_out(STANDS_OUT)
        bad = _thin(still | out) & ((still & lively) | (out & changed))
        unsure = self._stands_out(STANDS_OUT // 2) | ~(lively | changed)
        above = max(0, top - _EDGE)
        elsewhere = {(x, y) for x, y in self.found if not top <= y < bottom}
        kept = {(x, y) for x, y in self.found - elsewhere if unsure[y - above, x]}
        new = {(int(x), int(y) + above) for y, x in np.argwhere(bad)}
        here = {(x, y) for x, y in kept | new if top <= y < bottom}
        self.found = frozenset(elsewhere | here)
        self._frames = 0
        self._band = 0 if bottom == self._size[0] else self._band + 1

    def _stands_out(self, levels: int) -> Mask:
        """By so many, in the same way in every frame."""
        half = levels // 2
        return np.asarray((self._least >= _MIDDLE + half) | (self._most <= _MIDDLE - half))


def _thin(mask: Mask) -> Mask:
    """Without the patches that are thick in both directions: only points and lines stay."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    sides = np.minimum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    return np.asarray(mask & (sides <= THIN)[labels])
