"""What normal looks like: statistics of good parts, which drift will be measured against."""

from collections.abc import Sequence

import numpy as np

from edge.core.quality import measure
from trainer.data.items import Dataset, Item


def statistics(dataset: Dataset, good: Sequence[Item], scores: Sequence[float]) -> dict[str, float]:
    """Mean and standard deviation of each quality figure of good frames, and of the scores of
    held-out good parts: `sharpness_mean`, `sharpness_sd`, ..., `score_mean`, `score_sd`."""
    rows = [measure(dataset.image(item)).model_dump() for item in good]
    columns: dict[str, Sequence[float]] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["score"] = scores
    found = {}
    for name, values in columns.items():
        found[f"{name}_mean"] = float(np.mean(values))
        found[f"{name}_sd"] = float(np.std(values))
    return found
