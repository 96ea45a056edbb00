from typing import Any

import numpy as np
import pytest

from edge.core.errors import LinegateError
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


@pytest.mark.parametrize(
    ("size", "face"), [((640, 480), (192, 256)), ((224, 224), (224, 224)), ((800, 200), (112, 448))]
)
def test_input_keeps_the_pictures_shape(
    make_item: Any, size: tuple[int, int], face: tuple[int, int]
) -> None:
    item = make_item("a", width_px=size[0], height_px=size[1], channels=3)
    chosen = samples.input_face([item], None, False, embedding=8)
    assert (chosen.height_px, chosen.width_px) == face and chosen.colour == "rgb"
    assert samples.input_face([item], None, True, embedding=8).input_shape[3] == 1


def test_input_of_broken_cells_is_refused(make_item: Any) -> None:
    with pytest.raises(LinegateError, match="230x224: both must be multiples of 16"):
        samples.input_face([make_item("a")], (230, 224), False, embedding=8)
