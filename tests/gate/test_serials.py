"""A part's serial on its way through the gate: what the disk says of it, what the line hears."""

from dataclasses import replace

import pytest
from gate_bench import Bench, verdicts, words
from gate_world import CODED, LIMITS, RECIPE, SHA

from edge.core.decide import FreshFrame, Look, Prediction, SerialRead
from edge.core.messages import By, Level, Reason, Verdict
from edge.core.orders import ReviewOrder
from edge.core.recipe import Code, Recipe, View
from edge.gate import events as ev
from edge.gate.ledger import Ledger
from edge.gate.rules import RecipeRules, rules_for
from edge.gate.standing import Standing
from edge.store.writes import AddReview, ClosePart


class Coded(Bench):
    """The bench, with a recipe that wants a serial."""

    def __init__(self, level: Level = Level.PARTIAL) -> None:
        super().__init__(level)
        rules = {"disc": RecipeRules(RECIPE, CODED, "toy-1")}
        self.ledger = Ledger(rules, Standing(level, "disc"), LIMITS, SHA, lambda: next(self.ids))

    def see_serial(
        self, inspection_id: str, serial: str | None = "S1", score: float = 0.1
    ) -> list[ev.Effect]:
        looks = [
            Look(view, FreshFrame(inspection_id, view, SHA),
                 Prediction(inspection_id, view, score, SHA))
            for view in CODED.views
        ]  # fmt: skip
        if serial is not None:
            looks[0] = replace(looks[0], serial=SerialRead(inspection_id, "top", serial))
        return self.tell(ev.Seen(inspection_id, tuple(looks), ()))

    def refuse(self, inspection_id: str, revision: int = 1) -> list[ev.Effect]:
        """As the store does with a serial that has passed."""
        refusal = ev.CommitFailed(inspection_id, revision, "S1 has passed", True, "Iold")
        return self.tell(refusal)


@pytest.fixture
def bench() -> Coded:
    return Coded()


def commits(effects: list[ev.Effect]) -> list[ev.Commit]:
    return [effect for effect in effects if isinstance(effect, ev.Commit)]


def closed(effects: list[ev.Effect]) -> ClosePart:
    (commit,) = commits(effects)
    assert isinstance(commit.writes[0], ClosePart)
    return commit.writes[0]


def test_serial_stands_in_record_and_verdict(bench: Coded) -> None:
    inspection_id = bench.open()
    write = closed(bench.see_serial(inspection_id))
    assert (write.record.serial, write.answer.serial) == ("S1", "S1")
    (verdict,) = verdicts(bench.tell(ev.Committed(inspection_id, 1)))
    assert (verdict.verdict, verdict.serial) == (Verdict.PASS, "S1")


def test_part_whose_serial_has_passed_is_rework_at_once_and_the_record_says_so(
    bench: Coded,
) -> None:
    inspection_id = bench.open()
    bench.see_serial(inspection_id)
    effects = bench.refuse(inspection_id)
    (verdict,) = verdicts(effects)
    assert (verdict.verdict, verdict.by) == (Verdict.REWORK, By.FAILSAFE)
    assert verdict.reasons == (Reason.SERIAL_DUPLICATE,)
    record = closed(effects).record
    assert (record.revision, record.serial, record.verdict) == (2, "S1", Verdict.REWORK)
    assert not any(isinstance(effect, ev.RaiseCause) for effect in effects)  # the disk is well
    assert words(bench.tell(ev.Committed(inspection_id, 2))) == []
    assert bench.ledger.settled


def test_refusal_that_comes_after_the_deadline_tells_nothing_more(bench: Coded) -> None:
    inspection_id = bench.open()
    bench.see_serial(inspection_id)
    assert words(bench.wait(95)) == [Verdict.REWORK]
    assert words(bench.refuse(inspection_id)) == []


def test_persons_word_on_a_second_part_is_kept_though_it_cannot_pass(bench: Coded) -> None:
    inspection_id = bench.open()
    bench.see_serial(inspection_id, score=0.5)
    assert words(bench.tell(ev.Committed(inspection_id, 1))) == [Verdict.REVIEW]
    order = ReviewOrder(inspection_id=inspection_id, verdict=Verdict.PASS, who="Ada")
    bench.tell(ev.Reviewed(order, 7, bench.at()))
    effects = bench.refuse(inspection_id, 2)
    assert [v.reasons for v in verdicts(effects)] == [(Reason.SERIAL_DUPLICATE,)]
    (commit,) = commits(effects)
    (word,) = [write.review for write in commit.writes if isinstance(write, AddReview)]
    assert (word.verdict, word.in_time) == (Verdict.PASS, False)
    (reply,) = [effect for effect in effects if isinstance(effect, ev.Reply)]
    assert reply.answer.in_time is False


def test_part_without_its_serial_is_rework_at_every_level() -> None:
    for level in Level:
        bench = Coded(level)
        inspection_id = bench.open()
        bench.see_serial(inspection_id, serial=None)
        (verdict,) = verdicts(bench.tell(ev.Committed(inspection_id, 1)))
        assert (verdict.verdict, verdict.reasons) == (Verdict.REWORK, (Reason.CODE_UNREADABLE,))


def test_only_a_required_code_binds_the_pass() -> None:
    for required, wanted in ((True, "main"), (False, None)):
        view = View(code=Code(required=required))
        assert rules_for(Recipe(name="a", model="b", views=(view,)), None).rules.code_view == wanted
