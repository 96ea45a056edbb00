"""From a frame to the model's input: the only implementation, shared by box and trainer."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.core.errors import LinegateError
from edge.core.manifest import Face
from edge.core.recipe import Roi

Image = NDArray[np.uint8]


def to_input(image: Image, face: Face, roi: Roi | None = None) -> Image:
    """Return the uint8 tensor [1, H, W, C] of the part in `image`.

    `image` is BGR of shape (H, W, 3) or grey of shape (H, W), uint8. No value is ever scaled or
    guessed: normalisation is inside the model. Raises LinegateError if the region lies outside.
    """
    part = image if roi is None else crop(image, roi)
    part = shrink(part, face.width_px, face.height_px)
    return np.ascontiguousarray(_colour(part, face)[None])


def crop(image: Image, roi: Roi) -> Image:
    """The region's pixels, not copied. Raises LinegateError if it lies outside the frame."""
    h, w = image.shape[:2]
    if roi.x_px + roi.w_px > w or roi.y_px + roi.h_px > h:
        raise LinegateError(
            f"the region {roi.w_px}x{roi.h_px} at ({roi.x_px}, {roi.y_px}) lies outside the "
            f"{w}x{h} frame: mend the recipe's roi"
        )
    return image[roi.y_px : roi.y_px + roi.h_px, roi.x_px : roi.x_px + roi.w_px]


def shrink(image: Image, width_px: int, height_px: int) -> Image:
    """Resize without aliasing. Exact halvings first: one AREA step from a large frame costs six
    times as much (12 MP to 256 px: 28.6 against 5.0 ms)."""
    while image.shape[0] >= 2 * height_px and image.shape[1] >= 2 * width_px:
        if image.shape[0] == 2 * height_px and image.shape[1] == 2 * width_px:
            break
        image = _resize(image, (image.shape[1] // 2, image.shape[0] // 2), cv2.INTER_AREA)
    fitting = (min(image.shape[1], width_px), min(image.shape[0], height_px))
    image = _resize(image, fitting, cv2.INTER_AREA)
    return _resize(image, (width_px, height_px), cv2.INTER_LINEAR)  # enlarges, if anything


def _resize(image: Image, size: tuple[int, int], how: int) -> Image:
    if (image.shape[1], image.shape[0]) == size:
        return image
    return u8(cv2.resize(image, size, interpolation=how))


def _colour(image: Image, face: Face) -> Image:
    grey = image.ndim == 2
    if face.colour == "rgb":
        code = cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGR2RGB
        return u8(cv2.cvtColor(image, code))
    if not grey:
        image = u8(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    return image[..., None]


def u8(array: object) -> Image:
    return np.asarray(array, dtype=np.uint8)
