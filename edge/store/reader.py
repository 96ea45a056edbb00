"""ledger.db, read: by the page, the post, and the gate's own retention. It never writes.

Every question opens the file anew (0.1 ms), so a reader needs no thread of its own, never holds a
snapshot that keeps the WAL from shrinking, and follows when the file is replaced.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from edge.core.messages import By, Verdict
from edge.core.post import MAX_BATCH_BYTES, Record
from edge.core.records import Kind
from edge.store.connect import reading
from edge.store.rows import Inspection, KeptImage, image_of, inspection_of, stamp


@dataclass(frozen=True, slots=True)
class Count:
    """So many inspections of this recipe ended like this."""

    recipe: str
    verdict: Verdict
    by: By
    n: int


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the records reach: the newest seq of this epoch, 0 if there is none."""

    device: str
    epoch: str
    last_seq: int


class LedgerReader:
    """Safe in any thread and process. Every method raises StoreError if there is no ledger yet,
    or it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    # ---- inspections ----

    def newest(self, limit: int) -> tuple[Inspection, ...]:
        """The last inspections, newest first, with their images; open ones too."""
        return self._inspections("order by rowid desc limit ?", [limit])

    def waiting(self, limit: int) -> tuple[Inspection, ...]:
        """Those that wait for a person, oldest first, with their images."""
        return self._inspections("where verdict = 'review' order by opened_at limit ?", [limit])

    def inspection(self, inspection_id: str) -> Inspection | None:
        found = self._inspections("where inspection_id = ?", [inspection_id])
        return found[0] if found else None

    def of_serial(self, serial: str, limit: int) -> tuple[Inspection, ...]:
        """The inspections at which this code was read, oldest first: the n-th is attempt n. Of
        more than `limit` the last ones."""
        newest = self._inspections("where serial = ? order by rowid desc limit ?", [serial, limit])
        return newest[::-1]

    def counts(self, since: datetime) -> tuple[Count, ...]:
        """Of the closed inspections that were opened since then; absent means none."""
        sql = """
            select recipe, verdict, "by", count(*) as n from inspections
            where opened_at >= ? and verdict is not null
            group by recipe, verdict, "by" order by recipe, verdict, "by"
            """
        with reading(self._path) as db:
            return tuple(
                Count(row["recipe"], Verdict(row["verdict"]), By(row["by"]), row["n"])
                for row in db.query(sql, [stamp(since)])
            )

    # ---- records ----

    def extent(self) -> Extent:
        with reading(self._path) as db:
            meta = {row["key"]: row["value"] for row in db.table("meta").rows}
            last = db.execute("select coalesce(max(seq), 0) from records").fetchone()[0]
            return Extent(meta["device"], meta["epoch"], last)

    def meta(self) -> dict[str, str]:
        with reading(self._path) as db:
            return {row["key"]: row["value"] for row in db.table("meta").rows}

    def record_count(self) -> int:
        with reading(self._path) as db:
            return db.table("records").count

    def records_after(
        self, seq: int, limit: int = 1000, max_bytes: int = MAX_BATCH_BYTES
    ) -> tuple[Record, ...]:
        """The next records in order, up to `limit` and `max_bytes` of bodies, but at least one
        if there is any: a larger one travels alone."""
        sql = "select seq, kind, body, sha256 from records where seq > ? order by seq limit ?"
        taken: list[Record] = []
        size_bytes = 0
        with reading(self._path) as db:
            for row in db.query(sql, [seq, limit]):
                size_bytes += len(row["body"].encode())
                if taken and size_bytes > max_bytes:
                    break
                taken.append(Record.model_validate(row))
        return tuple(taken)

    def records_of(self, inspection_id: str) -> tuple[Record, ...]:
        """All that is recorded of one inspection, in order: revisions, reviews, images."""
        sql = "select seq, kind, body, sha256 from records where inspection_id = ? order by seq"
        with reading(self._path) as db:
            return tuple(Record.model_validate(row) for row in db.query(sql, [inspection_id]))

    def newest_records(self, kind: Kind, limit: int) -> tuple[Record, ...]:
        """The last records of a kind, newest first."""
        sql = "select seq, kind, body, sha256 from records where kind = ? order by seq desc limit ?"
        with reading(self._path) as db:
            return tuple(Record.model_validate(row) for row in db.query(sql, [kind, limit]))

    # ---- images ----

    def images_of(self, inspection_id: str) -> tuple[KeptImage, ...]:
        with reading(self._path) as db:
            return _images(db, [inspection_id]).get(inspection_id, ())

    def image_bytes(self) -> int:
        """What the images that are not pruned take on the disk."""
        sql = "select coalesce(sum(bytes), 0) from images where pruned_at is null"
        with reading(self._path) as db:
            return int(db.execute(sql).fetchone()[0])

    def oldest_images(self, image_class: Verdict, limit: int) -> tuple[KeptImage, ...]:
        """Of one class, those that are not pruned, oldest first."""
        sql = "select * from images where class = ? and pruned_at is null order by at limit ?"
        with reading(self._path) as db:
            return tuple(image_of(row) for row in db.query(sql, [image_class, limit]))

    def named(self, sha256s: Iterable[str]) -> frozenset[str]:
        """Those of the files that a row still vouches for."""
        sql = "select 1 from images where sha256 = ? and pruned_at is null limit 1"
        with reading(self._path) as db:
            return frozenset(sha for sha in sha256s if db.execute(sql, [sha]).fetchone())

    def _inspections(self, clause: str, values: Sequence[object]) -> tuple[Inspection, ...]:
        with reading(self._path) as db:
            rows = list(db.query(f"select * from inspections {clause}", values))
            images = _images(db, [row["inspection_id"] for row in rows])
            return tuple(inspection_of(row, images.get(row["inspection_id"], ())) for row in rows)


def _images(db: Database, inspection_ids: Sequence[str]) -> dict[str, tuple[KeptImage, ...]]:
    found: dict[str, tuple[KeptImage, ...]] = {}
    for inspection_id in inspection_ids:
        rows = db.query(
            "select * from images where inspection_id = ? order by view, kind", [inspection_id]
        )
        found[inspection_id] = tuple(image_of(row) for row in rows)
    return found
