"""What is read from the ledger, and how often."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from edge.core.messages import By, Reason, Verdict
from edge.core.recipe import Recipe
from edge.page.gate_word import GateWatch
from edge.page.look import REWORKS, Watcher
from edge.page.questions import PageQuestions
from edge.page.recipe_book import RecipeBook
from edge.store.writes import SetMeta

NOON = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


class SetClock:
    """Stands where it was put."""

    def __init__(self, at=NOON):
        self.at, self.ns = at, 0

    def now(self):
        return self.at

    def monotonic_ns(self):
        return self.ns


def watcher(plant, gate, clock=None, zone=UTC, up_to=None):
    clock = clock or SetClock()
    questions = PageQuestions(plant.config.ledger_path)
    return Watcher(
        plant.reader, questions, GateWatch(gate, clock), lambda epoch: up_to, clock, zone
    )


def periods(look):
    return {period.name: period.n for period in look.counts.periods}


def test_days_and_hours_begin_as_on_the_clock_of_the_box(plant, gate):
    for at in (NOON, NOON - timedelta(minutes=40), NOON - timedelta(hours=14)):
        plant.part(at=at, picture=False)
    assert periods(watcher(plant, gate).look()) == {"Today": 2, "Since 12:00": 1}
    west = timezone(-timedelta(hours=10))  # 02:30 there, and 22:30 of the day before is yesterday
    assert periods(watcher(plant, gate, zone=west).look()) == {"Today": 2, "Since 02:00": 1}


def test_counts_are_renewed_only_after_a_while_and_then_surely(plant, gate):
    clock = SetClock()
    eyes = watcher(plant, gate, clock)
    plant.part(at=NOON, picture=False)
    assert periods(eyes.look())["Today"] == 1
    plant.part(at=NOON, picture=False)
    assert periods(eyes.look())["Today"] == 1
    before = eyes.stamp()
    clock.ns += 2_000_000_000
    assert eyes.stamp() != before  # the screens are told, although no part came
    assert periods(eyes.look())["Today"] == 2


def test_open_parts_are_not_counted_but_seen(plant, gate):
    plant.part(None, at=NOON)
    look = watcher(plant, gate).look()
    assert periods(look)["Today"] == 0
    assert [part.verdict for part in look.newest] == [None]


def test_reasons_are_of_reworks_and_the_lost_pictures_are_counted(plant, gate):
    lost = {"reasons": (Reason.NO_FRAME,), "by": By.FAILSAFE, "score": None, "picture": False}
    plant.part(Verdict.REWORK, at=NOON, **lost)
    plant.part(Verdict.REWORK, at=NOON, reasons=(Reason.DEFECT,))
    plant.part(Verdict.REVIEW, at=NOON, reasons=(Reason.LOW_CONFIDENCE,))
    plant.part(at=NOON)
    counts = watcher(plant, gate).look().counts
    assert [(row.key, row.k, row.n) for row in counts.pareto] == [
        ("defect", 1, 2),
        ("no_frame", 1, 2),
    ]
    assert (counts.no_picture.k, counts.no_picture.n) == (1, 4)


def test_time_of_people_is_not_in_the_latency(plant, gate, site):
    waiting = plant.part(Verdict.REVIEW, at=NOON, score=0.5)
    plant.part(at=NOON, picture=False)
    assert watcher(plant, gate).look().counts.latency.n == 2
    site.post("/reviews", inspection_id=waiting, verdict="pass")
    assert watcher(plant, gate).look().counts.latency.n == 1


def test_last_reworks_are_of_the_last_day_and_bounded(plant, gate):
    plant.part(Verdict.REWORK, at=NOON - timedelta(hours=25), reasons=(Reason.DEFECT,))
    ids = [
        plant.part(Verdict.REWORK, at=NOON + timedelta(seconds=n), reasons=(Reason.DEFECT,))
        for n in range(REWORKS + 2)
    ]
    found = [part.inspection_id for part in watcher(plant, gate).look().reworks]
    assert found == ids[::-1][:REWORKS]


@pytest.mark.parametrize(("up_to", "delivered"), [(None, None), (0, False), (10_000, True)])
def test_delivered_is_what_the_trainer_said(plant, gate, up_to, delivered):
    assert watcher(plant, gate, up_to=up_to).delivered(plant.part()) is delivered


def test_a_later_review_is_yet_to_be_delivered(plant, gate, site):
    inspection_id = plant.part()
    known = plant.reader.extent().last_seq
    assert watcher(plant, gate, up_to=known).delivered(inspection_id) is True
    site.post("/reviews", inspection_id=inspection_id, verdict="rework")
    assert watcher(plant, gate, up_to=known).delivered(inspection_id) is False


def test_recipe_of_an_old_part_is_found_in_the_ledger(plant):
    old = Recipe(name="flange", version=7, model="flange")
    book = RecipeBook(plant.reader, [])
    assert book.find(old.sha256) is None
    plant.writer.commit([SetMeta(f"recipe:{old.sha256}", old.model_dump_json())])
    assert book.find(old.sha256) == old
