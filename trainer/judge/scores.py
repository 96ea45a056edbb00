"""The kept table of a split's scores: one row per picture, all digits, of both files."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from edge.core.errors import LinegateError
from trainer.data.items import DEFECT, GOOD
from trainer.judge.evaluate import Scored

COLUMNS = ("path", "label", "score", "part", "kind", "domain", "float_score")


@dataclass(frozen=True, slots=True)
class Row:
    """What int8 said of one held-out picture, and its float twin."""

    path: str
    label: int  # GOOD or DEFECT
    score: float
    part: str
    kind: str
    domain: str
    twin: float | None  # None in tables of older versions


def rows(scored: Scored, twin: Scored) -> list[Row]:
    """Both files' scores of the same items, in the same order."""
    return [
        Row(i.path, int(i.label or GOOD), float(score), i.part, i.kind, i.domain, float(other))
        for i, score, other in zip(scored.items, scored.scores, twin.scores, strict=True)
    ]


def write(table: Sequence[Row]) -> bytes:
    """As CSV with the columns `COLUMNS`; `repr` keeps every digit of a float32."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(COLUMNS)
    for r in table:
        twin = "" if r.twin is None else repr(r.twin)
        out.writerow([r.path, r.label, repr(r.score), r.part, r.kind, r.domain, twin])
    return text.getvalue().encode()


def read(data: bytes) -> list[Row]:
    """What `write` wrote; columns that older versions did not have are left empty."""
    return [
        Row(
            path=cells["path"],
            label=int(cells["label"]),
            score=float(cells["score"]),
            part=cells.get("part") or cells["path"],
            kind=cells.get("kind") or "",
            domain=cells.get("domain") or "",
            twin=float(cells["float_score"]) if cells.get("float_score") else None,
        )
        for cells in csv.DictReader(io.StringIO(data.decode()))
    ]


def good(table: Sequence[Row]) -> list[Row]:
    return [row for row in table if row.label == GOOD]


def defective(table: Sequence[Row]) -> list[Row]:
    return [row for row in table if row.label == DEFECT]


def of_domain(table: Sequence[Row], domain: str | None) -> list[Row]:
    """The rows of one domain; None: all. Raises LinegateError with the names that there are."""
    if domain is None:
        return list(table)
    chosen = [row for row in table if row.domain == domain]
    if not chosen:
        names = ", ".join(domains(table)) or "none: the column `domain` of the data set is empty"
        raise LinegateError(f"no held-out parts of domain {domain!r}; there is {names}")
    return chosen


def domains(table: Sequence[Row]) -> list[str]:
    return sorted({row.domain for row in table if row.domain})
