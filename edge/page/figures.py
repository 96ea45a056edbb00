"""Counts as people may see them: a share never without n and its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.core.bounds import clopper_pearson
from edge.core.metrics import percentile
from edge.page.words import reason_in_words


@dataclass(frozen=True, slots=True)
class Share:
    """k of n, with the Clopper-Pearson 95 % interval; all shares in percent."""

    label: str
    key: str
    k: int
    n: int
    percent: float | None  # None without observations
    low: float
    high: float

    @property
    def text(self) -> str:
        return "no parts yet" if self.percent is None else f"{_percent(self.percent)} %"

    @property
    def interval(self) -> str:
        return f"{_percent(self.low)} to {_percent(self.high)} %"


@dataclass(frozen=True, slots=True)
class Latency:
    """Of the newest `n` parts: trigger to verdict, ms."""

    n: int
    p50_ms: float | None
    p99_ms: float | None


def share(label: str, key: str, k: int, n: int) -> Share:
    low, high = clopper_pearson(k, n)
    percent = 100.0 * k / n if n else None
    return Share(label, key, k, n, percent, 100.0 * low, 100.0 * high)


def verdict_shares(counts: Mapping[str, int]) -> tuple[Share, ...]:
    """One share for each verdict, of all parts that have one."""
    n = sum(counts.values())
    labels = (("Passed", "pass"), ("Rework", "rework"), ("Waiting", "review"))
    return tuple(share(label, key, counts.get(key, 0), n) for label, key in labels)


def pareto(reasons: Mapping[str, int], n_rework: int) -> tuple[Share, ...]:
    """The reasons of rework, most frequent first. A part with two reasons counts in both."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return tuple(share(reason_in_words(code), code, k, n_rework) for code, k in ordered)


def latency(latencies_ms: Sequence[float]) -> Latency:
    p50_ms, p99_ms = percentile(latencies_ms, 50), percentile(latencies_ms, 99)
    return Latency(len(latencies_ms), p50_ms, p99_ms)


def _percent(value: float) -> str:
    """One decimal; a share that is not quite 0 or 100 never reads as if it were."""
    if 0.0 < value < 0.1:
        return "<0.1"
    if 99.9 < value < 100.0:
        return ">99.9"
    return f"{value:.1f}" if 0.0 < value < 100.0 else f"{value:.0f}"
