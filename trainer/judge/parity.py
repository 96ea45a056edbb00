"""How far the int8 file is from its float twin, on the same held-out pictures.

A comparison only: tails and thresholds are fitted on int8 features, so the twin was never meant to
be served, and where the two differ it is not always int8 that is wrong.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.core import metrics
from edge.core.manifest import Parity, Thresholds
from trainer.judge import scores
from trainer.judge.processor import processor
from trainer.judge.scores import Row

GOLDEN_TOLERANCE = 0.05  # how far a score may lie away on another box


def parity(table: Sequence[Row], cuts: Thresholds) -> Parity | None:
    """Over all rows; None if the table is of an older version and knows no float scores."""
    if any(row.twin is None for row in table):
        return None
    changes = _changes(table)
    return Parity(
        auroc_float=_auroc(table, table, twin=True),
        auroc_int8=_auroc(table, table, twin=False),
        max_score_change=float(changes.max()),
        p99_score_change=_p99(changes),
        flips=sum(_flipped(row, cuts) for row in table),
        defect_to_pass=sum(_let_go(row, cuts) for row in scores.defective(table)),
        n=len(table),
        golden_tolerance=GOLDEN_TOLERANCE,
        measured_on=processor(),
    )


def by_kind(table: Sequence[Row], cuts: Thresholds) -> list[dict[str, Any]]:
    """The same for good parts and for each kind of defect, against all good parts."""
    if any(row.twin is None for row in table):
        return []
    groups = {"good": scores.good(table)}
    for row in scores.defective(table):
        groups.setdefault(row.kind or "defect", []).append(row)
    return [_of_kind(name, rows, table, cuts) for name, rows in groups.items() if rows]


def _of_kind(
    name: str, rows: Sequence[Row], table: Sequence[Row], cuts: Thresholds
) -> dict[str, Any]:
    changes = _changes(rows)
    good = scores.good(table)
    return {
        "kind": name,
        "n": len(rows),
        "auroc_float": _auroc(good, rows, twin=True),
        "auroc_int8": _auroc(good, rows, twin=False),
        "max_score_change": float(changes.max()),
        "p99_score_change": _p99(changes),
        "flips": sum(_flipped(row, cuts) for row in rows),
        "to_pass": sum(_let_go(row, cuts) for row in rows),
    }


def _changes(rows: Sequence[Row]) -> np.ndarray:
    return np.array([abs(row.score - _twin(row)) for row in rows])


def _p99(changes: np.ndarray) -> float | None:
    return metrics.percentile(changes.tolist(), 99)


def _auroc(good: Sequence[Row], defect: Sequence[Row], twin: bool) -> float | None:
    sides = [
        [_twin(row) if twin else row.score for row in rows]
        for rows in (scores.good(good), scores.defective(defect))
    ]
    return metrics.auroc(*sides) if all(sides) else None


def _flipped(row: Row, cuts: Thresholds) -> bool:
    return _decision(row.score, cuts) != _decision(_twin(row), cuts)


def _let_go(row: Row, cuts: Thresholds) -> bool:
    """Float would have held the part and int8 lets it pass: of a defect, the flip that costs."""
    return row.score < cuts.pass_below <= _twin(row)


def _twin(row: Row) -> float:
    assert row.twin is not None
    return row.twin


def _decision(score: float, cuts: Thresholds) -> str:
    if score < cuts.pass_below:
        return "pass"
    return "review" if score < cuts.rework_from else "rework"
