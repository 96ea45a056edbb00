"""The pointing game: known answers."""

import numpy as np
import pytest

from trainer.judge.pointing import hit


@pytest.mark.parametrize(
    ("hottest", "expected"),
    [((3, 5), True), ((2, 4), True), ((3, 7), False), ((0, 0), False)],
)
def test_hottest_patch_must_touch_the_defect(hottest: tuple[int, int], expected: bool) -> None:
    mask = np.zeros((128, 160), np.uint8)  # 8 x 10 patches of 16 px
    mask[3 * 16 + 4 : 3 * 16 + 9, 5 * 16 + 4 : 5 * 16 + 9] = 255  # within patch (3, 5)
    heatmap = np.zeros((8, 10), np.float32)
    heatmap[hottest] = 1.0
    assert hit(heatmap, mask) is expected


def test_thin_defect_counts_wherever_it_is_touched() -> None:
    mask = np.zeros((512, 300), np.uint8)
    mask[::, 200] = 255  # one pixel wide
    heatmap = np.zeros((14, 14), np.float32)
    heatmap[11, 9] = 1.0
    assert hit(heatmap, mask)
