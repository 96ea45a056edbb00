"""What training makes of the pictures, on one sheet: a person accepts or rejects it.

Nobody but a person can say whether a copy still shows a part that the line could make. The rule:
whoever looks must give every copy the label of its original, and see a defect in every outline.
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from edge.core.errors import LinegateError
from edge.core.manifest import Face
from edge.core.preprocess import Image
from edge.core.recipe import Orientation
from trainer.data.items import DEFECT, GOOD, Dataset, Item
from trainer.learn import samples
from trainer.learn.augment import augment
from trainer.learn.defects import spoil
from trainer.learn.samples import Sample
from trainer.report.sheet import Row, Tile, draw

ARTIFACT = "augmentation.png"
COLUMNS = 6
GOOD_ROWS, DEFECT_ROWS, SYNTHETIC_ROWS = 3, 2, 2
STRENGTH = 1.0  # the most that any learner uses
DRAW = 7  # beside the run's seed: training and sheet do not share their random numbers


def sheet(dataset: Dataset, face: Face, orientation: Orientation, seed: int) -> Image:
    """Originals with copies, then synthetic defects, BGR. Raises LinegateError without good
    training pictures."""
    rng = np.random.default_rng([seed, DRAW])
    items = dataset.of("train")
    good = _some([i for i in items if i.label == GOOD], max(GOOD_ROWS, COLUMNS), rng)
    if not good:
        raise LinegateError(f"data set {dataset.name!r} has no good pictures to train on")
    pictures = [samples.load(dataset, item, face) for item in good]
    shown = list(zip(good, pictures, strict=True))[:GOOD_ROWS]
    for item in _defective(items, rng):
        shown.append((item, samples.load(dataset, item, face)))
    rows = [_row(item, picture, orientation, rng) for item, picture in shown]
    for _ in range(SYNTHETIC_ROWS):
        rows += _synthetic(pictures, rng)
    return draw(_title(dataset, face, orientation), rows)


def _title(dataset: Dataset, face: Face, orientation: Orientation) -> list[str]:
    return [
        f"{dataset.name} {dataset.revision[:12]}   input {face.width_px} x {face.height_px} "
        f"{face.colour}   orientation {orientation}   full strength",
        "Would you give every copy the label of its original? Is a defect in every outline?",
        "Do dust and noise stay smaller and fainter than what you call a defect?",
    ]


def _row(item: Item, picture: Sample, orientation: Orientation, rng: Generator) -> Row:
    """An original and its copies."""
    word = "good" if item.label == GOOD else f"defective {item.kind}".strip()
    copies = [augment(picture, rng, STRENGTH, orientation) for _ in range(COLUMNS - 1)]
    tiles = [Tile(picture.image, "original", picture.mask)]
    tiles += [Tile(copy.image, f"copy {n + 1}", copy.mask) for n, copy in enumerate(copies)]
    return Row(f"{word}: {item.path}", tiles)


def _synthetic(pictures: Sequence[Sample], rng: Generator) -> list[Row]:
    """A synthetic defect on each of these good pictures: as it is, and below it where."""
    tiles = []
    for n, picture in enumerate(pictures):
        donor = pictures[(n + 1) % len(pictures)]
        image, mask = spoil(picture.image, donor.image, rng)
        tiles.append(Tile(image, "synthetic", mask))
    plain = [Tile(tile.image, tile.caption) for tile in tiles]
    return [Row("synthetic defects on good pictures", plain), Row("the same, outlined", tiles)]


def _defective(items: Sequence[Item], rng: Generator) -> list[Item]:
    """Those with masks, if there are any: they show that masks move along."""
    defective = [item for item in items if item.label == DEFECT]
    masked = [item for item in defective if item.mask is not None]
    return _some(masked or defective, DEFECT_ROWS, rng)


def _some(items: Sequence[Item], n: int, rng: Generator) -> list[Item]:
    return [items[int(k)] for k in rng.permutation(len(items))[:n]]
