"""Drawing fewer defects to train on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.core.errors import LinegateError
from trainer.data.drawing import with_defects
from trainer.data.items import Dataset, Item


@pytest.fixture
def dataset(make_item: Callable[..., Item]) -> Dataset:
    items = [
        make_item(f"{split}-{label}-{n}", label=label, split=split)
        for split in ("train", "val", "test")
        for label in (0, 1)
        for n in range(20)
    ]
    return Dataset("set", Path("."), tuple(items))


def test_only_defects_of_the_train_split_are_left_out(dataset: Dataset) -> None:
    fewer = with_defects(dataset, 5, seed=1)
    assert sum(i.split == "train" and i.label == 1 for i in fewer.items) == 5
    others = [i for i in dataset.items if i.split != "train" or i.label == 0]
    assert [i for i in fewer.items if i.split != "train" or i.label == 0] == others
    assert with_defects(dataset, None, seed=1) is dataset


def test_more_hold_the_fewer_and_another_seed_draws_others(dataset: Dataset) -> None:
    def drawn(n: int, seed: int) -> set[str]:
        fewer = with_defects(dataset, n, seed)
        return {i.path for i in fewer.items if i.split == "train" and i.label == 1}

    assert drawn(5, 1) < drawn(10, 1)
    assert drawn(10, 1) != drawn(10, 2)


def test_more_than_there_are_is_refused(dataset: Dataset) -> None:
    with pytest.raises(LinegateError, match=r"21 defective pictures asked for.*has 20"):
        with_defects(dataset, 21, seed=0)
