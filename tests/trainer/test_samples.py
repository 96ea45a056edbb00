from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.core.manifest import Face
from trainer.data import importing
from trainer.data.items import Dataset
from trainer.learn import samples
from trainer.learn.samples import Sample


def part(side: int = 64, label: int = 1) -> Sample:
    """A bright square on grey, and its mask."""
    image = np.full((side, side, 1), 90, np.uint8)
    mask = np.zeros((side, side), np.uint8)
    image[8:24, 32:48] = 220
    mask[8:24, 32:48] = 255
    return Sample(image, label, mask if label else None)


def test_coverage_is_the_defective_share_of_each_patch() -> None:
    covered = samples.coverage(part(), 4, 4)  # patches of 16 px; the square starts at row 8
    assert covered[0, 2] == covered[1, 2] == pytest.approx(0.5)
    assert covered.sum() == pytest.approx(1.0)


def test_good_part_has_no_defect_and_unmasked_defect_is_unknown() -> None:
    assert not samples.coverage(part(label=0), 4, 4).any()
    unknown = Sample(part().image, 1, None)
    assert np.isnan(samples.coverage(unknown, 4, 4)).all()


def test_small_class_gets_many_copies_large_one_a_copy_each() -> None:
    pictures = [part(label=1)] * 3 + [part(label=0)] * 12
    plan = samples.copies(pictures, wanted=12)
    assert [n for n, _ in plan].count(0) == 4  # 12 copies of 3 defects
    assert [copy for n, copy in plan if n == 5] == [0, 1]


@pytest.mark.parametrize(("width", "square"), [(64, True), (80, False)])
def test_sample_knows_whether_its_picture_was_square(
    tmp_path: Path, width: int, square: bool
) -> None:
    (tmp_path / "good").mkdir()
    cv2.imwrite(str(tmp_path / "good" / "a.png"), np.full((64, width), 90, np.uint8))
    root, rows = importing.list_rows(tmp_path)
    dataset = Dataset("one", root, tuple(importing.load(root, rows)))
    face = Face(height_px=32, width_px=32, colour="grey", heatmap=(2, 2), embedding=1)
    assert samples.load(dataset, dataset.items[0], face).square is square
