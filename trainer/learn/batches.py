"""Batches for training through a frozen stem: drawn, augmented, spoilt, and seen by the stem.

Every batch comes from a generator of its own, made of seed and step: it does not matter when or in
which thread it is made, nor whether the run was interrupted before.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.core.recipe import Orientation
from edge.core.runtime import ort
from trainer.data.items import DEFECT, GOOD
from trainer.learn import samples
from trainer.learn.augment import augment
from trainer.learn.defects import spoil
from trainer.learn.quantize import as_float
from trainer.learn.samples import Sample

T = TypeVar("T")
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a batch is made of."""

    seed: int
    size: int
    defect_share: float
    synthetic: float  # of the defects: made on good pictures
    strength: float  # of the augmentation
    orientation: Orientation


@dataclass(frozen=True, slots=True)
class Batch:
    maps: Floats  # (n, channels, h, w), what the stem says
    labels: Floats  # (n,)
    coverage: Floats  # (n, rows, columns) defective share of a patch; NaN: nobody knows


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures, and the stem they are seen through: float `image` -> one map of each."""

    pictures: Sequence[Sample]
    stem: ort.InferenceSession
    grid: tuple[int, int]
    mixture: Mixture

    def batch(self, step: int) -> Batch:
        return self.see(draw(self.pictures, self.mixture, step))

    def see(self, made: Sequence[Sample]) -> Batch:
        maps = [self.stem.run(None, {"image": as_float(s.image[None])})[0] for s in made]
        coverage = [samples.coverage(sample, *self.grid) for sample in made]
        labels = np.asarray([sample.label for sample in made], dtype=np.float32)
        return Batch(np.concatenate(maps), labels, np.stack(coverage))


def draw(pictures: Sequence[Sample], mixture: Mixture, step: int) -> list[Sample]:
    """Fresh copies for one step: synthetic defects, good pictures, real defects."""
    rng = np.random.default_rng([mixture.seed, step])
    labels = np.asarray([picture.label for picture in pictures])
    good = np.flatnonzero(labels == GOOD)
    n_defects = round(mixture.size * mixture.defect_share)
    n_synthetic = int(rng.binomial(n_defects, mixture.synthetic))
    n_good = mixture.size - n_defects + n_synthetic
    chosen = [
        *rng.choice(good, n_good),
        *rng.choice(np.flatnonzero(labels == DEFECT), n_defects - n_synthetic),
    ]
    made = [augment(pictures[n], rng, mixture.strength, mixture.orientation) for n in chosen]
    for place, donor in enumerate(rng.choice(good, n_synthetic)):
        made[place] = _spoilt(made[place], pictures[donor], rng)
    return made


def _spoilt(sample: Sample, donor: Sample, rng: Generator) -> Sample:
    image, mask = spoil(sample.image, donor.image, rng)
    return Sample(image, DEFECT, mask, sample.square)


def ahead(make: Callable[[int], T], numbers: Iterable[int]) -> Iterator[T]:
    """make(n) of each number, the next one made by a second thread while this one is used."""
    with ThreadPoolExecutor(1) as second:
        waiting = None
        for number in numbers:
            coming = second.submit(make, number)
            if waiting is not None:
                yield waiting.result()
            waiting = coming
        if waiting is not None:
            yield waiting.result()
