"""Cross-validation: what a learner says of parts that it was not shown, fold by fold, and which of
several learners that speaks for.

How they learn is handed in as a function; nothing here knows a learner.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.core.clock import Clock, ms
from trainer.data.folds import Sides
from trainer.data.items import Item
from trainer.judge import evaluate
from trainer.judge.evaluate import Scored
from trainer.track import Track

Scorer = Callable[[Sides], NDArray[np.float32]]  # learn one side, score what was left out

FIGURES = ("auroc", "ap", "recall_at_1pct_fr", "recall_at_5pct_fr")
LEAST_FOLDS = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """A learner that was cross-validated, and how long that took."""

    learner: str
    folds: tuple[Scored, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better one learner is than another on the same folds, and its standard error."""

    mean: float
    error: float


def walk(
    items: Sequence[Item], cut: Sequence[Sides], scorer: Scorer, track: Track, what: str = "folds"
) -> Iterator[Scored]:
    """Every fold's left-out pictures with the scores of a learner that has not seen them."""
    for sides in track(cut, what):
        yield Scored(tuple(items[n] for n in sides.left_out), scorer(sides))


def candidate(
    learner: str, folds: Iterator[Scored], clock: Clock, most_s: float = math.inf
) -> Candidate:
    """Walk through the folds; only as many as fit into `most_s` seconds, but two at least."""
    begun_ns, done, seconds = clock.monotonic_ns(), [], 0.0
    for fold in folds:
        done.append(fold)
        seconds = ms(clock.monotonic_ns() - begun_ns) / 1000
        if len(done) >= LEAST_FOLDS and seconds * (len(done) + 1) / len(done) > most_s:
            break
    return Candidate(learner, tuple(done), round(seconds, 1))


def figures(folds: Sequence[Scored]) -> dict[str, Any]:
    """Each figure fold by fold, its mean, standard deviation and worst; None without defects."""
    found = [evaluate.figures(fold) for fold in folds]
    return {
        "folds": len(found),
        "n_good": sum(f["n_good"] for f in found),
        "n_defect": sum(f["n_defect"] for f in found),
        **{name: summary([f[name] for f in found]) for name in FIGURES},
    }


def table(folds: Sequence[Scored]) -> bytes:
    """As CSV, what was said of each picture by the model that had not seen it, or its part."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["path", "label", "score", "part", "kind", "domain", "fold"])
    for n, fold in enumerate(folds):
        for i, score in zip(fold.items, fold.scores, strict=True):
            out.writerow([i.path, i.label, repr(float(score)), i.part, i.kind, i.domain, n])
    return text.getvalue().encode()


def summary(values: Sequence[float | None]) -> dict[str, Any] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return {
        "each": known,
        "mean": float(np.mean(known)),
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else 0.0,
        "min": min(known),
    }


def difference(one: Sequence[float], other: Sequence[float], k: int) -> Difference:
    """Of the second over the first, on the folds of `k` that both walked.

    The error counts that the folds share training pictures: variance times 1/folds + 1/(k - 1)
    (Nadeau & Bengio 2003, https://doi.org/10.1023/A:1024068626366).
    """
    gains = [b - a for a, b in zip(one, other, strict=False)]
    sd = float(np.std(gains, ddof=1)) if len(gains) > 1 else math.inf
    return Difference(float(np.mean(gains)), sd * math.sqrt(1 / len(gains) + 1 / (k - 1)))


def choose(candidates: Sequence[Candidate], k: int) -> dict[str, Any]:
    """The first, unless a later one is better by more than the standard error; give the cheap and
    simple ones first. Returns `learner`, and `rows` that say why."""
    best, *others = candidates
    rows = [_row(best, "the simplest")]
    for other in others:
        gain = difference(_aurocs(best), _aurocs(other), k)
        better = gain.mean > gain.error
        verdict = "better" if better else "not better"
        reason = f"{verdict} than {best.learner}: {gain.mean:+.4f} +- {gain.error:.4f}"
        rows.append(_row(other, reason))
        best = other if better else best
    return {"learner": best.learner, "rows": rows}


def _aurocs(candidate: Candidate) -> list[float]:
    return [evaluate.figures(fold)["auroc"] for fold in candidate.folds]


def _row(candidate: Candidate, reason: str) -> dict[str, Any]:
    found = figures(candidate.folds)
    return {
        "learner": candidate.learner,
        "folds": found["folds"],
        "auroc": found["auroc"],
        "ap": found["ap"],
        "seconds": candidate.seconds,
        "reason": reason,
    }
