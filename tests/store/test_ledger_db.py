"""The ledger: what a commit means, what is known again, what is refused."""

import json
import sqlite3
import threading

import pytest
from sqlite_utils import Database

from edge.core.errors import NotDurable, StoreError
from edge.core.messages import By, Verdict, VerdictMessage
from edge.core.records import ImageEvent, InspectionRecord, Kind, body_sha256
from edge.store.opening import LedgerDamaged
from edge.store.reader import LedgerReader
from edge.store.schema import migrations
from edge.store.writes import MarkAcked, OpenResult, SetMeta, WriteRefused


def test_new_trigger_opens_and_stays_unanswered_until_its_verdict(db, make, path):
    assert db.commit([make.opening(1)]) == (OpenResult("i-1", known=False),)
    (open_part,) = db.unanswered()
    assert (open_part.verdict, open_part.revision) == (None, 0)
    draft = InspectionRecord.model_validate_json(open_part.body)
    assert draft == make.opening(1).draft  # all that is needed to close it after a crash

    assert db.commit([make.closing(1, Verdict.PASS)]) == (None,)
    assert db.unanswered() == ()
    closed = LedgerReader(path).inspection("i-1")
    assert (closed.verdict, closed.by, closed.revision) == (Verdict.PASS, By.MODEL, 1)
    assert closed.closed_at.isoformat() == "2026-11-21T06:00:01.012500+00:00"


def test_known_trigger_opens_nothing_and_gets_the_recorded_answer(db, make, path):
    db.commit([make.opening(1)])
    again = make.opening(1, inspection_id="i-other")
    assert db.commit([again]) == (OpenResult("i-1", known=True, answer=None),)

    db.commit([make.closing(1, Verdict.PASS)])
    (result,) = db.commit([again])
    assert result.known
    answer = VerdictMessage.model_validate_json(result.answer)
    assert (answer.inspection_id, answer.verdict) == ("i-1", Verdict.PASS)
    assert LedgerReader(path).inspection("i-other") is None


def test_verdict_of_a_lost_opening_is_entered(db, make, path):
    db.commit([make.closing(7)])
    assert LedgerReader(path).inspection("i-7").part_id == "part-7"


def test_later_revision_shows_in_the_row_and_both_are_recorded(db, make, path):
    db.commit([make.opening(1), make.closing(1, Verdict.REVIEW)])
    assert [part.inspection_id for part in db.unanswered()] == ["i-1"]
    db.commit([make.closing(1, Verdict.PASS, revision=2, by=By.HUMAN), make.review(1)])

    reader = LedgerReader(path)
    row = reader.inspection("i-1")
    assert (row.verdict, row.by, row.revision) == (Verdict.PASS, By.HUMAN, 2)
    kinds = [(record.seq, record.kind) for record in reader.records_of("i-1")]
    assert kinds == [(1, Kind.INSPECTION), (2, Kind.INSPECTION), (3, Kind.REVIEW)]
    assert all(r.sha256 == body_sha256(r.body) for r in reader.records_of("i-1"))


def test_revision_that_comes_after_a_newer_one_is_only_recorded(db, make, path):
    db.commit([make.closing(1, Verdict.REWORK, revision=2)])
    db.commit([make.closing(1, Verdict.PASS, revision=1)])
    assert LedgerReader(path).inspection("i-1").verdict is Verdict.REWORK
    assert LedgerReader(path).record_count() == 2


def test_repeated_commit_changes_nothing(db, make, path):
    writes = [make.closing(1), make.review(1), make.image(1)]
    db.commit(writes)
    before = LedgerReader(path).records_after(0)
    db.commit(writes)
    assert LedgerReader(path).records_after(0) == before


def test_second_content_of_a_recorded_revision_is_refused(db, make):
    db.commit([make.closing(1, Verdict.REWORK)])
    with pytest.raises(WriteRefused, match="revision 1 of inspection i-1"):
        db.commit([make.closing(1, Verdict.PASS)])


def test_review_of_an_unknown_inspection_is_refused_and_its_group_with_it(db, make, path):
    with pytest.raises(WriteRefused, match="no inspection i-9"):
        db.commit([make.event(1), make.review(9)])
    assert LedgerReader(path).record_count() == 0


def test_reviewed_pass_becomes_evidence_and_goes_to_the_trainer(db, make, path):
    db.commit([make.closing(1, Verdict.PASS), make.image(1, Verdict.PASS, send=False)])
    db.commit([make.review(1, Verdict.REWORK)])
    reader = LedgerReader(path)
    (image,) = reader.images_of("i-1")
    assert (image.image_class, image.send) == (Verdict.REVIEW, True)
    told = ImageEvent.model_validate_json(reader.records_of("i-1")[-1].body)
    assert (told.sha256, told.send) == (image.sha256, True)


def test_two_inspections_of_one_trigger_cannot_both_be_closed(db, make):
    db.commit([make.closing(1)])
    double = make.closing(1)
    double = type(double)(
        double.record.model_copy(update={"inspection_id": "i-double"}), double.answer
    )
    with pytest.raises(NotDurable, match="UNIQUE"):
        db.commit([double])


