"""What only the page asks of ledger.db, beside store/reader.py. Read-only, bounded in time."""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

from edge.core.automation import permit
from edge.core.messages import Level
from edge.store.connect import reading
from edge.store.rows import stamp


class PageQuestions:
    """Safe in any thread. Every method raises StoreError if there is no ledger to read."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger

    def newest_reworks(self, since: datetime, limit: int) -> tuple[str, ...]:
        """Ids of the last reworks, newest first."""
        sql = """
            select inspection_id from inspections
            where opened_at >= ? and verdict = 'rework' order by opened_at desc limit ?
            """
        with reading(self._ledger) as db:
            return tuple(row["inspection_id"] for row in db.query(sql, [stamp(since), limit]))

    def rework_reasons(self, since: datetime) -> Counter[str]:
        """How many reworks have each reason; a part with two counts in both."""
        sql = """
            select reasons, count(*) as n from inspections
            where opened_at >= ? and verdict = 'rework' group by reasons
            """
        reasons: Counter[str] = Counter()
        with reading(self._ledger) as db:
            for row in db.query(sql, [stamp(since)]):
                reasons.update(dict.fromkeys(json.loads(row["reasons"]), row["n"]))
        return reasons

    def latencies_ms(self, since: datetime, limit: int = 10_000) -> tuple[float, ...]:
        """From trigger to the gate's own answer, newest first; without the parts for whose final
        verdict people, or their deadline, were waited for."""
        sql = """
            select latency_ms from inspections
            where opened_at >= ? and revision = 1 and latency_ms is not null
            order by opened_at desc limit ?
            """
        with reading(self._ledger) as db:
            return tuple(row["latency_ms"] for row in db.query(sql, [stamp(since), limit]))

    def may_be_seen(self, sha256: str) -> bool:
        """Whether the file is an image of ours that people may see: heatmaps of parts which they
        judge unswayed are not (eyes.py)."""
        sql = """
            select distinct images.kind, inspections.level
            from images join inspections using (inspection_id)
            where sha256 = ? and pruned_at is null
            """
        with reading(self._ledger) as db:
            return any(
                row["kind"] == "frame" or permit(Level(row["level"])).shows_score
                for row in db.query(sql, [sha256])
            )
