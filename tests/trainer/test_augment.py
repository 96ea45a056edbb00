"""Copies show the same part: the mask stays on the defect, a fixed part never comes mirrored."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.recipe import Orientation
from trainer.learn import augment
from trainer.learn.defects import AREA_SHARE, VISIBLE_LEVELS
from trainer.learn.samples import Sample

ORIENTATIONS: tuple[Orientation, ...] = get_args(Orientation)
POSES = [(mirrored, turns) for mirrored in (False, True) for turns in range(4)]
SHAPES = [(64, 64), (48, 80)]


def part(shape: tuple[int, int] = (64, 64), channels: int = 1, label: int = 1) -> Sample:
    """A bright square on grey, and its mask."""
    image = np.full((*shape, channels), 90, np.uint8)
    mask = np.zeros(shape, np.uint8)
    image[8:24, 32:48] = 220
    mask[8:24, 32:48] = 255
    return Sample(image, label, mask if label else None)


def handed() -> Sample:
    """A picture that is brighter in three corners, each its own: no pose looks like another."""
    image = np.full((64, 64, 1), 60, np.uint8)
    image[:32, :32], image[:32, 32:], image[32:, 32:] = 120, 180, 240
    return Sample(image, 0, None)


def corners(image: np.ndarray) -> tuple[int, ...]:
    """The order of the corners by brightness, clockwise, whatever the light."""
    grey = image[..., 0].astype(float)
    means = [grey[4:24, 4:24], grey[4:24, 40:60], grey[40:60, 40:60], grey[40:60, 4:24]]
    return tuple(np.argsort([corner.mean() for corner in means]))


# ---- pose ----


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_mask_moves_with_the_picture(orientation: Orientation, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = augment.augment(part(shape, channels=3), rng, 1.0, orientation)
        assert moved.mask is not None and moved.image.shape == (*shape, 3)
        grey = moved.image.mean(axis=2)
        bright = grey > (int(grey.max()) + int(grey.min())) / 2
        marked = moved.mask > 127
        assert (bright & marked).sum() > 0.8 * (bright | marked).sum()


@pytest.mark.parametrize("pose", POSES)
def test_pose_and_its_matrix_agree_on_a_marked_pixel(pose: augment.Pose) -> None:
    mask = np.zeros((48, 48), np.uint8)
    mask[5, 12] = 255
    laid = augment.lay(Sample(mask[..., None], 1, mask), pose)
    x, y, _ = augment.pose_matrix(pose, (48, 48)) @ (12, 5, 1)
    assert laid.mask is not None
    assert np.argwhere(laid.mask).tolist() == [[y, x]] == np.argwhere(laid.image[..., 0]).tolist()


def test_poses_put_a_marked_corner_where_they_should() -> None:
    picture = np.array([[1, 2], [4, 3]], np.uint8)[..., None]  # clockwise from the top left

    def seen(*pose: object) -> list[int]:
        image = augment.lay(Sample(picture, 0, None), pose).image  # type: ignore[arg-type]
        return [int(v) for v in image[[0, 0, 1, 1], [0, 1, 1, 0], 0]]

    assert seen(False, 0) == [1, 2, 3, 4]
    assert seen(True, 0) == [2, 1, 4, 3]  # left to right
    assert seen(True, 2) == [4, 3, 2, 1]  # top to bottom
    assert seen(False, 2) == [3, 4, 1, 2]
    assert seen(False, 1) == [2, 3, 4, 1]  # against the clock


@pytest.mark.parametrize(
    ("orientation", "square", "oblong"),
    [("fixed", 1, 1), ("turned", 4, 2), ("mirrored", 4, 4), ("any", 8, 4)],
)
def test_each_orientation_has_its_poses(orientation: Orientation, square: int, oblong: int) -> None:
    for shape, wanted in (((64, 64, 1), square), ((48, 64, 1), oblong)):
        sample = Sample(np.zeros(shape, np.uint8), 0, None)
        ways = augment.poses(orientation, sample)
        assert ways[0] == (False, 0) and len(set(ways)) == len(ways) == wanted
        assert {augment.lay(sample, pose).image.shape for pose in ways} == {shape}


@pytest.mark.parametrize(("orientation", "ways"), [("turned", 2), ("mirrored", 4), ("any", 4)])
def test_picture_squeezed_into_a_square_never_turns_by_a_quarter(
    orientation: Orientation, ways: int
) -> None:
    squeezed = replace(handed(), square=False)
    assert len(augment.poses(orientation, squeezed)) == ways
    seen = {corners(augment.lay(squeezed, pose).image) for pose in [(False, 1), (True, 1)]}
    for seed in range(40):
        made = augment.augment(squeezed, np.random.default_rng(seed), 0.6, orientation)
        assert corners(made.image) not in seen and not made.square


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ORIENTATIONS), st.integers(0, 2**32))
def test_part_never_comes_in_a_pose_that_its_recipe_forbids(
    orientation: Orientation, seed: int
) -> None:
    allowed = augment.poses(orientation, handed())
    made = augment.augment(handed(), np.random.default_rng(seed), 0.6, orientation)
    seen = {corners(augment.lay(handed(), pose).image) for pose in allowed}
    assert len(seen) == len(allowed) and corners(made.image) in seen


def test_every_allowed_pose_comes() -> None:
    rng = np.random.default_rng(0)
    seen = {corners(augment.augment(handed(), rng, 0.6, "any").image) for _ in range(80)}
    assert len(seen) == 8


def test_copy_zero_is_the_picture_itself_and_mirroring_undoes_itself() -> None:
    rng, sample = np.random.default_rng(0), part()
    assert augment.make_copy(sample, 0, rng, 0.6, "any") is sample
    assert augment.make_copy(sample, 1, rng, 0.6, "any") is not sample
    for pose in augment.poses("mirrored", sample)[1:]:
        once = augment.lay(sample, pose)
        assert not np.array_equal(once.image, sample.image)
        assert np.array_equal(augment.lay(once, pose).image, sample.image)


# ---- light, noise, dust ----


def test_augmentation_is_seeded_and_varies() -> None:
    one, two, other = (
        augment.augment(part(), np.random.default_rng(seed), 1.0, "any").image for seed in (1, 1, 2)
    )
    assert np.array_equal(one, two) and not np.array_equal(one, other)


def test_original_is_never_touched() -> None:
    rng, sample = np.random.default_rng(0), part(channels=3)
    for _ in range(30):
        augment.augment(sample, rng, 1.0, "any")
    assert np.array_equal(sample.image, part(channels=3).image)


def test_copies_of_no_strength_differ_by_less_than_the_eye_sees() -> None:
    rng, sample = np.random.default_rng(0), Sample(handed().image, 0, None)
    for _ in range(30):
        copy = augment.augment(sample, rng, 0.0, "fixed").image.astype(int)
        assert np.abs(copy - sample.image).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_dust_is_soft_small_and_faint(channels: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        image = np.full((224, 224, channels), 128, np.uint8)
        augment.dust(image, rng, 1.0)
        change = np.abs(image.astype(int) - 128)
        assert 1 <= change.max() <= augment.DUST_LEVELS[1]
        assert (change.max(axis=2) > augment.DUST_LEVELS[1] / 2).sum() <= 5 * 9  # 3 px across


def test_dust_at_the_rim_of_a_small_picture_stays_inside() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        augment.dust(np.zeros((16, 16), np.uint8), rng, 1.0)


def test_speck_of_dust_is_less_than_the_least_defect() -> None:
    sigma_px, levels = augment.DUST_SIGMA_PX[1], augment.DUST_LEVELS[1]
    change = levels * 2 * np.pi * sigma_px**2  # all grey levels of a speck together, at 224 px
    assert change < VISIBLE_LEVELS * AREA_SHARE[0] * 224**2


@pytest.mark.parametrize("level", [40, 180, 250])
def test_no_copy_is_burnt_out(level: int) -> None:
    rng = np.random.default_rng(0)
    texture = np.clip(rng.normal(level, 12, (64, 64, 3)), 0, 255).astype(np.uint8)
    white = (texture >= 250).mean()
    for _ in range(40):
        copy = augment.augment(Sample(texture, 0, None), rng, 1.0, "fixed")
        assert (copy.image >= 254).mean() <= white + 0.08