def test_echo_is_kept_until_another_answer_goes_out(db, make, path):
    reader = LedgerReader(path)
    db.commit([make.closing(1, Verdict.REVIEW), MarkAcked("i-1"), MarkAcked("nobody")])
    assert reader.inspection("i-1").plc_acked
    db.commit([make.closing(1, Verdict.PASS, revision=2)])
    assert not reader.inspection("i-1").plc_acked


def test_meta_lasts(open_ledger, path):
    first = open_ledger()
    epoch = first.meta["epoch"]
    first.commit([SetMeta("level", "full"), SetMeta("level", "human")])
    first.close()
    meta = open_ledger().meta
    assert (meta["epoch"], meta["level"], meta["device"]) == (epoch, "human", "box-1")


def test_seq_counts_without_gap_or_reuse_over_failed_commits_and_restarts(open_ledger, make, path):
    first = open_ledger()
    first.commit([make.event(1)])
    with pytest.raises(WriteRefused):
        first.commit([make.event(2), make.review(404)])
    first.close()
    open_ledger().commit([make.event(3)])
    assert [record.seq for record in LedgerReader(path).records_after(0)] == [1, 2]


@pytest.mark.parametrize("sql", ["delete from records", "update records set body = ''"])
def test_records_can_only_be_appended(db, make, path, sql):
    db.commit([make.event(1)])
    foreign = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        foreign.execute(sql)
    foreign.close()


def test_pragmas_are_those_that_a_power_cut_asks_for(db):
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": 0,
        "journal_size_limit": 32 * 1024 * 1024,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "temp_store": 2,
        "auto_vacuum": 2,
    }
    got = {name: db._db.execute(f"pragma {name}").fetchone()[0] for name in wanted}
    assert got == wanted


def test_second_writer_is_kept_out(db, open_ledger):
    with pytest.raises(StoreError, match="stop the other gate"):
        open_ledger()


def test_other_thread_may_not_write(db, make):
    errors = []

    def intrude() -> None:
        try:
            db.commit([make.event(1)])
        except AssertionError as error:
            errors.append(error)

    thread = threading.Thread(target=intrude)
    thread.start()
    thread.join()
    assert len(errors) == 1


def test_ledger_of_another_device_is_refused(open_ledger):
    open_ledger().close()
    with pytest.raises(StoreError, match="'box-1', not 'box-2'"):
        open_ledger(device="box-2")
    open_ledger()  # and it let go of the file


def test_ledger_of_a_newer_linegate_is_refused(open_ledger, path):
    open_ledger().close()
    foreign = sqlite3.connect(path)
    with foreign:
        foreign.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at)"
            " values ('ledger', '0099_from_tomorrow', '')"
        )
    foreign.close()
    with pytest.raises(StoreError, match=r"0099_from_tomorrow.*newer Linegate"):
        open_ledger()


RELEASED = {"0001_first": "7632e5f69946563a", "0002_serial": "7e10a48db9164b1b"}


def test_released_schema_is_not_edited():
    """A changed migration would leave old boxes with other tables than new ones."""
    found = {}
    for step, after in zip(RELEASED, [*list(RELEASED)[1:], None], strict=True):
        db = Database(memory=True)
        migrations.apply(db, stop_before=after)
        tables = db.query("select sql from sqlite_master where name not like '%sqlite%'")
        found[step] = body_sha256("\n".join(row["sql"] for row in tables))[:16]
        assert [one.name for one in migrations.applied(db)][-1] == step
    assert found == RELEASED


@pytest.mark.parametrize("damage", ["garbage", "flipped", "cut"])
def test_damaged_ledger_is_refused_and_recovery_begins_anew(open_ledger, make, path, damage):
    first = open_ledger()
    first.commit([make.closing(n) for n in range(200)])
    epoch = first.meta["epoch"]
    first.close()
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content[:] = b"no database " * 1000
    elif damage == "flipped":
        content[8192:-8192] = b"\xff" * (len(content) - 16384)
    else:
        del content[len(content) // 2 :]
    path.write_bytes(content)

    with pytest.raises(LedgerDamaged, match=r"is damaged .*restore a backup"):
        open_ledger()
    db = open_ledger(recover=True)
    assert db.meta["epoch"] != epoch
    assert db.unanswered() == ()
    (event,) = LedgerReader(path).records_after(0)
    assert json.loads(event.body)["code"] == "ledger_damaged"
    (aside,) = path.parent.glob("ledger.db.damaged-*")
    assert aside.read_bytes() == bytes(content)


def test_folder_that_is_no_file_says_so(open_ledger, path):
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        open_ledger()


def test_wal_shrinks_again_after_a_reader_held_it(db, make, path):
    wal = path.with_name("ledger.db-wal")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("begin")
    reader.execute("select count(*) from records").fetchone()
    for n in range(600):
        db.commit([make.event(n, code="x" * 60_000)])
        db.tick(idle=False)
    assert wal.stat().st_size > 32 * 1024 * 1024
    reader.close()
    db.commit([make.event(n) for n in range(600)])
    db.tick(idle=False)
    assert wal.stat().st_size < 1024 * 1024


def test_checkpoint_under_load_keeps_the_wal_small(db, make, path):
    for n in range(600):
        db.commit([make.opening(n), make.closing(n)])
        db.tick(idle=False)
    assert path.with_name("ledger.db-wal").stat().st_size < 16 * 1024 * 1024
