"""Picture files as frames."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.core.errors import CameraTimeout
from edge.core.preprocess import Image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})


@dataclass(frozen=True, slots=True)
class Alteration:
    """What is done to a recorded picture before it is shown, in this order."""

    dx_px: int = 0
    dy_px: int = 0
    gain: float = 1.0
    blur_sigma_px: float = 0.0


UNALTERED = Alteration()


def read_picture(path: Path) -> Image:
    """Grey (H, W) or BGR (H, W, 3), as the file is. Raises CameraTimeout that names the file:
    the next one may be fine."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise CameraTimeout(f"{path}: cannot be read: {error.strerror}") from error
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if image is None:
        raise CameraTimeout(f"{path}: not a picture that can be read")
    if image.dtype != np.uint8 or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise CameraTimeout(
            f"{path}: {image.dtype} of shape {image.shape}; save it as 8-bit grey or colour "
            f"without transparency"
        )
    grey = image.ndim == 3 and image.shape[2] == 1
    return np.asarray(image[..., 0] if grey else image, dtype=np.uint8)


def altered(image: Image, alteration: Alteration) -> Image:
    """Shift with the edge repeated, then gain, then blur."""
    if alteration.dx_px or alteration.dy_px:
        image = shifted(image, alteration.dx_px, alteration.dy_px)
    if alteration.gain != 1.0:
        image = np.asarray(cv2.convertScaleAbs(image, alpha=alteration.gain), dtype=np.uint8)
    if alteration.blur_sigma_px > 0:
        sigma = alteration.blur_sigma_px
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)
    return image


def shifted(image: Image, dx_px: int, dy_px: int) -> Image:
    """Moved right and down; what comes in repeats the edge."""
    h, w = image.shape[:2]
    rows = np.clip(np.arange(h) - dy_px, 0, h - 1)
    columns = np.clip(np.arange(w) - dx_px, 0, w - 1)
    return image[rows][:, columns]
