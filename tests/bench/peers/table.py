"""The table of the peers: one line for each way to ask."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.bench.table import Row

WIDTH = 44


@dataclass(frozen=True, slots=True)
class Line:
    """`per_s`: answers per second with several clients; memory and start are of the server."""

    row: Row
    per_s: float | None = None
    memory_mb: float | None = None
    start_s: float | None = None


def in_words(lines: Sequence[Line], left_out: dict[str, str], clients: int) -> list[str]:
    """Fastest first, then who could not be measured, and how many those are."""
    heads = ("p50", "p99", "added", "ratio", f"{clients} cl./s", "MB", "start s")
    words = [" ".join([f"{'ms':{WIDTH}}", *(f"{head:>8}" for head in heads)])]
    for line in sorted(lines, key=lambda line: line.row.p50_ms or 0.0):
        row = line.row
        words.append(
            " ".join(
                [f"{row.name:{WIDTH}}"]
                + [_figure(ms, 2) for ms in (row.p50_ms, row.p99_ms, row.added_ms, row.ratio)]
                + [_figure(line.per_s, 0), _figure(line.memory_mb, 0), _figure(line.start_s, 1)]
            ).rstrip()
        )
    words += [f"left out: {name}: {why}" for name, why in left_out.items()]
    return [*words, f"peers left out: {len(left_out)}"]


def _figure(value: float | None, digits: int) -> str:
    return f"{'' if value is None else format(value, f'.{digits}f'):>8}"
