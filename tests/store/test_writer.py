"""The writer's thread: groups, order, neighbours of a bad write, the end."""

import sqlite3
import threading

import pytest

from edge.core.errors import NotDurable
from edge.core.messages import Verdict
from edge.store.reader import LedgerReader
from edge.store.writer import Writer
from edge.store.writes import OpenResult, WriteRefused


class Outcomes:
    """What the callbacks heard, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []

    def of(self, name: str):
        return lambda outcome: self.heard.append((name, outcome))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.heard]


@pytest.fixture
def outcomes() -> Outcomes:
    return Outcomes()


def commits_of(db) -> list[str]:
    """Watch the connection: one entry for each COMMIT from now on."""
    seen: list[str] = []
    db._db.conn.set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)
    return seen


def test_what_waits_is_committed_at_once_and_told_in_order(db, make, outcomes):
    writer, commits = Writer(db), commits_of(db)
    for n in range(20):
        assert writer.submit([make.opening(n), make.event(n)], outcomes.of(f"part {n}"))
    assert writer.waiting() == 20
    assert writer.step()
    assert len(commits) == 1
    assert outcomes.heard == [
        (f"part {n}", (OpenResult(f"i-{n}", known=False), None)) for n in range(20)
    ]


def test_group_is_bounded(db, make):
    writer, commits = Writer(db, max_group=8), commits_of(db)
    for n in range(20):
        writer.submit([make.event(n)])
    while writer.step():
        pass
    assert len(commits) == 3


def test_bad_write_does_not_sink_its_neighbours(db, make, outcomes, path):
    writer = Writer(db)
    writer.submit([make.closing(1)], outcomes.of("before"))
    writer.submit([make.event(2), make.review(404)], outcomes.of("bad"))
    writer.submit([make.closing(3, Verdict.PASS)], outcomes.of("after"))
    writer.step()
    assert outcomes.names == ["before", "bad", "after"]
    results = dict(outcomes.heard)
    assert isinstance(results["bad"], WriteRefused)
    assert results["before"] == results["after"] == (None,)
    assert LedgerReader(path).record_count() == 2


def test_write_that_no_table_takes_is_told_and_the_writer_lives(db, make, outcomes):
    writer = Writer(db)
    writer.submit(["not a write"], outcomes.of("bug"))
    writer.step()
    assert isinstance(outcomes.heard[0][1], NotDurable)
    writer.submit([make.event(1)], outcomes.of("next"))
    writer.step()
    assert outcomes.heard[1] == ("next", (None,))


def test_callback_that_fails_is_survived(db, make, outcomes):
    writer = Writer(db)
    writer.submit([make.event(1)], lambda outcome: 1 / 0)
    writer.submit([make.event(2)], outcomes.of("next"))
    writer.step()
    assert outcomes.names == ["next"]


def test_full_queue_refuses_at_once(db, make, outcomes):
    writer = Writer(db, max_waiting=1)
    assert writer.submit([make.event(1)])
    assert not writer.submit([make.event(2)], outcomes.of("refused"))
    writer.step()
    assert outcomes.heard == []


def test_close_commits_what_is_queued_and_takes_no_more(db, make, outcomes, path):
    writer = Writer(db)
    writer.start()
    for n in range(500):
        assert writer.submit([make.event(n)], outcomes.of(str(n)))
    assert writer.close(timeout_s=30)
    assert outcomes.names == [str(n) for n in range(500)]
    assert not writer.submit([make.event(501)])
    with pytest.raises(NotDurable, match="closing"):
        writer.commit([make.event(502)])
    assert LedgerReader(path).record_count() == 500
    assert db.closed


def test_many_threads_are_each_answered_once(db, make, path):
    writer = Writer(db)
    writer.start()
    answers: list[object] = []

    def client(first: int) -> None:
        for n in range(first, first + 50):
            answers.extend(writer.commit([make.opening(n)]))

    clients = [threading.Thread(target=client, args=(k * 50,)) for k in range(4)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    writer.close()
    assert sorted(answer.inspection_id for answer in answers) == sorted(
        f"i-{n}" for n in range(200)
    )


def test_commit_says_so_when_the_disk_hangs(db, make):
    writer = Writer(db)  # nobody steps
    with pytest.raises(NotDurable, match=r"did not answer in 0\.01 s"):
        writer.commit([make.event(1)], timeout_s=0.01)


def test_quiet_is_used_for_a_checkpoint(db, make, path):
    writer = Writer(db)
    for n in range(40):
        writer.submit([make.event(n)])
    writer.step()
    assert not writer.step()
    alone = sqlite3.connect(f"file:{path}?immutable=1", uri=True)  # sees no WAL
    assert alone.execute("select count(*) from records").fetchone() == (40,)
    alone.close()
