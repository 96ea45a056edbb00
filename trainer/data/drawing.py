"""Fewer pictures to train on: what a line would have after its first days."""

import random
from dataclasses import replace

from edge.core.errors import LinegateError
from trainer.data.items import DEFECT, Dataset


def with_defects(dataset: Dataset, wanted: int | None, seed: int) -> Dataset:
    """The set with so many defective pictures in its train split, drawn by the seed; the same seed
    draws 10 that hold the 5 it draws. None: all. Raises LinegateError if there are fewer."""
    if wanted is None:
        return dataset
    there = sorted(
        (i for i in dataset.items if i.split == "train" and i.label == DEFECT),
        key=lambda item: item.path,
    )
    if wanted > len(there):
        raise LinegateError(
            f"{wanted} defective pictures asked for; the train split of {dataset.name!r} has "
            f"{len(there)}"
        )
    random.Random(seed).shuffle(there)
    left_out = {item.path for item in there[wanted:]}
    return replace(dataset, items=tuple(i for i in dataset.items if i.path not in left_out))
