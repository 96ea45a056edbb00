"""Pixels of the sensor that are dead, stuck or always stand out. From ordinary frames, bit by bit.

Two signs, each over `FRAMES` frames: a pixel that does not vary where its surroundings do; and
one that is brighter, or darker, than all around it in most frames, where the scene changes. A
scene that never changes may have such spots of its own, so there only the first sign counts.

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
BLACK, WHITE = 5, 250
STANDS_OUT = 16  # grey levels above or below all around it
OFTEN, STILL_OFTEN = 48, 16  # of the frames it must, to be found, and to stay so
CHANGED = 10  # grey levels to both sides, of its surroundings' details: light and noise do not that
THIN = 3  # px: what is thicker than this in both directions is no defect of pixels, but the scene
_AROUND = 5  # px: side of the surroundings
_EDGE = _AROUND // 2
_RING = np.pad(np.zeros((_AROUND - 2, _AROUND - 2), np.uint8), 1, constant_values=1)
_MIDDLE = 128  # a difference of 0 as a grey level


class _Seen:
    """What some frames of one band (H, W) have in common."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.frames = 0
        self._low, self._high = np.full(shape, 255, np.uint8), np.zeros(shape, np.uint8)
        self._least, self._most = self._low.copy(), self._high.copy()  # against the surroundings
        self._above, self._below = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)  # frames

    def add(self, band: Image) -> None:
        cv2.min(self._low, band, self._low)
        cv2.max(self._high, band, self._high)
        over = cv2.addWeighted(band, 0.5, _around(band), -0.5, _MIDDLE)  # halved: so it fits
        cv2.min(self._least, over, self._least)
        cv2.max(self._most, over, self._most)
        self._above += cv2.subtract(band, cv2.dilate(band, _RING)) >= STANDS_OUT
        self._below += cv2.subtract(cv2.erode(band, _RING), band) >= STANDS_OUT
        self.frames += 1

    def conclude(self) -> tuple[Mask, Mask]:
        """The faulty pixels, and those of which these frames do not say that they are well."""
        still, out = self._high - self._low <= STILL, self._stands_out(OFTEN)
        lively, changed = self._lively(), self._changed()
        bad = (_thin(still) & lively) | (_thin(out & ~still) & changed)
        return bad, self._stands_out(STILL_OFTEN) | ~(lively | changed)

    def _stands_out(self, frames: int) -> Mask:
        return np.asarray(np.maximum(self._above, self._below) >= frames)

    def _lively(self) -> Mask:
        """The surroundings vary, and it is not just the light: black or white as they were at
        times is no sign."""
        white = (self._low >= WHITE) & (_around(self._high) >= WHITE)
        black = (self._high <= BLACK) & (_around(self._low) <= BLACK)
        return np.asarray((_around(self._high - self._low) >= LIVELY) & ~white & ~black)

    def _changed(self) -> Mask:
        """The surroundings' details were once bright and once dark: another scene."""
        most, least = _around(self._most), _around(self._least)
        return np.asarray((most >= _MIDDLE + CHANGED // 2) & (least <= _MIDDLE - CHANGED // 2))


class PixelWatch:
    """Of one camera. `found` is what the last look at each band brought."""

    def __init__(self, band_px: int = BAND_PX) -> None:
        self.found: frozenset[Pixel] = frozenset()
        self.saw_all = False  # of the frame, at least once
        self._band_px = band_px
        self._size: tuple[int, ...] = ()
        self._band = 0
        self._seen = _Seen(())

    def take(self, frame: Image) -> None:
        """Take one grey frame (H, W). Another size begins anew."""
        if frame.shape != self._size:
            self._size = frame.shape
            self.found, self._band, self._seen = frozenset(), 0, _Seen(())
            self.saw_all = False
        top, bottom = self._rows()
        band = frame[max(0, top - _EDGE) : bottom + _EDGE]
        if self._seen.frames == 0:
            self._seen = _Seen(band.shape)
        self._seen.add(band)
        if self._seen.frames == FRAMES:
            self._conclude(top, bottom)

    def _rows(self) -> tuple[int, int]:
        height, width = self._size
        rows = max(1, self._band_px // width)
        top = self._band * rows
        return top, min(height, top + rows)

    def _conclude(self, top: int, bottom: int) -> None:
        """What was found before stays where these frames could not tell."""
        bad, unsure = self._seen.conclude()
        above = max(0, top - _EDGE)
        elsewhere = {(x, y) for x, y in self.found if not top <= y < bottom}
        kept = {(x, y) for x, y in self.found - elsewhere if unsure[y - above, x]}
        new = {(int(x), int(y) + above) for y, x in np.argwhere(bad)}
        here = {(x, y) for x, y in kept | new if top <= y < bottom}
        self.found = frozenset(elsewhere | here)
        self._seen = _Seen(())
        last = bottom == self._size[0]
        self.saw_all = self.saw_all or last
        self._band = 0 if last else self._band + 1


def _around(levels: Image) -> Image:
    """What the surroundings of each pixel say: their median."""
    return np.asarray(cv2.medianBlur(levels, _AROUND), dtype=np.uint8)


def _thin(mask: Mask) -> Mask:
    """Without the patches that are thick in both directions: only points and lines stay."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    sides = np.minimum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    return np.asarray(mask & (sides <= THIN)[labels])
