"""From frame to tensor: known answers, and nothing but the pixels may matter."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.errors import LinegateError
from edge.core.manifest import Face
from edge.core.preprocess import Image, crop, shrink, to_input
from edge.core.recipe import Roi

BLUE, GREEN, RED = (255, 0, 0), (0, 255, 0), (0, 0, 255)  # BGR


def face(height_px: int = 32, width_px: int = 48, colour: str = "rgb") -> Face:
    return Face.model_validate(
        {
            "height_px": height_px,
            "width_px": width_px,
            "colour": colour,
            "heatmap": (4, 4),
            "embedding": 8,
        }
    )


def noise(*shape: int, seed: int = 1) -> Image:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def checkerboard(height: int, width: int) -> Image:
    rows, columns = np.indices((height, width))
    return np.asarray(((rows + columns) % 2) * 255, dtype=np.uint8)


def filled(colour: tuple[int, int, int], height: int = 40, width: int = 60) -> Image:
    return np.full((height, width, 3), colour, dtype=np.uint8)


# ---- shrinking ----


def test_halving_is_the_mean_of_four_pixels() -> None:
    image = np.array([[0, 0, 10, 20], [0, 4, 30, 40]], dtype=np.uint8)
    assert shrink(image, 2, 1).tolist() == [[1, 25]]


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_blocks_of_one_colour_survive_any_number_of_halvings(factor: int) -> None:
    small = noise(24, 32, 3)
    large = small.repeat(factor, axis=0).repeat(factor, axis=1)
    assert np.array_equal(shrink(large, 32, 24), small)


def test_two_halvings_are_one_mean_of_sixteen() -> None:
    image = noise(64, 64)
    exact = image.reshape(16, 4, 16, 4).mean(axis=(1, 3))
    assert np.abs(shrink(image, 16, 16) - exact).max() <= 1  # rounded twice


@pytest.mark.parametrize(
    ("height", "width"), [(512, 512), (500, 500), (501, 333), (640, 480), (64, 640), (65, 64)]
)
def test_checkerboard_becomes_even_grey(height: int, width: int) -> None:
    """Picking single pixels instead would give black and white."""
    small = shrink(checkerboard(height, width), 32, 32)
    assert small.shape == (32, 32)
    assert np.abs(small.astype(float) - 127.5).max() <= 24


@pytest.mark.parametrize("stripes", ["columns", "rows"])
def test_fine_stripes_become_grey_even_where_the_other_side_is_enlarged(stripes: str) -> None:
    image = np.tile(np.array([[0, 255]], dtype=np.uint8), (20, 300))
    small = shrink(image, 64, 32) if stripes == "columns" else shrink(image.T, 32, 64).T
    assert small.shape == (32, 64)
    assert np.abs(small.astype(float) - 127.5).max() <= 10


def test_large_frame_keeps_its_mean() -> None:
    image = noise(1500, 2000)
    assert shrink(image, 96, 72).mean() == pytest.approx(image.mean(), abs=1.0)


def test_right_size_is_left_alone() -> None:
    image = noise(32, 48, 3)
    assert shrink(image, 48, 32) is image


def test_enlarging_invents_nothing_outside_the_range() -> None:
    image = np.array([[0, 100]], dtype=np.uint8)
    large = shrink(image, 20, 10)
    assert large.shape == (10, 20)
    assert large[0, 0] == 0 and large[0, -1] == 100
    assert (np.diff(large[0].astype(int)) >= 0).all()
    assert (shrink(filled((7, 8, 9), 5, 5), 64, 48) == (7, 8, 9)).all()


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    value=st.integers(0, 255),
    colour=st.booleans(),
)
def test_any_frame_becomes_the_face_and_one_colour_stays(
    height: int, width: int, value: int, colour: bool
) -> None:
    image = np.full((height, width, 3) if colour else (height, width), value, dtype=np.uint8)
    tensor = to_input(image, face())
    assert tensor.shape == (1, 32, 48, 3)
    assert tensor.dtype == np.uint8 and tensor.flags.c_contiguous
    assert (tensor == value).all()


# ---- colour ----


@pytest.mark.parametrize(
    ("bgr", "rgb"), [(BLUE, (0, 0, 255)), (GREEN, (0, 255, 0)), (RED, (255, 0, 0))]
)
def test_bgr_frame_becomes_rgb(bgr: tuple[int, int, int], rgb: tuple[int, int, int]) -> None:
    assert (to_input(filled(bgr), face()) == rgb).all()


@pytest.mark.parametrize(("bgr", "luma"), [(BLUE, 29), (GREEN, 150), (RED, 76)])
def test_grey_face_sees_the_luma(bgr: tuple[int, int, int], luma: int) -> None:
    """ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B."""
    tensor = to_input(filled(bgr), face(colour="grey"))
    assert tensor.shape == (1, 32, 48, 1)
    assert (tensor == luma).all()


def test_grey_frame_fits_both_faces() -> None:
    image = noise(32, 48)
    assert np.array_equal(to_input(image, face(colour="grey"))[0, ..., 0], image)
    rgb = to_input(image, face())
    assert all(np.array_equal(rgb[0, ..., channel], image) for channel in range(3))


def test_nothing_is_scaled() -> None:
    image = noise(32, 48, 3)
    assert np.array_equal(to_input(image, face())[0], image[..., ::-1])


# ---- the region ----


def test_roi_is_cut_from_the_top_left() -> None:
    image = np.arange(60, dtype=np.uint8).reshape(6, 10)
    assert crop(image, Roi(x_px=2, y_px=1, w_px=3, h_px=2)).tolist() == [
        [12, 13, 14],
        [22, 23, 24],
    ]


def test_roi_up_to_the_edge_is_inside() -> None:
    assert crop(noise(6, 10), Roi(x_px=4, y_px=2, w_px=6, h_px=4)).shape == (4, 6)


@pytest.mark.parametrize("roi", [(5, 0, 6, 6), (0, 3, 10, 4), (10, 0, 1, 1), (0, 0, 11, 7)])
def test_roi_outside_says_what_to_do(roi: tuple[int, int, int, int]) -> None:
    x, y, w, h = roi
    with pytest.raises(LinegateError, match=rf"{w}x{h} at \({x}, {y}\).*10x6 frame: mend"):
        to_input(noise(6, 10), face(), Roi(x_px=x, y_px=y, w_px=w, h_px=h))


def test_roi_of_a_frame_is_the_same_as_the_cut_picture() -> None:
    image, roi = noise(200, 300, 3), Roi(x_px=31, y_px=17, w_px=150, h_px=101)
    cut = image[17:118, 31:181].copy()
    assert np.array_equal(to_input(image, face(), roi), to_input(cut, face()))


# ---- only the pixels matter ----


@pytest.mark.parametrize("colour", ["rgb", "grey"])
@pytest.mark.parametrize("shape", [(100, 130), (100, 130, 3), (32, 48), (32, 48, 3)])
def test_view_and_copy_give_the_same_tensor(shape: tuple[int, ...], colour: str) -> None:
    image = noise(*shape)
    padded = np.zeros((shape[0] + 9, shape[1] + 5, *shape[2:]), dtype=np.uint8)
    padded[4:-5, 2:-3] = image
    views = (padded[4:-5, 2:-3], image[::-1][::-1], np.asfortranarray(image), image[:])
    for view in views:
        assert np.array_equal(
            to_input(view, face(colour=colour)), to_input(image, face(colour=colour))
        )


def test_frame_is_never_written_to() -> None:
    image = noise(100, 130, 3)
    before = image.copy()
    image.setflags(write=False)
    to_input(image, face(), Roi(x_px=1, y_px=1, w_px=90, h_px=70))
    assert np.array_equal(image, before)


def test_same_frame_gives_the_same_bits_whatever_the_threads() -> None:
    image = noise(700, 900, 3)
    threads = cv2.getNumThreads()
    tensors = []
    try:
        for number in (1, 2, 4):
            cv2.setNumThreads(number)
            tensors.append(to_input(image, face()))
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(tensor, tensors[0]) for tensor in tensors)
