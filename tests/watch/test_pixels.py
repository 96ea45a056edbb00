"""Faulty pixels at their exact place, and none on a sensor that is well."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.watch.pixels import FRAMES, PixelWatch

W, H = 80, 60


def frames(n, seed=1, noise=1.5, moving=True, light=0.1):
    """A scene (60, 80) of coarse patches that change with each part, or of none that do."""
    rng = np.random.default_rng(seed)
    still = rng.uniform(60, 180, (H // 4, W // 4))
    for _ in range(n):
        coarse = rng.uniform(60, 180, (H // 4, W // 4)) if moving else still
        scene = np.kron(coarse, np.ones((4, 4))) * rng.uniform(1 - light, 1 + light)
        yield np.clip(np.round(scene + rng.normal(0, noise, (H, W))), 0, 255).astype(np.uint8)


def found(pictures, spoil=lambda frame: None, watch=None):
    watch = watch or PixelWatch()
    for picture in pictures:
        spoil(picture)
        watch.take(picture)
    return set(watch.found)


@pytest.mark.parametrize("moving", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_sensor_that_is_well_has_no_faulty_pixels(moving, seed):
    assert found(frames(3 * FRAMES, seed, moving=moving)) == set()


@settings(deadline=None, max_examples=25)
@given(
    places=st.sets(st.tuples(st.integers(0, W // 6 - 1), st.integers(0, H // 6 - 1)), max_size=8),
    grey=st.integers(0, 255),
    moving=st.booleans(),
)
def test_stuck_pixels_are_found_at_their_exact_place(places, grey, moving):
    stuck = {(6 * x + (x + y) % 6, 6 * y + (x * y) % 6) for x, y in places}

    def spoil(frame):
        for x, y in stuck:
            frame[y, x] = grey

    assert found(frames(FRAMES, moving=moving), spoil) == stuck


def test_corners_count():
    corners = {(0, 0), (W - 1, 0), (0, H - 1), (W - 1, H - 1)}

    def spoil(frame):
        for x, y in corners:
            frame[y, x] = 0

    assert found(frames(FRAMES), spoil) == corners


def grained(n, seed=1):
    """A surface (60, 80) with another grain on each part, of a deviation of 11 grey levels."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        grain = cv2.GaussianBlur(rng.normal(0, 60, (H, W)), (0, 0), 1.5)
        yield np.clip(np.round(120 + grain + rng.normal(0, 1.5, (H, W))), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("too", [-60, 60])
def test_pixel_that_sees_too_much_or_too_little_is_found_where_the_scene_changes(too):
    def spoil(frame):
        frame[30, 40] = np.clip(int(frame[30, 40]) + too, 0, 255)

    assert found(grained(FRAMES), spoil) == {(40, 30)}


def test_such_a_pixel_does_not_come_and_go_once_it_was_found():
    watch = PixelWatch()
    for seed, too in enumerate([60, 28, 28, 28]):

        def spoil(frame, too=too):
            frame[30, 40] = np.clip(int(frame[30, 40]) + too, 0, 255)

        assert found(grained(FRAMES, seed), spoil, watch) == {(40, 30)}
    assert found(grained(FRAMES), watch=watch) == set()


def test_corner_of_a_still_plate_above_a_changing_belt_is_no_fault():
    def spoil(frame):
        frame[20:40, 20:40] = 200 + frame[0, 0] % 8

    assert found(frames(2 * FRAMES), spoil) == set()


def test_bright_spot_of_a_scene_that_never_changes_is_no_fault_of_the_sensor():
    def spoil(frame):
        frame[30, 40] = min(255, int(frame[30, 40]) + 60)

    assert found(frames(FRAMES, moving=False), spoil) == set()


def test_dead_row_and_column_are_found_whole():
    assert found(frames(FRAMES), lambda f: f[17].fill(0)) == {(x, 17) for x in range(W)}
    assert found(frames(FRAMES), lambda f: f[:, 33].fill(255)) == {(33, y) for y in range(H)}


def test_black_corner_of_the_picture_is_no_fault():
    def spoil(frame):
        frame[:20, :20] = 0
        frame[40:, 50:] = 255

    assert found(frames(2 * FRAMES), spoil) == set()


@pytest.mark.parametrize("light", [0.1, 1.8, 2.5, 4])
def test_too_much_or_too_little_light_is_no_fault_of_pixels(light):
    clipped = (np.clip(f * light, 0, 255).astype(np.uint8) for f in grained(2 * FRAMES))
    assert found(clipped) == set()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_frames_without_any_noise_tell_nothing(grey):
    even = [np.full((H, W), grey, np.uint8) for _ in range(FRAMES)]
    assert found(even, lambda f: f.__setitem__((9, 9), 7)) == set()


def test_mended_pixel_is_forgotten_after_the_next_look():
    watch = PixelWatch()
    assert found(frames(FRAMES), lambda f: f.__setitem__((9, 9), 0), watch) == {(9, 9)}
    assert found(frames(FRAMES - 1), watch=watch) == {(9, 9)}
    assert found(frames(1), watch=watch) == set()


def test_found_pixel_is_not_forgotten_in_frames_that_tell_nothing():
    watch = PixelWatch()
    found(frames(FRAMES), lambda f: f.__setitem__((9, 9), 0), watch)
    dark = (np.zeros((H, W), np.uint8) for _ in range(FRAMES))
    assert found(dark, watch=watch) == {(9, 9)}


def test_large_frame_is_watched_band_by_band_in_bounded_memory():
    stuck = {(5, 0), (40, 9), (41, 10), (79, 35), (0, 59)}

    def spoil(frame):
        for x, y in stuck:
            frame[y, x] = 0

    watch = PixelWatch(band_px=10 * W)
    assert found(frames(FRAMES), spoil, watch) == {(5, 0), (40, 9)}
    found(frames(1), spoil, watch)
    assert watch._seen._low.shape == (14, W)
    assert found(frames(5 * FRAMES - 1), spoil, watch) == stuck
    assert found(frames(6 * FRAMES), watch=watch) == set()


def test_frame_of_another_size_begins_anew():
    watch = PixelWatch()
    found(frames(FRAMES), lambda f: f.__setitem__((9, 9), 0), watch)
    watch.take(np.zeros((30, 40), np.uint8))
    assert watch.found == frozenset()
