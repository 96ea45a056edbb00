"""What each write does to the tables. Runs inside the transaction of LedgerDb.commit."""

import json
import sqlite3
from datetime import datetime, timedelta
from typing import assert_never

from sqlite_utils import Database

from edge.core.messages import Verdict
from edge.core.records import ImageEvent, InspectionRecord, Kind, ReviewRecord, body_sha256
from edge.store.rows import stamp
from edge.store.writes import (
    AddAlarm,
    AddEvent,
    AddReview,
    ClosePart,
    KeepImage,
    MarkAcked,
    OpenPart,
    OpenResult,
    PruneImages,
    SerialPassed,
    SetMeta,
    Write,
    WriteRefused,
)

_NEWEST = (  # what a later revision changes in the row of an inspection
    "lot",
    "recipe",
    "level",
    "deadline_ms",
    "verdict",
    "by",
    "reasons",
    "score",
    "opinion",
    "model",
    "latency_ms",
    "revision",
    "closed_at",
    "answer",
    "body",
    "serial",
)
_SHOW_NEWEST = ", ".join(f'"{column}" = excluded."{column}"' for column in _NEWEST)


def apply(db: Database, write: Write) -> OpenResult | None:
    """Raises WriteRefused, or what SQLite raises."""
    match write:
        case OpenPart():
            return _open_part(db, write.draft)
        case ClosePart():
            _close_part(db, write)
        case AddReview():
            _add_review(db, write.review)
        case AddEvent(event):
            _append(db, Kind.EVENT, None, event.at, event.model_dump_json())
        case AddAlarm(alarm):
            _append(db, Kind.ALARM, None, alarm.at, alarm.model_dump_json())
        case KeepImage():
            _keep_image(db, write)
        case PruneImages():
            _prune_images(db, write)
        case MarkAcked(inspection_id):
            db.execute(
                "update inspections set plc_acked = 1 where inspection_id = ?", [inspection_id]
            )
        case SetMeta(key, value):
            db.table("meta").insert({"key": key, "value": value}, replace=True)
        case _:
            assert_never(write)
    return None


def _open_part(db: Database, draft: InspectionRecord) -> OpenResult:
    row = {
        "inspection_id": draft.inspection_id,
        "part_id": draft.part_id,
        "plc_seq": draft.seq,
        "lot": draft.lot,
        "recipe": draft.recipe,
        "level": draft.level,
        "opened_at": stamp(draft.triggered_at),
        "deadline_ms": draft.deadline_ms,
        "body": draft.model_dump_json(),
    }
    if _insert(db, "inspections", row, "on conflict (part_id, plc_seq) do nothing"):
        return OpenResult(draft.inspection_id, known=False)
    known = db.execute(
        "select inspection_id, answer from inspections where part_id = ? and plc_seq = ?",
        [draft.part_id, draft.seq],
    ).fetchone()
    return OpenResult(known[0], known=True, answer=known[1])


def _close_part(db: Database, write: ClosePart) -> None:
    record = write.record
    body = record.model_dump_json()
    recorded = db.execute(
        "select body from records where inspection_id = ? and kind = 'inspection'"
        " and json_extract(body, '$.revision') = ?",
        [record.inspection_id, record.revision],
    ).fetchone()
    if recorded is not None and recorded[0] != body:
        raise WriteRefused(
            f"revision {record.revision} of inspection {record.inspection_id} is recorded "
            "with another content"
        )
    if recorded is None:
        _enter(db, write, body)


def _enter(db: Database, write: ClosePart, body: str) -> None:
    record = write.record
    if record.serial is not None and record.verdict is not Verdict.REWORK:
        _refuse_second_pass(db, record, record.serial)
    decided_at = record.triggered_at + timedelta(milliseconds=record.latency_ms)
    row = {
        "inspection_id": record.inspection_id,
        "part_id": record.part_id,
        "plc_seq": record.seq,
        "lot": record.lot,
        "recipe": record.recipe,
        "level": record.level,
        "opened_at": stamp(record.triggered_at),
        "deadline_ms": record.deadline_ms,
        "verdict": record.verdict,
        "by": record.by,
        "reasons": json.dumps(record.reasons),
        "score": record.score,
        "opinion": record.opinion,
        "model": record.model,
        "latency_ms": record.latency_ms,
        "revision": record.revision,
        "closed_at": stamp(decided_at),
        "answer": write.answer.model_dump_json(),
        "body": body,
        "serial": record.serial,
    }
    _insert(db, "inspections", row, _ON_CLOSED)
    _append(db, Kind.INSPECTION, record.inspection_id, decided_at, body)


