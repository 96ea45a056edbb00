"""The rows of ledger.db as values."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge.core.messages import By, Level, Reason, Verdict
from edge.store.writes import ImageKey


@dataclass(frozen=True, slots=True)
class KeptImage:
    """A row of `images`. Its file is gone once `pruned_at` is set."""

    key: ImageKey
    sha256: str
    image_class: Verdict
    bytes: int
    send: bool  # the trainer should have it
    at: datetime
    pruned_at: datetime | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """A row of `inspections`: one part, once, as its newest revision tells it."""

    inspection_id: str
    part_id: str
    plc_seq: int
    lot: str | None
    recipe: str
    level: Level
    opened_at: datetime
    deadline_ms: int
    verdict: Verdict | None  # None: still open
    by: By | None
    reasons: tuple[Reason, ...]
    score: float | None
    opinion: Verdict | None
    model: str | None
    latency_ms: float | None
    revision: int  # 0: still open
    closed_at: datetime | None
    plc_acked: bool
    answer: str | None  # the VerdictMessage as JSON, as the line was told
    body: str  # the InspectionRecord as JSON; while open, the draft of OpenPart
    images: tuple[KeptImage, ...] = ()
    serial: str | None = None


def stamp(at: datetime) -> str:
    """A time as it stands in the tables: UTC, of one width, so that text order is time order."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def inspection_of(row: dict[str, Any], images: tuple[KeptImage, ...] = ()) -> Inspection:
    return Inspection(
        inspection_id=row["inspection_id"],
        part_id=row["part_id"],
        plc_seq=row["plc_seq"],
        lot=row["lot"],
        recipe=row["recipe"],
        level=Level(row["level"]),
        opened_at=datetime.fromisoformat(row["opened_at"]),
        deadline_ms=row["deadline_ms"],
        verdict=None if row["verdict"] is None else Verdict(row["verdict"]),
        by=None if row["by"] is None else By(row["by"]),
        reasons=tuple(Reason(reason) for reason in json.loads(row["reasons"])),
        score=row["score"],
        opinion=None if row["opinion"] is None else Verdict(row["opinion"]),
        model=row["model"],
        latency_ms=row["latency_ms"],
        revision=row["revision"],
        closed_at=_time(row["closed_at"]),
        plc_acked=bool(row["plc_acked"]),
        answer=row["answer"],
        body=row["body"],
        images=images,
        serial=row["serial"],
    )


def image_of(row: dict[str, Any]) -> KeptImage:
    return KeptImage(
        key=ImageKey(row["inspection_id"], row["view"], row["kind"]),
        sha256=row["sha256"],
        image_class=Verdict(row["class"]),
        bytes=row["bytes"],
        send=bool(row["send"]),
        at=datetime.fromisoformat(row["at"]),
        pruned_at=_time(row["pruned_at"]),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
