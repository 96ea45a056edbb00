"""Synthetic defects: visible, where the mask says, and the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.learn.defects import FILLS, SHAPES, VISIBLE_LEVELS, spoil


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


def test_flat_picture_gets_a_defect_too() -> None:
    flat = np.full((64, 64, 1), 128, np.uint8)  # nothing to smear, displace, paste or erase
    for seed in range(20):
        spoilt, mask = spoil(flat, flat, np.random.default_rng(seed))
        assert np.abs(spoilt.astype(float) - flat).mean(axis=2)[mask > 0].mean() >= VISIBLE_LEVELS


def test_same_seed_gives_the_same_defect() -> None:
    one, two = (spoil(part(1, 3), part(2, 3), np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])


@pytest.mark.parametrize("shape", set(SHAPES))
def test_shape_is_an_opacity_of_moderate_size(shape) -> None:
    for seed in range(30):
        opacity = shape((96, 128), np.random.default_rng(seed))
        assert opacity.shape == (96, 128) and opacity.dtype == np.float32
        assert opacity.min() >= 0 and opacity.max() <= 1
        assert (opacity > 0.3).mean() < 0.15


@pytest.mark.parametrize("fill", set(FILLS))
def test_fill_keeps_the_shape_of_the_picture(fill) -> None:
    for channels in (1, 3):
        image, donor = (part(n, channels).astype(np.float32) for n in (1, 2))
        filled = fill(image, np.ones(image.shape[:2], np.float32), donor, np.random.default_rng(0))
        assert filled.shape == image.shape
