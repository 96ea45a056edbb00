"""Known shifts, blurs and lights of a known mark are measured as what they are."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import LIMITS, SIDE, mark

from edge.core.errors import LinegateError
from edge.core.recipe import ReferenceRegion
from edge.watch.patch import (
    DETAIL_MIN,
    compare,
    detail,
    judge,
    reference_of,
    region_of,
)

REFERENCE = reference_of([mark(seed=n) for n in range(100, 116)])


@settings(deadline=None, max_examples=150)
@given(
    right_px=st.floats(-12, 12),
    down_px=st.floats(-12, 12),
    light=st.floats(0.6, 1.3),
    seed=st.integers(0, 1000),
)
def test_any_shift_in_any_light_is_found_to_a_fifth_of_a_pixel(right_px, down_px, light, seed):
    figures = compare(mark(right_px, down_px, light=light, seed=seed), REFERENCE)
    assert abs(figures.right_px - right_px) < 0.2 and abs(figures.down_px - down_px) < 0.2
    assert figures.light == pytest.approx(light, rel=0.05)


def test_nothing_is_wrong_with_a_frame_like_the_reference():
    figures = compare(mark(seed=1), REFERENCE)
    assert judge(figures, LIMITS) == {
        "camera_exposure": None,
        "camera_moved": None,
        "camera_defocused": None,
    }


def wrong(patch, reference=REFERENCE, limits=LIMITS):
    """Which causes a frame speaks for."""
    said = judge(compare(patch, reference), limits)
    return {code for code, problem in said.items() if problem is not None}


@pytest.mark.parametrize("to", [(3.4, 0), (0, -3.4), (-2.5, 2.5), (10, 5)])
def test_move_beyond_the_limit_is_moved_and_nothing_else(to):
    assert wrong(mark(*to)) == {"camera_moved"}


def test_move_within_the_limit_is_well():
    assert wrong(mark(1.9, -1.9)) == set()


def test_mark_that_is_gone_is_moved():
    assert wrong(np.full((SIDE, SIDE), 150, np.uint8)) == {"camera_moved"}
    assert wrong(mark(seed=1)[::-1, ::-1].copy()) == {"camera_moved"}


def test_sharpness_falls_with_every_step_of_blur():
    sharp = [compare(mark(blur_px=blur), REFERENCE).sharpness for blur in (0, 0.5, 1, 2, 3)]
    assert sharp[0] == pytest.approx(1, abs=0.1)
    assert all(a > b for a, b in pairwise(sharp))


@pytest.mark.parametrize("blur_px", [1.5, 2, 3])
def test_blur_is_defocus_and_neither_light_nor_place(blur_px):
    assert wrong(mark(blur_px=blur_px)) == {"camera_defocused"}


def test_blur_beyond_recognition_is_still_a_cause_in_full_light():
    assert "camera_moved" in wrong(mark(blur_px=15))


@pytest.mark.parametrize("light", [0.3, 0.65, 1.4])
def test_other_light_is_exposure_and_not_focus(light):
    assert wrong(mark(light=light)) == {"camera_exposure"}


@pytest.mark.parametrize("light", [0.75, 1.25])
def test_light_within_the_limit_is_well(light):
    assert wrong(mark(light=light)) == set()


def test_clipped_mark_is_exposure_whatever_the_limit():
    loose = LIMITS.model_copy(update={"light_max": 0.99})
    assert wrong(mark(light=1.9), limits=loose) == {"camera_exposure"}


@pytest.mark.parametrize("light", [0.0, 0.05])
def test_in_the_dark_nobody_speaks_of_place_or_focus(light):
    assert set(judge(compare(mark(light=light), REFERENCE), LIMITS)) == {"camera_exposure"}


def test_what_is_wrong_is_told_with_figure_and_limit():
    said = judge(compare(mark(5, 0), REFERENCE), LIMITS)["camera_moved"]
    assert said is not None and "+5.0 px to the right" in said and "at most 3 px" in said


def test_detail_tells_a_mark_from_an_edge_and_from_noise():
    stripes = np.tile(np.where(np.arange(SIDE) % 16 < 8, 60, 160).astype(np.uint8), (SIDE, 1))
    noise = np.random.default_rng(1).normal(128, 3, (SIDE, SIDE)).astype(np.uint8)
    assert detail(REFERENCE.mark) > DETAIL_MIN
    assert detail(stripes) < DETAIL_MIN and detail(cv2.blur(noise, (3, 3))) < DETAIL_MIN


def test_region_is_cut_from_grey_and_colour_alike_and_never_beyond_the_frame():
    frame = np.zeros((100, 100), np.uint8)
    frame[20:84, 10:74] = mark()
    colour = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
    assert np.array_equal(region_of(frame, LIMITS), mark())
    assert np.array_equal(region_of(colour, LIMITS), mark())
    with pytest.raises(LinegateError, match="lies outside"):
        region_of(frame[:80], LIMITS)


def test_region_says_how_far_it_can_see():
    with pytest.raises(ValueError, match="up to 15 px"):
        ReferenceRegion(x_px=0, y_px=0, w_px=64, h_px=80, moved_max_px=16)
