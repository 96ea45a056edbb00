"""Pixel formats: what comes out of a sensor, as the pictures that the gate looks at.

Names are GenICam's (Pixel Format Naming Convention 2.1). More than 8 bits keep their highest 8: a
model sees 8. Colour becomes BGR (H, W, 3), all else grey (H, W).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.core.errors import CameraTimeout
from edge.core.preprocess import Image, u8

Raw = NDArray[np.uint8]  # bytes, one dimension


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How many bits a pixel takes, how to get bytes out of them, and colour out of those."""

    bits: int
    channels: int = 1  # bytes per pixel, once it is unpacked
    unpack: Callable[[Raw], Raw] | None = None
    colour: int | None = None  # a conversion of OpenCV's


def unpack_low_first(raw: Raw) -> Raw:
    """Two 12-bit pixels in three bytes, bits in a row from the lowest (`...12p`)."""
    first, middle, last = raw.reshape(-1, 3).T
    out = np.empty((len(first), 2), np.uint8)
    out[:, 0] = (first >> 4) | (middle << 4)
    out[:, 1] = last
    return out.reshape(-1)


def unpack_high_first(raw: Raw) -> Raw:
    """Two 12-bit pixels in three bytes, the middle one with the lowest bits of both
    (`...12Packed`, GigE Vision 1)."""
    return np.ascontiguousarray(raw.reshape(-1, 3)[:, ::2]).reshape(-1)


def unpack_words(bits: int) -> Callable[[Raw], Raw]:
    """Two bytes a pixel, little-endian, of which so many bits are used."""
    return lambda raw: u8(raw.view("<u2") >> (bits - 8))


_BAYER = {
    "RG": cv2.COLOR_BayerRGGB2BGR,
    "GR": cv2.COLOR_BayerGRBG2BGR,
    "GB": cv2.COLOR_BayerGBRG2BGR,
    "BG": cv2.COLOR_BayerBGGR2BGR,
}
_DEPTHS: Mapping[str, PixelFormat] = {
    "8": PixelFormat(8),
    "10": PixelFormat(16, unpack=unpack_words(10)),
    "12": PixelFormat(16, unpack=unpack_words(12)),
    "16": PixelFormat(16, unpack=unpack_words(16)),
    "12p": PixelFormat(12, unpack=unpack_low_first),
    "12Packed": PixelFormat(12, unpack=unpack_high_first),
}
FORMATS: Mapping[str, PixelFormat] = {
    **{f"Mono{depth}": form for depth, form in _DEPTHS.items()},
    **{
        f"Bayer{order}{depth}": PixelFormat(form.bits, 1, form.unpack, code)
        for order, code in _BAYER.items()
        for depth, form in _DEPTHS.items()
    },
    "RGB8": PixelFormat(24, 3, colour=cv2.COLOR_RGB2BGR),
    "BGR8": PixelFormat(24, 3),
    "YUV422_8": PixelFormat(16, 2, colour=cv2.COLOR_YUV2BGR_YUYV),
}


def size_bytes(pixel_format: str, width_px: int, height_px: int) -> int:
    """How many bytes such a frame takes."""
    return (width_px * height_px * FORMATS[pixel_format].bits + 7) // 8


def picture(data: bytes | Raw, pixel_format: str, width_px: int, height_px: int) -> Image:
    """The picture in a frame's bytes, as an array of its own. Raises CameraTimeout if there are
    too few: the next frame may be whole."""
    form, wanted = FORMATS[pixel_format], size_bytes(pixel_format, width_px, height_px)
    raw = np.frombuffer(data, np.uint8)
    if raw.size < wanted:
        raise CameraTimeout(
            f"a frame of {raw.size} bytes; {width_px}x{height_px} {pixel_format} takes {wanted}"
        )
    pixels = raw[:wanted] if form.unpack is None else form.unpack(raw[:wanted])
    shape = (height_px, width_px, form.channels)[: 2 if form.channels == 1 else 3]
    image = pixels.reshape(shape)
    if form.colour is not None:
        return u8(cv2.cvtColor(image, form.colour))
    return image.copy() if form.unpack is None else image
