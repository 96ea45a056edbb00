"""Synthetic defects: visible, where the mask says, and the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.learn.defects import (
    FILLS,
    SHAPES,
    VISIBLE_LEVELS,
    Fill,
    Scene,
    Shape,
    spoil,
    tint,
    visible,
)


def part(seed: int, channels: int, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = 90 + 40 * np.sin(np.arange(size[1]) / 6)[None, :, None] + rng.normal(0, 5, (*size, 1))
    return np.clip(np.repeat(image, channels, axis=2), 0, 255).astype(np.uint8)


@given(seed=st.integers(0, 10_000), channels=st.sampled_from([1, 3]))
@settings(max_examples=60)
def test_defect_can_be_seen_and_lies_under_its_mask(seed: int, channels: int) -> None:
    good, donor = part(1, channels), part(2, channels)
    spoilt, mask = spoil(good, donor, np.random.default_rng(seed))
    assert spoilt.shape == good.shape and spoilt.dtype == np.uint8
    assert mask.shape == good.shape[:2] and set(np.unique(mask)) == {0, 255}
    change = np.abs(spoilt.astype(float) - good).mean(axis=2)
    assert change[mask > 0].mean() >= 0.5 * VISIBLE_LEVELS  # two may cover each other
    assert change[mask > 0].mean() > 3 * change[mask == 0].mean()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_picture_gets_a_defect_too(level: int) -> None:
    flat = np.full((64, 64, 1), level, np.uint8)  # nothing to smear, displace, paste or erase
    for seed in range(20):
        spoilt, mask = spoil(flat, flat, np.random.default_rng(seed))
        assert np.abs(spoilt.astype(float) - flat).mean(axis=2)[mask > 0].mean() >= VISIBLE_LEVELS


def test_texture_that_only_moved_is_no_defect() -> None:
    rng = np.random.default_rng(0)
    texture = rng.normal(128, 8, (60, 60, 1)).clip(0, 255).astype(np.uint8)
    inner = np.zeros((60, 60), bool)
    inner[20:40, 20:40] = True
    assert visible(texture, np.roll(texture, 7, axis=1), inner) < VISIBLE_LEVELS
    assert (
        visible(texture, texture + 15 * inner[..., None].astype(np.uint8), inner) > VISIBLE_LEVELS
    )


def test_defects_lie_on_the_part_where_the_ground_is_plain() -> None:
    image = np.full((96, 128, 3), 250, np.uint8)
    image[30:60, 40:80] = (60, 160, 60)
    donor, on = image[::-1].copy(), 0
    for seed in range(60):
        _, mask = spoil(image, donor, np.random.default_rng(seed))
        on += bool(mask[30:60, 40:80].any())
    assert on > 45


def test_good_picture_stays_as_it_was() -> None:
    good, donor = part(1, 3), part(2, 3)
    spoil(good, donor, np.random.default_rng(0))
    assert np.array_equal(good, part(1, 3)) and np.array_equal(donor, part(2, 3))


def test_same_seed_gives_the_same_defect() -> None:
    one, two = (spoil(part(1, 3), part(2, 3), np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_is_an_opacity_of_moderate_size_about_its_point(shape: Shape) -> None:
    for seed in range(30):
        opacity = shape((96, 128), (90.0, 40.0), np.random.default_rng(seed))
        assert opacity.shape == (96, 128) and opacity.dtype == np.float32
        assert opacity.min() >= 0 and opacity.max() <= 1
        assert (opacity > 0.3).mean() < 0.15 and opacity[34:47, 84:97].max() > 0.3


@pytest.mark.parametrize("fill", FILLS)
def test_fill_keeps_the_shape_of_the_piece(fill: Fill) -> None:
    for channels in (1, 3):
        clean, donor = (part(n, channels, (40, 50)).astype(np.float32) for n in (1, 2))
        scene = Scene(clean, donor, 30.0, np.zeros(channels, np.float32), 96)
        assert fill(scene, np.random.default_rng(0)).shape == clean.shape
        assert np.array_equal(clean, part(1, channels, (40, 50)))


@pytest.mark.parametrize("seed", range(30))
def test_defect_on_a_grey_picture_is_grey_in_all_its_channels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(60, 190, (96, 96, 1), np.uint8)
    image, donor = np.repeat(one, 3, axis=2), np.repeat(one[::-1], 3, axis=2)
    spoilt, _ = spoil(image, donor, rng)
    assert (spoilt == spoilt[..., :1]).all()


def test_tint_is_coloured_where_the_picture_is() -> None:
    rng = np.random.default_rng(0)
    clean = rng.uniform(60, 190, (20, 20, 3)).astype(np.float32)
    found = tint(Scene(clean, clean, 30.0, clean[0, 0], 96), rng) - clean
    assert found[..., 0].mean() != pytest.approx(found[..., 1].mean())
