"""Reading a picture file: the same pixels that a box's replay camera feeds to the model."""

import hashlib
from pathlib import Path

import cv2
import numpy as np

from edge.core.errors import LinegateError
from edge.core.preprocess import Image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
THUMB_PX = 32


def decode(data: bytes, where: Path) -> Image:
    """Return BGR (H, W, 3) or grey (H, W) uint8, as stored. Raises LinegateError otherwise."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise LinegateError(f"{where}: not a picture that can be read; replace or remove it")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.dtype != np.uint8 or (image.ndim == 3 and image.shape[2] != 3):
        raise LinegateError(
            f"{where}: {image.dtype} of shape {image.shape}; save it as 8-bit grey or colour "
            "without transparency"
        )
    return np.asarray(image, dtype=np.uint8)


def read(path: Path, sha256: str) -> Image:
    """Decode the file and prove that it still is the imported one. Raises LinegateError."""
    data = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise LinegateError(
            f"{path}: changed since it was imported; import the data set again (--replace)"
        )
    return decode(data, path)


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LinegateError(f"{path}: cannot be read: {error.strerror}") from error


def thumb(image: Image) -> bytes:
    """A grey thumbnail of 32 x 32 pixels, for finding near-duplicates."""
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    return bytes(np.asarray(small, dtype=np.uint8).tobytes())
