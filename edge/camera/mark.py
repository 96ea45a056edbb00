"""A printed mark on the simulated fixture: what every frame shows alike, whatever part comes by."""

import cv2
import numpy as np

from edge.camera.arrays import as_image
from edge.core.preprocess import Image

SIDE = 56  # of its plate, in drawing units
AT = 10  # its upper left corner, in drawing units of the frame
_PLATE, _PRINT = 150, 45  # grey levels
_FINE = 4  # drawn so many times larger, then reduced: smooth edges at every size


def printed_mark(unit_px: float) -> Image:
    """A light plate with a target of two dark quarters and a ring around them, (side, side, 3)."""
    side = round(SIDE * unit_px)
    large = np.full((_FINE * side, _FINE * side), _PLATE, np.uint8)
    middle, radius = _FINE * side // 2, round(0.26 * _FINE * side)
    centre, axes = (middle, middle), (radius, radius)
    cv2.ellipse(large, centre, axes, 0, 0, 90, _PRINT, -1)
    cv2.ellipse(large, centre, axes, 0, 180, 270, _PRINT, -1)
    cv2.circle(large, centre, round(1.4 * radius), _PRINT, round(0.25 * radius))
    small = cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)
    return as_image(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR))


def put(scene: Image, mark: Image, at_px: tuple[int, int]) -> None:
    """Lay the mark over the scene in place, its upper left corner at (x, y); what lies outside
    is cut."""
    h, w = scene.shape[:2]
    x, y = at_px
    left, top = max(0, x), max(0, y)
    right, bottom = min(w, x + mark.shape[1]), min(h, y + mark.shape[0])
    if left < right and top < bottom:
        scene[top:bottom, left:right] = mark[top - y : bottom - y, left - x : right - x]
