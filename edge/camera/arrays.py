"""The two kinds of array that the virtual conveyor is drawn with."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.core.preprocess import Image

Map = NDArray[np.float32]


def as_map(values: ArrayLike) -> Map:
    return np.asarray(values, dtype=np.float32)


def as_image(values: ArrayLike) -> Image:
    """Whole grey levels, cut to 0..255."""
    values = np.asarray(values)
    if values.dtype == np.uint8:
        return values
    return np.asarray(np.clip(np.round(values), 0, 255), dtype=np.uint8)
