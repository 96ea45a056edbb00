"""The pictures that a learner starts from."""

from collections.abc import Sequence

from numpy.random import Generator

from edge.core.errors import LinegateError
from edge.core.manifest import Face
from edge.core.preprocess import Image
from trainer.data.items import DEFECT, GOOD, Dataset
from trainer.learn.samples import Sample, load
from trainer.track import Track

CALIBRATION = 100  # pictures
MIN_DEFECTS = 5  # from some 10 on it beats the memory alone


def both(dataset: Dataset, face: Face, track: Track) -> list[Sample]:
    """The training split at the model's size. Raises LinegateError if a label is too rare."""
    items = dataset.of("train")
    n_defects = sum(item.label == DEFECT for item in items)
    if n_defects < MIN_DEFECTS or n_defects == len(items):
        raise LinegateError(
            f"{n_defects} defective and {len(items) - n_defects} good pictures to train on; "
            f"the supervised learner needs {MIN_DEFECTS} defective ones, and good ones"
        )
    return [load(dataset, item, face) for item in track(items, "pictures")]


def good(dataset: Dataset, split: str, face: Face, track: Track) -> list[Sample]:
    """The good pictures of a split. Raises LinegateError if there are none."""
    items = [item for item in dataset.of(split) if item.label == GOOD]
    if not items:
        raise LinegateError(
            f"data set {dataset.name!r} has no good picture in split {split!r}: "
            f"run `linegate-trainer split --data {dataset.name} --again`"
        )
    return [load(dataset, item, face) for item in track(items, f"good pictures of {split}")]


def inputs(samples: Sequence[Sample], rng: Generator) -> list[Image]:
    """Inputs [1,H,W,C] to calibrate int8 on: a draw of the pictures."""
    return [samples[n].image[None] for n in rng.permutation(len(samples))[:CALIBRATION]]
