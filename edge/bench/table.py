"""Rows of the bench: a figure, what it is compared with, and what was promised."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RAW = "ONNX Runtime in-process"


@dataclass(frozen=True, slots=True)
class Row:
    """`added_ms` is the p50 over that of the raw model, `ratio` how many times it; a row that is
    no time has a `value` with its unit. `met` is None where nothing was promised."""

    name: str
    p50_ms: float | None = None
    p99_ms: float | None = None
    added_ms: float | None = None
    ratio: float | None = None
    value: float | None = None
    unit: str | None = None
    budget: str | None = None
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """Most milliseconds at p50 and p99; over the raw model if `over_raw`."""

    p50_ms: float
    p99_ms: float | None = None
    over_raw: bool = True

    def __str__(self) -> str:
        sign = "+" if self.over_raw else ""
        p99 = "" if self.p99_ms is None else f", p99 {sign}{self.p99_ms:g}"
        return f"{sign}{self.p50_ms:g} ms{p99}"


def timed(
    name: str, times_ms: Sequence[float], raw_ms: float | None, budget: Budget | None = None
) -> Row:
    """A row of measured times; `raw_ms` is the p50 of the raw model in the same run."""
    p50, p99 = (float(x) for x in np.percentile(times_ms, (50, 99)))
    base = 0.0 if raw_ms is None else raw_ms
    return Row(
        name,
        round(p50, 3),
        round(p99, 3),
        added_ms=None if raw_ms is None else round(p50 - raw_ms, 3),
        ratio=None if raw_ms is None else round(p50 / raw_ms, 2),
        budget=None if budget is None else str(budget),
        met=None if budget is None else _met(budget, p50, p99, base),
    )


def _met(budget: Budget, p50_ms: float, p99_ms: float, raw_ms: float) -> bool:
    base = raw_ms if budget.over_raw else 0.0
    within = p50_ms - base <= budget.p50_ms
    return within and (budget.p99_ms is None or p99_ms - base <= budget.p99_ms)


def at_most(name: str, value: float, unit: str, most: float) -> Row:
    return Row(name, value=round(value, 2), unit=unit, budget=f"{most:g} {unit}", met=value <= most)


def at_least(name: str, value: float, unit: str, least: float) -> Row:
    met = value >= least
    return Row(name, value=round(value, 1), unit=unit, budget=f"at least {least:g} {unit}", met=met)


def in_words(rows: Sequence[Row]) -> list[str]:
    """The table, one line a row."""
    lines = [f"{'':46} {'p50':>8} {'p99':>8} {'added':>8} {'ratio':>6}  budget"]
    for row in rows:
        said = {True: "met", False: "MISSED", None: ""}[row.met]
        if row.value is not None:
            figures = f"{row.value:>8g} {row.unit:<24}"
        else:
            figures = " ".join(
                f"{'' if value is None else format(value, '.2f'):>{width}}"
                for value, width in (
                    (row.p50_ms, 8),
                    (row.p99_ms, 8),
                    (row.added_ms, 8),
                    (row.ratio, 6),
                )
            )
        lines.append(f"{row.name:46} {figures}  {row.budget or ''} {said}".rstrip())
    return lines
