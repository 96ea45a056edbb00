"""What a replay came to: verdicts, and how well the scores told defects from good parts."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from edge.core.messages import Verdict
from edge.core.metrics import auroc, average_precision, percentile, recall_at
from edge.replay.run import Judged


def line_of(judged: Judged) -> dict[str, Any]:
    """One line of the output file."""
    return {
        "path": str(judged.row.path),
        "part_id": judged.row.part_id,
        "score": judged.score,
        "verdict": judged.verdict.verdict,
        "reasons": list(judged.verdict.reasons),
        "latency_ms": judged.verdict.latency_ms,
    }


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """The keys that others rely on (docs/commands.md); a figure without labels is null."""
    verdicts = Counter(one.verdict.verdict for one in judged)
    latencies = [one.verdict.latency_ms for one in judged]
    return {
        "parts": len(judged),
        "verdicts": {word: verdicts[word] for word in Verdict},
        **ranking(judged),
        "latency_ms": {"p50": percentile(latencies, 50), "p99": percentile(latencies, 99)},
    }


def ranking(judged: Sequence[Judged]) -> dict[str, Any]:
    """AUROC and its kin over the frames that have a label and a score."""
    scored = [(one.row.label, one.score) for one in judged if one.score is not None]
    good = [score for label, score in scored if label == 0]
    defect = [score for label, score in scored if label == 1]
    return {
        "n_good": len(good),
        "n_defect": len(defect),
        "auroc": _or_null(auroc(good, defect)),
        "ap": _or_null(average_precision(good, defect)),
        "recall_at_1pct_fr": _or_null(recall_at(good, defect, 0.01).value),
        "recall_at_5pct_fr": _or_null(recall_at(good, defect, 0.05).value),
    }


def _or_null(figure: float) -> float | None:
    return None if math.isnan(figure) else figure
