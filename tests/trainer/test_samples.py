import numpy as np
import pytest

from trainer.learn import samples
from trainer.learn.samples import Sample


def part(side: int = 64, label: int = 1) -> Sample:
    """A bright square on grey, and its mask."""
    image = np.full((side, side, 1), 90, np.uint8)
    mask = np.zeros((side, side), np.uint8)
    image[8:24, 32:48] = 220
    mask[8:24, 32:48] = 255
    return Sample(image, label, mask if label else None)


def test_mask_moves_with_the_picture() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = samples.augment(part(), rng, strength=1.0, flips=True)
        assert moved.mask is not None and moved.image.shape == (64, 64, 1)
        bright = moved.image[..., 0] > (int(moved.image.max()) + int(moved.image.min())) / 2
        marked = moved.mask > 127
        assert (bright & marked).sum() > 0.8 * (bright | marked).sum()


def test_augmentation_is_seeded_and_varies() -> None:
    one, two, other = (
        samples.augment(part(), np.random.default_rng(seed), 1.0, True).image for seed in (1, 1, 2)
    )
    assert np.array_equal(one, two) and not np.array_equal(one, other)


def test_coverage_is_the_defective_share_of_each_patch() -> None:
    covered = samples.coverage(part(), 4, 4)  # patches of 16 px; the square starts at row 8
    assert covered[0, 2] == covered[1, 2] == pytest.approx(0.5)
    assert covered.sum() == pytest.approx(1.0)


def test_good_part_has_no_defect_and_unmasked_defect_is_unknown() -> None:
    assert not samples.coverage(part(label=0), 4, 4).any()
    unknown = Sample(part().image, 1, None)
    assert np.isnan(samples.coverage(unknown, 4, 4)).all()


def test_small_class_gets_copies_large_one_flips() -> None:
    pictures = [part(label=1)] * 3 + [part(label=0)] * 12
    plan = samples.copies(pictures, wanted=12, flips=True)
    assert [n for n, _ in plan].count(0) == 4  # 12 copies of 3 defects
    assert sorted({copy for n, copy in plan if n == 5}) == [-3, -2, -1, 0]
    assert {copy for n, copy in samples.copies(pictures, 12, flips=False) if n == 5} == {0}


def test_copy_zero_is_the_picture_itself_and_flips_undo_themselves() -> None:
    rng, sample = np.random.default_rng(0), part()
    assert samples.make_copy(sample, 0, rng, 0.6, True).image is not sample.image
    assert np.array_equal(samples.make_copy(sample, 0, rng, 0.6, True).image, sample.image)
    for copy in (-1, -2, -3):
        once = samples.make_copy(sample, copy, rng, 0.6, True)
        assert not np.array_equal(once.image, sample.image)
        assert np.array_equal(samples.make_copy(once, copy, rng, 0.6, True).image, sample.image)