# A new answer is yet to be echoed by the PLC; an older revision than the row's is only recorded.
_ON_CLOSED = f"""on conflict (inspection_id) do update
    set {_SHOW_NEWEST}, plc_acked = plc_acked and answer is excluded.answer
    where excluded.revision > revision"""


def _refuse_second_pass(db: Database, record: InspectionRecord, serial: str) -> None:
    """Also before a person is asked: their pass could not count."""
    passed = db.execute(
        "select inspection_id from inspections where serial = ? and recipe = ?"
        " and verdict = 'pass' and taken_back = 0 and inspection_id <> ?",
        [serial, record.recipe, record.inspection_id],
    ).fetchone()
    if passed is not None:
        raise SerialPassed(serial, passed[0])


def _add_review(db: Database, review: ReviewRecord) -> None:
    body, of = review.model_dump_json(), review.inspection_id
    if not _exists(db, "select 1 from inspections where inspection_id = ?", of):
        raise WriteRefused(f"there is no inspection {of} to review")
    if not _exists(db, "select 1 from records where inspection_id = ? and body = ?", of, body):
        _append(db, Kind.REVIEW, of, review.at, body)
        _keep_as_evidence(db, review)
        _take_back(db, of, review.verdict is Verdict.REWORK)


def _take_back(db: Database, of: str, back: bool) -> None:
    """Of a part that had passed: its serial may pass again, or, after a second thought, not."""
    try:
        db.execute(
            "update inspections set taken_back = ? where inspection_id = ? and verdict = 'pass'",
            [int(back), of],
        )
    except sqlite3.IntegrityError as error:
        raise WriteRefused(f"another part has passed with the serial of {of} since") from error


def _keep_as_evidence(db: Database, review: ReviewRecord) -> None:
    """What people looked at teaches most: the frames of a passed part that someone judged are
    kept as long as a review's, and the trainer gets them, too."""
    passed = "inspection_id = ? and kind = 'frame' and class = 'pass' and pruned_at is null"
    of = review.inspection_id
    rows = list(db.table("images").rows_where(passed, [of], order_by="view"))
    db.execute(f"update images set class = 'review', send = 1 where {passed}", [of])
    for row in rows:
        event = ImageEvent(
            inspection_id=of,
            view=row["view"],
            sha256=row["sha256"],
            bytes=row["bytes"],
            send=True,
            at=review.at,
        )
        _append(db, Kind.EVENT, of, event.at, event.model_dump_json())


def _keep_image(db: Database, write: KeepImage) -> None:
    event = write.event
    row = {
        "inspection_id": event.inspection_id,
        "view": event.view,
        "kind": event.kind,
        "sha256": event.sha256,
        "class": write.image_class,
        "bytes": event.bytes,
        "send": int(event.send),
        "at": stamp(event.at),
    }
    if _insert(db, "images", row, "on conflict (inspection_id, view, kind) do nothing"):
        _append(db, Kind.EVENT, event.inspection_id, event.at, event.model_dump_json())


def _prune_images(db: Database, write: PruneImages) -> None:
    db.conn.executemany(
        "update images set pruned_at = ?"
        " where inspection_id = ? and view = ? and kind = ? and pruned_at is null",
        [(stamp(write.at), key.inspection_id, key.view, key.kind) for key in write.keys],
    )


def _append(db: Database, kind: Kind, inspection_id: str | None, at: datetime, body: str) -> None:
    """The next record; its seq is its identity, forever. sqlite-utils' insert would ask for the
    table's columns first, each time."""
    db.execute(
        "insert into records (kind, inspection_id, at, body, sha256) values (?, ?, ?, ?, ?)",
        [kind, inspection_id, stamp(at), body, body_sha256(body)],
    )


def _exists(db: Database, sql: str, *values: str) -> bool:
    return db.execute(sql, values).fetchone() is not None


def _insert(db: Database, table: str, row: dict[str, object], on_conflict: str) -> bool:
    """sqlite-utils knows only OR IGNORE and whole upserts; here the conflict clause matters.
    Return whether a row was written."""
    columns = ", ".join(f'"{column}"' for column in row)
    values = ", ".join("?" * len(row))
    sql = f"insert into {table} ({columns}) values ({values}) {on_conflict}"
    return db.execute(sql, list(row.values())).rowcount == 1
