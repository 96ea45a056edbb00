"""Builders of records, a settable clock, and ledgers in a temporary folder."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from store.victims import Victims

from edge.core.messages import By, Level, Reason, Verdict, VerdictMessage
from edge.core.records import AlarmRecord, EventRecord, ImageEvent, InspectionRecord, ReviewRecord
from edge.store.ledger_db import LedgerDb
from edge.store.writes import (
    AddAlarm,
    AddEvent,
    AddReview,
    ClosePart,
    ImageKey,
    KeepImage,
    OpenPart,
)

START = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
SHA = "0" * 64


class HandClock:
    """A clock that only moves by hand."""

    def __init__(self) -> None:
        self.passed = timedelta()

    def monotonic_ns(self) -> int:
        return round(self.passed.total_seconds() * 1e9)

    def now(self) -> datetime:
        return START + self.passed

    def advance(self, seconds: float) -> None:
        self.passed += timedelta(seconds=seconds)


class Make:
    """Part n is `part-n`, its inspection `i-n`, n seconds after the start."""

    def record(
        self,
        n: int,
        verdict: Verdict = Verdict.REWORK,
        revision: int = 1,
        by: By = By.MODEL,
        recipe: str = "guide",
        latency_ms: float = 12.5,
    ) -> InspectionRecord:
        return InspectionRecord(
            inspection_id=f"i-{n}",
            revision=revision,
            part_id=f"part-{n}",
            seq=n,
            recipe=recipe,
            recipe_sha256=SHA,
            config_sha256=SHA,
            level=Level.PARTIAL,
            triggered_at=START + timedelta(seconds=n),
            deadline_ms=300,
            verdict=verdict,
            by=by,
            reasons=() if verdict is Verdict.PASS else (Reason.DEFECT,),
            score=0.25,
            latency_ms=latency_ms,
        )

    def answer(self, record: InspectionRecord) -> VerdictMessage:
        return VerdictMessage(
            part_id=record.part_id,
            seq=record.seq,
            inspection_id=record.inspection_id,
            verdict=record.verdict,
            by=record.by,
            reasons=record.reasons,
            recipe=record.recipe,
            latency_ms=record.latency_ms,
            valid_until=record.triggered_at + timedelta(milliseconds=300),
        )

    def opening(self, n: int, inspection_id: str | None = None) -> OpenPart:
        draft = self.record(n, Verdict.REWORK, by=By.FAILSAFE)
        return OpenPart(draft.model_copy(update={"inspection_id": inspection_id or f"i-{n}"}))

    def closing(
        self, n: int, verdict: Verdict = Verdict.REWORK, revision: int = 1, **more: object
    ) -> ClosePart:
        record = self.record(n, verdict, revision, **more)  # type: ignore[arg-type]
        return ClosePart(record, self.answer(record))

    def review(self, n: int, verdict: Verdict = Verdict.REWORK, who: str = "ada") -> AddReview:
        return AddReview(
            ReviewRecord(
                inspection_id=f"i-{n}",
                verdict=verdict,
                who=who,
                at=START,
                in_time=True,
                saw_score=False,
            )
        )

    def event(self, n: int, code: str = "note") -> AddEvent:
        return AddEvent(EventRecord(code=code, text=f"event {n}", at=START))

    def alarm(self, n: int) -> AddAlarm:
        alarm = AlarmRecord(code=f"a{n}", cause="c", action="a", raised=True, at=START)
        return AddAlarm(alarm)

    def image(
        self,
        n: int,
        verdict: Verdict = Verdict.REWORK,
        sha256: str | None = None,
        send: bool = True,
        kind: str = "frame",
        size: int = 1000,
    ) -> KeepImage:
        event = ImageEvent(
            inspection_id=f"i-{n}",
            view="main",
            kind=kind,  # type: ignore[arg-type]
            sha256=sha256 or f"{n:064x}",
            bytes=size,
            send=send,
            at=START + timedelta(seconds=n),
        )
        return KeepImage(event, verdict)

    def image_key(self, n: int, kind: str = "frame") -> ImageKey:
        return ImageKey(f"i-{n}", "main", kind)


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def victims() -> Iterator[Victims]:
    some = Victims()
    yield some
    some.close()


OpenLedger = Callable[..., LedgerDb]


@pytest.fixture
def open_ledger(path: Path, clock: HandClock) -> Iterator[OpenLedger]:
    """Open the ledger in `path`, or another; whatever is still open is closed afterwards."""
    opened: list[LedgerDb] = []
    epochs = iter(f"epoch-{n}" for n in range(1000))

    def open_it(
        at: Path = path, device: str = "box-1", recover: bool = False, **more: object
    ) -> LedgerDb:
        db = LedgerDb.open(at, device, lambda: next(epochs), clock, recover)
        opened.append(db)
        return db

    yield open_it
    for db in opened:
        if not db.closed:
            db.adopt()
            db.close()


@pytest.fixture
def db(open_ledger: OpenLedger) -> LedgerDb:
    return open_ledger()
