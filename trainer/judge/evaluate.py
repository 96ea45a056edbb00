"""A run's file on a split: what it finds, what it would let through, how fast it is."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.core import metrics
from edge.core.manifest import Face, Thresholds
from edge.core.metrics import Share
from edge.core.preprocess import Image, to_input
from trainer.data.items import DEFECT, GOOD, Dataset, Item
from trainer.judge import session

Track = Callable[[Sequence[Any], str], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Scored:
    """Items and the score that a file gave each; in the items' order."""

    items: tuple[Item, ...]
    scores: NDArray[np.float32]

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
    """What others rely on: auroc, ap, recalls and counts; and the intervals beside them."""
    good, defect = scored.of(GOOD), scored.of(DEFECT)
    auroc = metrics.auroc(good, defect)
    at_1, at_5 = (metrics.recall_at(good, defect, share) for share in (0.01, 0.05))
    return {
        "auroc": auroc,
        "ap": metrics.average_precision(good, defect),
        "recall_at_1pct_fr": at_1.value,
        "recall_at_5pct_fr": at_5.value,
        "n_good": len(good),
        "n_defect": len(defect),
        "intervals": {
            "auroc": metrics.auroc_interval(auroc, len(good), len(defect)),
            "recall_at_1pct_fr": at_1.interval,
            "recall_at_5pct_fr": at_5.interval,
        },
    }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the thresholds do to parts: shares with their intervals."""

    escapes: Share  # defective parts that pass
    overkill: Share  # good parts that are reworked without a person
    review: Share  # parts of both kinds that a person must see


def outcome(scored: Scored, thresholds: Thresholds) -> Outcome:
    good, defect = scored.of(GOOD), scored.of(DEFECT)
    between = sum(thresholds.pass_below <= s < thresholds.rework_from for s in good + defect)
    return Outcome(
        escapes=Share(sum(s < thresholds.pass_below for s in defect), len(defect)),
        overkill=Share(sum(s >= thresholds.rework_from for s in good), len(good)),
        review=Share(between, len(good) + len(defect)),
    )


def speed(model: bytes, face: Face, dataset: Dataset, items: Sequence[Item]) -> dict[str, float]:
    """Milliseconds on one thread (median of 200) and size in MB."""
    inputs: list[Image] = [to_input(dataset.image(item), face) for item in items[:8]]
    return {"ms_1t": round(session.latency_ms(model, inputs), 3), "mb": len(model) / 1e6}
