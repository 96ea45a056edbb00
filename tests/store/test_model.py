"""The ledger against a plain dictionary: any order of writes, failures and restarts."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from edge.core.errors import NotDurable
from edge.core.messages import By, Verdict
from edge.core.records import ImageEvent, Kind, ReviewRecord
from edge.store.ledger_db import LedgerDb
from edge.store.reader import LedgerReader
from edge.store.writes import (
    AddEvent,
    AddReview,
    ClosePart,
    KeepImage,
    MarkAcked,
    OpenPart,
    PruneImages,
    SetMeta,
    Write,
)

MEMORY = Path("/dev/shm")  # nothing here is about the disk
PARTS = st.integers(0, 4)
VERDICTS = st.sampled_from(list(Verdict))
KINDS = st.sampled_from(["open", "close", "review", "event", "image", "prune", "ack", "meta"])
STEPS = st.tuples(KINDS, PARTS, VERDICTS, st.integers(1, 3))


class Refused(Exception):
    """The model's word for a write that must not be committed."""


class Model:
    """What the tables should hold, in a few lines without SQL."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.records: list[tuple[Kind, str]] = []
        self.images: dict[tuple[str, str, str], bool] = {}  # pruned?
        self.passes: dict[tuple[str, str, str], ImageEvent] = {}  # not judged by a person yet
        self.meta: dict[str, str] = {}

    def apply(self, write: Write) -> None:
        match write:
            case OpenPart(draft):
                self._row(draft.inspection_id)
            case ClosePart():
                self._close(write)
            case AddReview(review):
                if review.inspection_id not in self.rows:
                    raise Refused
                self._review(review)
            case AddEvent(event):
                self.records.append((Kind.EVENT, event.model_dump_json()))
            case MarkAcked(inspection_id) if inspection_id in self.rows:
                self.rows[inspection_id]["acked"] = True
            case SetMeta(key, value):
                self.meta[key] = value
            case KeepImage() | PruneImages():
                self._image(write)

    def _row(self, inspection_id: str) -> dict[str, Any]:
        new = {"verdict": None, "revision": 0, "acked": False, "answer": None}
        return self.rows.setdefault(inspection_id, new)

    def _image(self, write: KeepImage | PruneImages) -> None:
        if isinstance(write, PruneImages):
            names = {(key.inspection_id, key.view, key.kind) for key in write.keys}
            self.images.update(dict.fromkeys(names & self.images.keys(), True))
            return
        event = write.event
        key = (event.inspection_id, event.view, event.kind)
        if key not in self.images:
            self.images[key] = False
            if write.image_class is Verdict.PASS:
                self.passes[key] = event
            self.records.append((Kind.EVENT, event.model_dump_json()))

    def _close(self, write: ClosePart) -> None:
        record, body = write.record, write.record.model_dump_json()
        row = self._row(record.inspection_id)
        bodies = row.setdefault("bodies", {})
        if bodies.get(record.revision, body) != body:
            raise Refused
        if record.revision in bodies:
            return
        bodies[record.revision] = body
        self.records.append((Kind.INSPECTION, body))
        if record.revision > row["revision"]:
            answer = write.answer.model_dump_json()
            row["acked"] = row["acked"] and row["answer"] == answer
            row.update(verdict=record.verdict, revision=record.revision, answer=answer)

    def _review(self, review: ReviewRecord) -> None:
        record = (Kind.REVIEW, review.model_dump_json())
        if record in self.records:
            return
        self.records.append(record)
        key = (review.inspection_id, "main", "frame")
        event = self.passes.pop(key, None)
        if event is not None and not self.images[key]:
            sent = event.model_copy(update={"send": True, "at": review.at})
            self.records.append((Kind.EVENT, sent.model_dump_json()))


class LedgerMachine(RuleBasedStateMachine):
    make: Any
    clock: Any

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.path = Path(self.folder.name) / "ledger.db"
        self.model = Model()
        self.db = self._open()
        self.model.meta = self.db.meta

    def _open(self) -> LedgerDb:
        return LedgerDb.open(self.path, "box", lambda: "epoch", self.clock)

    def _write(self, kind: str, n: int, verdict: Verdict, revision: int) -> Write:
        match kind:
            case "open":
                return self.make.opening(n)
            case "close":
                return self.make.closing(n, verdict, revision, by=By.HUMAN)
            case "review":
                return self.make.review(n, who=f"person {revision}")
            case "image":
                return self.make.image(n, verdict)
            case "prune":
                return PruneImages((self.make.image_key(n),), self.clock.now())
            case "ack":
                return MarkAcked(f"i-{n}")
            case "meta":
                return SetMeta(f"key {n}", verdict)
            case _:
                return self.make.event(n)

    @rule(steps=st.lists(STEPS, min_size=1, max_size=6))
    def commit(self, steps: list[tuple[str, int, Verdict, int]]) -> None:
        writes = [self._write(*step) for step in steps]
        wanted = self._copy()
        try:
            for write in writes:
                wanted.apply(write)
        except Refused:
            with pytest.raises(NotDurable):
                self.db.commit(writes)
        else:
            self.db.commit(writes)
            self.model = wanted

    def _copy(self) -> Model:
        copy = Model()
        copy.rows = {
            name: {**row, "bodies": dict(row.get("bodies", {}))}
            for name, row in self.model.rows.items()
        }
        copy.records = list(self.model.records)
        copy.images, copy.meta = dict(self.model.images), dict(self.model.meta)
        copy.passes = dict(self.model.passes)
        return copy

    @rule()
    def restart(self) -> None:
        self.db.close()
        self.db = self._open()

    @rule(idle=st.booleans())
    def tick(self, idle: bool) -> None:
        self.db.tick(idle)

    @invariant()
    def same(self) -> None:
        reader = LedgerReader(self.path)
        rows = {row.inspection_id: row for row in reader.newest(100)}
        assert {
            name: (r.verdict, r.revision, r.plc_acked, r.answer) for name, r in rows.items()
        } == {
            name: (row["verdict"], row["revision"], row["acked"], row["answer"])
            for name, row in self.model.rows.items()
        }
        records = reader.records_after(0, max_bytes=10**9)
        assert [(record.kind, record.body) for record in records] == self.model.records
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert reader.meta() == self.model.meta
        images = [image for n in range(5) for image in reader.images_of(f"i-{n}")]
        assert self.model.images == {
            (i.key.inspection_id, i.key.view, i.key.kind): i.pruned_at is not None for i in images
        }

    def teardown(self) -> None:
        self.db.close()
        self.folder.cleanup()


SETTINGS = settings(
    max_examples=30,
    stateful_step_count=15,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_ledger_is_what_a_dictionary_would_be(make, clock):
    machine = type("Machine", (LedgerMachine,), {"make": make, "clock": clock})
    run_state_machine_as_test(machine, settings=SETTINGS)


def test_planted_bug_is_found(make, clock):
    """A ledger that commits each write by itself differs as soon as a group is refused."""

    class Torn(LedgerMachine):
        def _open(self) -> LedgerDb:
            db = super()._open()
            commit = db.commit
            db.commit = lambda writes: tuple(commit([write])[0] for write in writes)  # type: ignore[method-assign]
            return db

    machine = type("Machine", (Torn,), {"make": make, "clock": clock})
    once_is_enough = settings(SETTINGS, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=once_is_enough)
