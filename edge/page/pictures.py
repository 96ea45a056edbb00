"""Pictures for the page: thumbnails of frames, and where on its frame a heatmap lies."""

import struct
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from edge.core.recipe import Roi

THUMBNAIL_WIDTH_PX = 360
_PNG_HEAD = struct.Struct(">8s4x4sII")  # signature, length, "IHDR", width, height
_one_at_a_time = threading.Lock()  # decoding must never take both cores from the gate


@dataclass(frozen=True, slots=True)
class Box:
    """Where a heatmap lies on its frame, in the units of a canvas as large as the frame."""

    canvas_w: int
    canvas_h: int
    x: int
    y: int
    w: int
    h: int


WHOLE_FRAME = Box(1, 1, 0, 0, 1, 1)


def heat_box(roi: Roi | None, frame: Path) -> Box | None:
    """The model saw only the region; None if the frame's size cannot be read."""
    if roi is None:
        return WHOLE_FRAME
    size = png_size(frame)
    return size and Box(*size, roi.x_px, roi.y_px, roi.w_px, roi.h_px)


def png_size(path: Path) -> tuple[int, int] | None:
    """(width, height) in pixels from the file's head, or None if there is no PNG."""
    try:
        with path.open("rb") as file:
            signature, kind, width, height = _PNG_HEAD.unpack(file.read(_PNG_HEAD.size))
    except (OSError, struct.error):
        return None
    return (width, height) if signature == b"\x89PNG\r\n\x1a\n" and kind == b"IHDR" else None


@lru_cache(maxsize=256)
def thumbnail(path: Path) -> bytes:
    """A JPEG of the frame, at most THUMBNAIL_WIDTH_PX wide. Raises OSError if it cannot be read."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    with _one_at_a_time:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if image is None:
            raise OSError(f"{path} is not a picture")
        h, w = image.shape[:2]
        if w > THUMBNAIL_WIDTH_PX:
            size = (THUMBNAIL_WIDTH_PX, max(1, round(h * THUMBNAIL_WIDTH_PX / w)))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return jpeg.tobytes()
