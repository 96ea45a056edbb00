"""What goes when room gets short, and what never goes unsaid."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import Store
from edge.core.errors import NotDurable
from edge.core.messages import Verdict
from edge.core.records import AlarmRecord, Kind
from edge.store.ballast import Ballast
from edge.store.images import ImageStore
from edge.store.reader import LedgerReader
from edge.store.retention import (
    Candidate,
    Mode,
    Retention,
    Tier,
    mode_of,
    plan,
    tier_of,
)
from edge.store.rows import KeptImage
from edge.store.writes import ImageKey

MB = 1024 * 1024
START = datetime(2026, 11, 21, tzinfo=UTC)
FLOORS = {"warn_mb": 200, "prune_mb": 100, "stop_images_mb": 50, "records_only_mb": 20}
LIMITS = Store(images_mb=16, ballast_mb=1, **FLOORS)
ROOMY = 900 * MB


def candidate(
    n: int,
    image_class: Verdict = Verdict.PASS,
    owed: bool = False,
    size: int = MB,
    first_digit: str = "f",
) -> Candidate:
    image = KeptImage(
        key=ImageKey(f"i-{n}", "main", "frame"),
        sha256=first_digit + f"{n:063x}",
        image_class=image_class,
        bytes=size,
        send=owed,
        at=START + timedelta(seconds=n),
        pruned_at=None,
    )
    return Candidate(image, owed)


def names(chosen) -> list[str]:
    return [candidate.image.key.inspection_id for candidate in chosen]


@pytest.mark.parametrize(
    ("free_mb", "mode"),
    [
        (200, Mode.NORMAL),
        (199, Mode.WARN),
        (99, Mode.PRUNE),
        (49, Mode.STOP_IMAGES),
        (19, Mode.RECORDS_ONLY),
        (0, Mode.RECORDS_ONLY),
    ],
)
def test_floors(free_mb, mode):
    assert mode_of(free_mb * MB, LIMITS) is mode


def test_roomy_disk_keeps_everything():
    assert plan(ROOMY, 10 * MB, LIMITS, [candidate(n) for n in range(10)]).prune == ()


def test_quota_takes_oldest_passes_first_and_thins_them():
    candidates = [
        candidate(0, Verdict.REWORK),
        candidate(1, first_digit="0"),  # the sample that stays
        candidate(3),
        candidate(2),
        candidate(4, owed=True),
    ]
    for over_mb, gone in ((1, ["i-2"]), (2, ["i-2", "i-3"]), (3, ["i-2", "i-3", "i-1"])):
        assert names(plan(ROOMY, (16 + over_mb) * MB, LIMITS, candidates).prune) == gone


def test_quota_takes_evidence_before_what_is_owed_and_both_in_the_end():
    candidates = [
        candidate(1, Verdict.REVIEW, owed=True),
        candidate(2, owed=True),
        candidate(3, Verdict.REWORK),
    ]
    result = plan(ROOMY, 19 * MB, LIMITS, candidates)
    assert names(result.prune) == ["i-3", "i-2", "i-1"]
    assert names(result.owed) == ["i-2", "i-1"]


@pytest.mark.parametrize(
    ("free_mb", "gone"),
    [
        (99, ["i-1"]),  # PRUNE: passes nobody is owed
        (49, ["i-1", "i-2"]),  # STOP_IMAGES: evidence that was delivered
        (19, ["i-1", "i-2", "i-3", "i-4"]),  # RECORDS_ONLY: everything
    ],
)
def test_low_disk_takes_more_the_lower_it_is(free_mb, gone):
    candidates = [
        candidate(4, Verdict.REVIEW, owed=True),
        candidate(3, owed=True),
        candidate(2, Verdict.REWORK),
        candidate(1),
    ]
    assert names(plan(free_mb * MB, 4 * MB, LIMITS, candidates).prune) == gone


IMAGES = st.lists(
    st.tuples(
        st.sampled_from(list(Verdict)), st.booleans(), st.integers(1, 3 * MB), st.sampled_from("0f")
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(images=IMAGES, free_mb=st.integers(0, 1000), used_mb=st.integers(0, 60))
def test_plan_takes_no_more_and_nothing_dearer_than_needed(images, free_mb, used_mb):
    candidates = [candidate(n, *image) for n, image in enumerate(images)]
    result = plan(free_mb * MB, used_mb * MB, LIMITS, candidates)
    chosen = result.prune
    over_quota = (used_mb - LIMITS.images_mb) * MB
    if not chosen:
        return
    freed_before_last = sum(c.image.bytes for c in chosen[:-1])
    assert freed_before_last < max(over_quota, 100 * MB - free_mb * MB)
    dearest = tier_of(chosen[-1])
    assert all(tier_of(c) >= dearest for c in candidates if c not in chosen)
    if over_quota <= 0 and result.mode < Mode.RECORDS_ONLY:
        assert result.owed == ()
    if over_quota <= 0 and result.mode <= Mode.PRUNE:
        assert dearest <= Tier.PASS_SAMPLE


class Station:
    """Retention with real files and a real ledger, on a disk that lies at will."""

    def __init__(self, db, make, clock, path, limits: Store = LIMITS) -> None:
        self.db, self.make = db, make
        self.free_bytes = ROOMY
        self.delivered: set[str] = set()
        self.reader = LedgerReader(path)
        self.store = ImageStore(path.parent / "images")
        self.ballast = path.parent / "ballast"
        self.commit = db.commit
        self.retention = Retention(
            store=self.store,
            reader=self.reader,
            commit=lambda writes: self.commit(writes),
            limits=limits,
            ballast=Ballast(self.ballast, MB),
            free_bytes=lambda: self.free_bytes,
            delivered=lambda sha256: sha256 in self.delivered,
            clock=clock,
        )

    def keep(self, n: int, verdict: Verdict, send: bool = True, sha256: str | None = None) -> str:
        write = self.make.image(n, verdict, sha256=sha256 or f"f{n:063x}", send=send, size=MB)
        file = self.store.path(write.event.sha256)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
        self.db.commit([write])
        return write.event.sha256

    def files(self) -> set[str]:
        return {file.stem for file in self.store.folder.rglob("*.png")}

    def alarms(self) -> list[bool]:
        records = self.reader.newest_records(Kind.ALARM, 100)
        return [AlarmRecord.model_validate_json(record.body).raised for record in records][::-1]


@pytest.fixture
def station(db, make, clock, path) -> Station:
    return Station(db, make, clock, path)


def test_over_quota_the_row_goes_then_the_file(station):
    shas = [station.keep(n, Verdict.PASS, send=False) for n in range(20)]
    station.retention.run()
    assert station.files() == set(shas[4:])
    assert station.reader.image_bytes() == 16 * MB
    assert all(station.reader.images_of(f"i-{n}")[0].pruned_at for n in range(4))
    assert station.alarms() == []


def test_undelivered_image_is_only_pruned_with_a_recorded_alarm(station):
    shas = [station.keep(n, Verdict.REWORK) for n in range(18)]
    station.delivered.add(shas[5])
    station.retention.run()
    assert set(shas) - station.files() == {shas[5], shas[0]}
    assert station.alarms() == [True]
    station.retention.run()  # nothing more to prune: the cause is gone
    assert station.alarms() == [True, False]


def test_delivered_images_go_without_alarm(station):
    shas = [station.keep(n, Verdict.REWORK) for n in range(18)]
    station.delivered.update(shas)
    station.retention.run()
    assert len(station.files()) == 16
    assert station.alarms() == []


def test_nothing_is_deleted_if_the_row_is_not_durable(station):
    shas = {station.keep(n, Verdict.PASS, send=False) for n in range(20)}

    def refuse(writes):
        raise NotDurable("the disk is gone")

    station.commit = refuse
    with pytest.raises(NotDurable):
        station.retention.run()
    assert station.files() == shas


def test_file_that_another_row_names_stays(station):
    same = station.keep(0, Verdict.PASS, send=False)
    station.keep(1, Verdict.REWORK, send=False, sha256=same)
    for n in range(2, 17):
        station.keep(n, Verdict.REWORK, send=False)
    station.retention.run()
    assert station.reader.images_of("i-0")[0].pruned_at is not None
    assert same in station.files()


def test_missing_file_is_no_obstacle(station):
    shas = [station.keep(n, Verdict.PASS, send=False) for n in range(20)]
    station.store.remove(shas[:1])
    station.retention.run()
    assert station.reader.image_bytes() == 16 * MB


def test_ballast_is_released_on_the_last_floor_and_taken_again_with_room(station):
    station.retention.run()
    assert station.ballast.exists()
    station.free_bytes = 10 * MB
    station.retention.run()
    assert station.retention.mode is Mode.RECORDS_ONLY
    assert not station.ballast.exists()
    station.free_bytes = 60 * MB  # above the last floor, but not out of danger
    station.retention.run()
    assert not station.ballast.exists()
    station.free_bytes = ROOMY
    station.retention.run()
    assert station.ballast.exists()


def test_change_of_mode_is_recorded_once(station):
    station.free_bytes = 150 * MB
    station.retention.run()
    station.retention.run()
    (event,) = station.reader.newest_records(Kind.EVENT, 9)
    assert "150 MB of the disk are free: warn" in event.body
