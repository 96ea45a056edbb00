"""The tag that the simulator's parts wear: a printed code, at the left of the part."""

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
import zxingcpp

from edge.camera.arrays import as_image
from edge.core.preprocess import Image

Printed = Literal["data_matrix", "qr", "code128"]

_FORMATS = {
    "data_matrix": zxingcpp.BarcodeFormat.DataMatrix,
    "qr": zxingcpp.BarcodeFormat.QRCode,
    "code128": zxingcpp.BarcodeFormat.Code128,
}
TAG_AT = (-370, 0)  # its middle from the part's, in units of the drawing
_WIDE = {"data_matrix": 56, "qr": 62, "code128": 40}  # units of the drawing; a bar code stands up
_INK, _PAPER = 40, 175  # grey levels before the lamp lights them


@lru_cache(8)
def tag(text: str, printed: Printed, unit_px: float) -> Image:
    """A tag of grey levels, (H, W), with its quiet zone."""
    made = zxingcpp.create_barcode(text, _FORMATS[printed])
    code = as_image(np.asarray(made.to_image(scale=1, add_quiet_zones=True)))
    if printed == "code128":
        code = as_image(cv2.rotate(code, cv2.ROTATE_90_CLOCKWISE))
    scale = max(1, round(_WIDE[printed] * unit_px / code.shape[1]))
    tall = max(1, round(1.6 * unit_px)) if printed == "code128" else scale
    code = np.repeat(np.repeat(code, tall, axis=0), scale, axis=1)
    return np.where(code < 128, np.uint8(_INK), np.uint8(_PAPER))
