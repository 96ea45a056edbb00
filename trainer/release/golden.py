"""The golden set: exact inputs with the scores this file gives, to test it on the box.

Held-out pictures, half of them defects, spread over the whole range of scores; stored at the
model's size, so that nothing is resized on the way back in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.core.errors import LinegateError
from edge.core.manifest import Face, Golden
from edge.core.preprocess import Image, to_input
from trainer.data.items import DEFECT, GOOD, Dataset, Item
from trainer.judge import session

COUNT = 16


@dataclass(frozen=True, slots=True)
class Example:
    """A golden picture (H, W, C) in the model's colour order, with its entry in the manifest."""

    entry: Golden
    image: Image

    def png(self) -> bytes:
        """As any picture file: BGR or grey. Reading it gives the model's input, bit for bit."""
        rgb = self.image.shape[2] == 3
        stored = cv2.cvtColor(self.image, cv2.COLOR_RGB2BGR) if rgb else self.image[..., 0]
        done, data = cv2.imencode(".png", stored, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        if not done:
            raise LinegateError("a golden picture cannot be written as PNG")
        return bytes(data.tobytes())


def choose(dataset: Dataset, face: Face, model: bytes, held_out: dict[str, float]) -> list[Example]:
    """Sixteen pictures of the val split by their known scores (path -> score)."""
    items = sorted(dataset.of("val"), key=lambda item: (held_out[item.path], item.path))
    chosen = [
        item
        for label in (GOOD, DEFECT)
        for item in _spread([i for i in items if i.label == label], COUNT // 2)
    ]
    inputs = [to_input(dataset.image(item), face) for item in chosen]
    scores = session.scores(model, inputs)
    return [
        _example(n, item, image[0], float(score))
        for n, (item, image, score) in enumerate(zip(chosen, inputs, scores, strict=True))
    ]


def _spread(items: Sequence[Item], wanted: int) -> list[Item]:
    """Evenly over the list, ends included; all of them if there are few."""
    if len(items) <= wanted:
        return list(items)
    return [items[int(place)] for place in np.linspace(0, len(items) - 1, wanted).round()]


def _example(n: int, item: Item, image: Image, score: float) -> Example:
    assert item.label in (GOOD, DEFECT)
    word = "defect" if item.label == DEFECT else "good"
    entry = Golden(file=f"golden/{n:02}-{word}.png", score=score, label=1 if item.label else 0)
    return Example(entry, image)
