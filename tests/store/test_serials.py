"""A serial passes once: through any order of writes, after restarts, and on the disk itself."""

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from edge.core.messages import Verdict
from edge.store.apply import apply
from edge.store.reader import LedgerReader
from edge.store.schema import migrations
from edge.store.writes import AddReview, ClosePart, SerialPassed, WriteRefused

PASS, REWORK, REVIEW = Verdict.PASS, Verdict.REWORK, Verdict.REVIEW


@pytest.fixture
def closing(make):
    def close(
        n: int,
        verdict: Verdict = PASS,
        serial: str = "S1",
        revision: int = 1,
        recipe: str = "guide",
    ) -> ClosePart:
        write = make.closing(n, verdict, revision, recipe=recipe)
        return ClosePart(write.record.model_copy(update={"serial": serial}), write.answer)

    return close


@pytest.fixture
def ledger(open_ledger):
    return open_ledger()


def test_second_part_with_a_passed_serial_is_refused_and_told_which(ledger, closing) -> None:
    ledger.commit([closing(1)])
    for verdict in (PASS, REVIEW):
        with pytest.raises(SerialPassed, match="'S1' has passed: i-1") as refused:
            ledger.commit([closing(2, verdict)])
        assert refused.value.inspection_id == "i-1"


def test_rework_of_a_passed_serial_is_recorded(ledger, closing, path) -> None:
    ledger.commit([closing(1), closing(2, REWORK)])
    assert [one.inspection_id for one in LedgerReader(path).of_serial("S1", 9)] == ["i-1", "i-2"]


def test_part_that_comes_again_from_rework_may_pass(ledger, closing, path) -> None:
    ledger.commit([closing(1, REWORK), closing(2, REWORK), closing(3)])
    verdicts = [one.verdict for one in LedgerReader(path).of_serial("S1", 9)]
    assert verdicts == [REWORK, REWORK, PASS]


def test_two_in_one_commit_are_one_too_many(ledger, closing) -> None:
    with pytest.raises(SerialPassed):
        ledger.commit([closing(1), closing(2)])
    ledger.commit([closing(2)])  # nothing of it was kept


def test_of_two_that_wait_for_a_person_one_passes(ledger, closing) -> None:
    ledger.commit([closing(1, REVIEW), closing(2, REVIEW)])
    ledger.commit([closing(2, PASS, revision=2)])
    with pytest.raises(SerialPassed):
        ledger.commit([closing(1, PASS, revision=2)])


def test_it_is_known_after_a_restart(open_ledger, closing) -> None:
    ledger = open_ledger()
    ledger.commit([closing(1)])
    ledger.close()
    with pytest.raises(SerialPassed):
        open_ledger().commit([closing(2)])


def test_other_type_of_part_may_have_the_same_serial(ledger, closing) -> None:
    ledger.commit([closing(1), closing(2, recipe="bracket")])


def test_repeat_of_a_recorded_pass_changes_nothing(ledger, closing) -> None:
    ledger.commit([closing(1)])
    ledger.commit([closing(1)])


def test_pass_that_was_amended_to_rework_frees_its_serial(ledger, closing) -> None:
    ledger.commit([closing(1)])
    ledger.commit([closing(1, REWORK, revision=2), closing(2)])


def test_pass_that_a_person_took_back_frees_its_serial_once(ledger, closing, make) -> None:
    ledger.commit([closing(1)])
    ledger.commit([make.review(1, PASS)])
    with pytest.raises(SerialPassed):
        ledger.commit([closing(2)])
    ledger.commit([make.review(1, REWORK), closing(2)])
    with pytest.raises(SerialPassed) as refused:
        ledger.commit([closing(3)])
    assert refused.value.inspection_id == "i-2"


def test_second_thought_about_a_pass_takes_its_serial_again(ledger, closing, make) -> None:
    ledger.commit([closing(1), make.review(1, REWORK)])
    ledger.commit([make.review(1, PASS)])
    with pytest.raises(SerialPassed):
        ledger.commit([closing(2)])


