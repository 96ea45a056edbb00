"""A run's file on a split: what it finds, what it would let through, how fast it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.core import metrics
from edge.core.manifest import Face
from edge.core.preprocess import Image, to_input
from trainer.data.items import DEFECT, GOOD, Dataset, Item
from trainer.judge import session
from trainer.track import Track


@dataclass(frozen=True, slots=True)
class Scored:
    """Items and the score that a file gave each; in the items' order."""

    items: tuple[Item, ...]
    scores: NDArray[np.float32]

    def of_domain(self, domain: str | None) -> "Scored":
        """Those of one domain; None: all."""
        if domain is None:
            return self
        chosen = [n for n, item in enumerate(self.items) if item.domain == domain]
        return Scored(tuple(self.items[n] for n in chosen), self.scores[chosen])

    def parts(self, label: int) -> int:
        return len({item.part for item in self.items if item.label == label})

    def of(self, label: int) -> list[float]:
        return [
            float(score)
            for item, score in zip(self.items, self.scores, strict=True)
            if item.label == label
        ]


def score(
    model: bytes, face: Face, dataset: Dataset, items: Sequence[Item], track: Track
) -> Scored:
    """Score items as the box does: file, decode, `to_input`, one thread."""
    inputs = (to_input(dataset.image(item), face) for item in track(items, "scoring"))
    return Scored(tuple(items), session.scores(model, inputs))


def figures(scored: Scored) -> dict[str, Any]:
    """What others rely on: auroc, ap, recalls and counts of pictures; and the intervals beside
    them, from the counts of parts, as pictures of one part are no independent observations. None
    where there are no good or no defective parts to tell apart."""
    good, defect = scored.of(GOOD), scored.of(DEFECT)
    auroc = metrics.auroc(good, defect)
    n_good, n_defect = scored.parts(GOOD), scored.parts(DEFECT)
    at_1, at_5 = (metrics.recall_at(good, defect, share) for share in (0.01, 0.05))
    values = {
        "auroc": auroc,
        "ap": metrics.average_precision(good, defect),
        "recall_at_1pct_fr": at_1.value,
        "recall_at_5pct_fr": at_5.value,
    }
    return {
        **{name: value if good and defect else None for name, value in values.items()},
        "n_good": len(good),
        "n_defect": len(defect),
        "n_good_parts": n_good,
        "n_defect_parts": n_defect,
        "intervals": {
            "auroc": metrics.auroc_interval(auroc, n_good, n_defect),
            "recall_at_1pct_fr": at_1.of_parts(n_defect),
            "recall_at_5pct_fr": at_5.of_parts(n_defect),
        },
    }


def speed(model: bytes, face: Face, dataset: Dataset, items: Sequence[Item]) -> dict[str, float]:
    """Milliseconds on one and on two threads (median of 200) and size in MB."""
    inputs: list[Image] = [to_input(dataset.image(item), face) for item in items[:8]]
    one, two = (round(session.latency_ms(model, inputs, threads), 3) for threads in (1, 2))
    return {"ms_1t": one, "ms_2t": two, "mb": len(model) / 1e6}
