"""Pixel formats against pictures whose pixels are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera import formats
from edge.core.errors import CameraTimeout

TILES = {"RG": "RGGB", "GR": "GRBG", "GB": "GBRG", "BG": "BGGR"}
LEVELS = {"R": 200, "G": 120, "B": 40}


def mosaic(order: str, size: int = 16) -> np.ndarray:
    """One flat colour as a sensor with this mosaic sees it, (size, size)."""
    cell = np.array([LEVELS[letter] for letter in TILES[order]], np.uint8).reshape(2, 2)
    return np.tile(cell, (size // 2, size // 2))


def pack_low_first(pixels: np.ndarray) -> bytes:
    """By the book: bit n of the stream is bit n % 12 of pixel n // 12."""
    bits = ((pixels.astype(np.uint16)[:, None] >> np.arange(12)) & 1).astype(np.uint8)
    return np.packbits(bits.reshape(-1), bitorder="little").tobytes()


def pack_high_first(pixels: np.ndarray) -> bytes:
    first, second = pixels.reshape(-1, 2).T.astype(np.uint16)
    middle = (first & 15) | ((second & 15) << 4)
    return np.stack([first >> 4, middle, second >> 4], axis=1).astype(np.uint8).tobytes()


@pytest.mark.parametrize("order", TILES)
def test_mosaic_of_one_colour_becomes_that_colour(order: str) -> None:
    image = formats.picture(mosaic(order).tobytes(), f"Bayer{order}8", 16, 16)
    assert image.shape == (16, 16, 3) and image.dtype == np.uint8
    assert (image == (LEVELS["B"], LEVELS["G"], LEVELS["R"])).all()


@given(st.lists(st.integers(0, 4095), min_size=24, max_size=24))
def test_packed_pixels_keep_their_highest_eight_bits(values: list[int]) -> None:
    pixels = np.array(values, np.uint16)
    wanted = (pixels >> 4).astype(np.uint8).reshape(4, 6)
    for name, data in (
        ("Mono12p", pack_low_first(pixels)),
        ("Mono12Packed", pack_high_first(pixels)),
        ("Mono12", pixels.astype("<u2").tobytes()),
    ):
        assert len(data) == formats.size_bytes(name, 6, 4)
        assert np.array_equal(formats.picture(data, name, 6, 4), wanted)


@pytest.mark.parametrize(("name", "bits"), [("Mono10", 10), ("Mono16", 16)])
def test_words_keep_their_highest_used_bits(name: str, bits: int) -> None:
    pixels = np.arange(256, dtype=np.uint16).reshape(16, 16) << (bits - 8)
    image = formats.picture(pixels.astype("<u2").tobytes(), name, 16, 16)
    assert np.array_equal(image, np.arange(256).reshape(16, 16))


def test_packed_mosaic_of_one_colour_becomes_that_colour() -> None:
    data = pack_low_first(mosaic("GB").reshape(-1).astype(np.uint16) << 4)
    image = formats.picture(data, "BayerGB12p", 16, 16)
    assert (image == (LEVELS["B"], LEVELS["G"], LEVELS["R"])).all()


def test_colour_comes_as_bgr() -> None:
    data = bytes([10, 20, 30] * 4)
    assert (formats.picture(data, "RGB8", 2, 2) == (30, 20, 10)).all()
    assert (formats.picture(data, "BGR8", 2, 2) == (10, 20, 30)).all()
    grey = formats.picture(bytes([100, 128] * 4), "YUV422_8", 2, 2)  # studio range: 16 is black
    assert grey.shape == (2, 2, 3) and (abs(grey.astype(int) - 98) <= 1).all()


def test_mono_picture_is_a_copy_that_nobody_else_writes_to() -> None:
    data = np.zeros(6, np.uint8)
    image = formats.picture(data, "Mono8", 3, 2)
    data[:] = 9
    assert not image.any() and image.flags.writeable


def test_frame_that_is_cut_off_is_asked_for_again() -> None:
    with pytest.raises(CameraTimeout, match="5 bytes; 3x2 Mono8 takes 6"):
        formats.picture(bytes(5), "Mono8", 3, 2)