def test_second_thought_comes_too_late_once_another_has_passed(ledger, closing, make) -> None:
    ledger.commit([closing(1), make.review(1, REWORK), closing(2)])
    with pytest.raises(WriteRefused, match="another part has passed with the serial of i-1"):
        ledger.commit([make.review(1, PASS)])


def test_database_itself_refuses_a_second_pass(ledger, closing, path) -> None:
    ledger.commit([closing(1), closing(2, REWORK)])
    ledger.close()
    with sqlite3.connect(path) as db, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        db.execute("update inspections set verdict = 'pass' where inspection_id = 'i-2'")
    db.close()


def test_look_up_of_a_serial_reads_an_index_alone(ledger, path) -> None:
    asked = (
        "select inspection_id from inspections where serial = 'a' and recipe = 'b'"
        " and verdict = 'pass' and taken_back = 0 and inspection_id <> 'c'"
    )
    with sqlite3.connect(path) as db:
        (plan,) = db.execute(f"explain query plan {asked}").fetchall()
        assert "USING INDEX inspections_serial_passed (serial=? AND recipe=?)" in plan[3]
        plans = db.execute(
            "explain query plan select * from inspections where serial = 'a' order by rowid desc"
        ).fetchall()
        assert ["inspections_serial (serial=?)" in plan[3] for plan in plans] == [True]
    db.close()


def test_ledger_of_the_first_schema_is_brought_up_to_date(open_ledger, closing, make, path) -> None:
    with sqlite3.connect(path) as raw:
        old = Database(raw)
        migrations.apply(old, stop_before="0002_serial")
        assert "serial" not in old.table("inspections").columns_dict
        raw.execute(
            "insert into inspections (inspection_id, part_id, plc_seq, recipe, level, opened_at,"
            " deadline_ms, verdict, revision, body) values ('i-1', 'part-1', 1, 'guide', 'full',"
            " '2026-01-01T00:00:00+00:00', 300, 'pass', 1, '{}')"
        )
    raw.close()
    ledger = open_ledger()
    ledger.commit([closing(2), make.closing(3, PASS), make.closing(4, PASS)])
    rows = {row.inspection_id: row.serial for row in LedgerReader(path).newest(9)}
    assert rows == {"i-1": None, "i-2": "S1", "i-3": None, "i-4": None}


STEPS = st.tuples(
    st.integers(0, 5), st.sampled_from([*Verdict, None]), st.sampled_from("AB"), st.integers(1, 3)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_never_two_passes_of_one_serial_whatever_is_written(steps) -> None:
    """`None` as verdict: a person says rework of it."""
    from store.conftest import Make

    make, db = Make(), Database(memory=True)
    migrations.apply(db)
    taken_back: set[str] = set()
    for n, verdict, serial, revision in steps:
        if verdict is None:
            if passed(db, f"i-{n}"):
                taken_back.add(f"i-{n}")
            write: ClosePart | AddReview = make.review(n)
        else:
            made = make.closing(n, verdict, revision)
            write = ClosePart(made.record.model_copy(update={"serial": serial}), made.answer)
        try:
            with db.atomic():
                apply(db, write)
        except SerialPassed as refused:
            assert passed(db, refused.inspection_id)
            assert refused.inspection_id not in taken_back
        except Exception as refused:
            assert "recorded with another content" in str(refused) or "to review" in str(refused)
        rows = db.query("select inspection_id, serial from inspections where verdict = 'pass'")
        held = [row["serial"] for row in rows if row["inspection_id"] not in taken_back]
        assert len(held) == len(set(held))


def passed(db: Database, inspection_id: str) -> bool:
    sql = "select 1 from inspections where inspection_id = ? and verdict = 'pass'"
    return db.execute(sql, [inspection_id]).fetchone() is not None
