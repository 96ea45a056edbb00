"""The law, one case at a time. `test_simulation.py` mixes them all."""

import pytest
from gate_bench import Bench, verdicts, words

from edge.core.messages import (
    By,
    ChallengeOrder,
    Level,
    LevelOrder,
    OrderAck,
    PlcAck,
    Reason,
    RecipeOrder,
    Refusal,
    TriggerAck,
    Verdict,
)
from edge.core.orders import ReviewOrder
from edge.gate import events as ev
from edge.store.writes import AddReview, ClosePart, MarkAcked, OpenPart, SetMeta


@pytest.fixture
def bench() -> Bench:
    return Bench()


def acks(effects: list[ev.Effect]) -> list[TriggerAck]:
    return [effect.ack for effect in effects if isinstance(effect, ev.Acknowledge)]


def commits(effects: list[ev.Effect]) -> list[ev.Commit]:
    return [effect for effect in effects if isinstance(effect, ev.Commit)]


def causes(effects: list[ev.Effect]) -> list[str]:
    return [effect.code for effect in effects if isinstance(effect, ev.RaiseCause)]


def answers(effects: list[ev.Effect]) -> list[OrderAck]:
    thens = [e.then if isinstance(e, ev.CommitOrder) else e for e in effects]
    return [then.ack for then in thens if isinstance(then, ev.AnswerOrder)]


def review(bench: Bench, inspection_id: str, verdict: Verdict) -> list[ev.Effect]:
    order = ReviewOrder(inspection_id=inspection_id, verdict=verdict, who="Ada")
    return bench.tell(ev.Reviewed(order, 7, bench.at()))


def test_trigger_opens_the_part_as_rework_and_looks_at_once(bench: Bench) -> None:
    look, opening = bench.trigger()
    assert isinstance(opening, ev.CommitOpening) and isinstance(look, ev.LookAt)
    assert isinstance(opening.write, OpenPart)
    assert opening.write.draft.verdict is Verdict.REWORK
    assert acks([opening, look]) == []  # not accepted before the opening is durable


def test_good_part_passes_only_after_its_record_is_durable(bench: Bench) -> None:
    inspection_id = bench.open()
    seen = bench.see(inspection_id)
    assert words(seen) == []
    (commit,) = commits(seen)
    assert isinstance(commit.writes[0], ClosePart)
    (verdict,) = verdicts(bench.tell(ev.Committed(inspection_id, 1)))
    assert (verdict.verdict, verdict.by, verdict.part_id) == (Verdict.PASS, By.MODEL, "P1")
    assert verdict.inspection_id == inspection_id


def test_part_seen_before_it_is_opened_waits_for_the_opening(bench: Bench) -> None:
    look = bench.trigger()[0]
    assert isinstance(look, ev.LookAt)
    assert commits(bench.see(look.inspection_id)) == []
    assert len(commits(bench.tell(ev.Opened(look.inspection_id)))) == 1


def test_silence_of_the_eye_sends_rework_before_the_deadline(bench: Bench) -> None:
    bench.open()
    assert words(bench.wait(89)) == []
    effects = bench.wait(1)  # 10 ms margin before the 100 ms deadline
    (verdict,) = verdicts(effects)
    assert (verdict.verdict, verdict.reasons) == (Verdict.REWORK, (Reason.DEADLINE,))
    assert len(commits(effects)) == 1


def test_late_sight_changes_nothing(bench: Bench) -> None:
    inspection_id = bench.open()
    bench.wait(95)
    effects = bench.see(inspection_id)
    assert words(effects) == [] and commits(effects) == []
    assert bench.ledger.counters["late"] == 1


def test_stalled_commit_sends_rework_and_the_record_is_amended(bench: Bench) -> None:
    inspection_id = bench.open()
    bench.see(inspection_id)
    effects = bench.wait(95)
    (verdict,) = verdicts(effects)
    assert verdict.reasons == (Reason.NOT_DURABLE,)
    (amended,) = commits(effects)
    assert amended.revision == 2
    assert words(bench.tell(ev.Committed(inspection_id, 1))) == []  # the stalled one lands


def test_failed_commit_of_a_pass_sends_rework_and_is_tried_again(bench: Bench) -> None:
    inspection_id = bench.open()
    bench.see(inspection_id)
    effects = bench.tell(ev.CommitFailed(inspection_id, 1, "disk full"))
    assert words(effects) == [Verdict.REWORK]
    assert causes(effects) == ["not_durable"]
    bench.tell(ev.CommitFailed(inspection_id, 2, "disk full"))
    (again,) = commits(bench.wait(600))
    assert (again.inspection_id, again.revision) == (inspection_id, 2)
    cured = bench.tell(ev.Committed(inspection_id, 2))
    assert ev.ClearCause("not_durable") in cured


def test_sick_disk_refuses_triggers_until_it_heals(bench: Bench) -> None:
    bench.trigger()
    (refused,) = acks(bench.tell(ev.CommitFailed("I1", 0, "disk full")))
    assert refused.refused is Refusal.NOT_READY
    (refused,) = acks(bench.trigger("P2", 2))
    assert refused.refused is Refusal.NOT_READY
    assert any(isinstance(effect, ev.Probe) for effect in bench.wait(600))
    bench.tell(ev.ProbeCommitted())
    assert acks(bench.trigger("P3", 3)) == []


def test_opening_that_is_not_durable_in_time_refuses_the_trigger(bench: Bench) -> None:
    bench.trigger()
    effects = bench.wait(95)
    (refused,) = acks(effects)
    assert refused.refused is Refusal.NOT_READY and words(effects) == []
    (closed,) = commits(bench.tell(ev.Opened("I1")))  # it lands after all: as rework
    assert isinstance(closed.writes[0], ClosePart)
    assert closed.writes[0].record.verdict is Verdict.REWORK


def test_same_trigger_again_gets_the_recorded_answer(bench: Bench) -> None:
    inspection_id = bench.pass_one()
    first = bench.effects
    effects = bench.trigger()
    (ack,) = acks(effects)
    assert (ack.refused, ack.inspection_id) == (Refusal.DUPLICATE, inspection_id)
    assert verdicts(effects) == verdicts(first)


def test_same_trigger_in_flight_starts_nothing_new(bench: Bench) -> None:
    assert len(bench.trigger()) == 2
    assert bench.trigger() == []  # a broker delivered it twice, before it could be accepted
    bench.tell(ev.Opened("I1"))
    (ack,) = acks(bench.trigger())
    assert ack.accepted and ack.inspection_id == "I1"


def test_trigger_known_only_to_the_store_gets_its_answer(bench: Bench) -> None:
    inspection_id = bench.open()
    bench.see(inspection_id, 0.9)
    old = verdicts(bench.tell(ev.Committed(inspection_id, 1)))[0]
    bench.trigger("P9", 9)
    effects = bench.tell(ev.AlreadyKnown("I2", "Iold", old))
    assert acks(effects)[0].inspection_id == "Iold"
    assert verdicts(effects) == [old]
    assert bench.ledger.in_flight == 0


def test_old_pass_is_no_evidence_for_a_part_that_comes_again_today(bench: Bench) -> None:
    bench.pass_one()
    old = verdicts(bench.effects)[0]
    bench.wait(150)  # its window of 100 ms is over
    effects = bench.trigger()
    assert [ack.refused for ack in acks(effects)] == [Refusal.DUPLICATE] and words(effects) == []
    bench.trigger("P9", 9)  # and of one that only the store knows
    effects = bench.tell(ev.AlreadyKnown("I2", "Iold", old))
    assert acks(effects)[0].inspection_id == "Iold" and words(effects) == []


def test_more_parts_than_allowed_in_flight_are_refused(bench: Bench) -> None:
    for n in range(6):
        bench.open(f"P{n}", n)
    (refused,) = acks(bench.trigger("P6", 6))
    assert refused.refused is Refusal.OVERLOAD


def test_refused_trigger_that_comes_twice_stays_refused(bench: Bench) -> None:
    refused = bench.trigger("P1", 1, recipe="unknown")
    again = bench.trigger("P1", 1, recipe="disc")
    assert again == [one for one in refused if isinstance(one, ev.Acknowledge)]
    assert bench.ledger.counters["refused"] == 1 and bench.ledger.in_flight == 0
    assert any(isinstance(one, ev.LookAt) for one in bench.trigger("P1", 2, recipe="disc"))


def test_garbage_in_the_name_of_a_part_does_not_cost_it_its_verdict(bench: Bench) -> None:
    bench.tell(ev.BadTrigger("P1", 1))
    assert any(isinstance(one, ev.LookAt) for one in bench.trigger("P1", 1))


def test_unknown_recipe_is_refused(bench: Bench) -> None:
    (refused,) = acks(bench.trigger(recipe="screw"))
    assert refused.refused is Refusal.UNKNOWN_RECIPE


def test_unreadable_trigger_is_refused_by_its_id(bench: Bench) -> None:
    (refused,) = acks(bench.tell(ev.BadTrigger("P1", 1)))
    assert refused.refused is Refusal.BAD_MESSAGE


def test_shutting_down_takes_no_more_triggers(bench: Bench) -> None:
    bench.ledger.accepting = False
    (refused,) = acks(bench.trigger())
    assert refused.refused is Refusal.NOT_READY


def test_score_in_the_open_band_waits_for_a_person_whose_pass_is_told(bench: Bench) -> None:
    inspection_id = bench.open()
    bench.see(inspection_id, 0.5)
    assert words(bench.tell(ev.Committed(inspection_id, 1))) == [Verdict.REVIEW]
    bench.wait(500)
    effects = review(bench, inspection_id, Verdict.PASS)
    assert words(effects) == []  # a person's pass needs its durable record, too
    assert any(isinstance(write, AddReview) for write in commits(effects)[0].writes)
    effects = bench.tell(ev.Committed(inspection_id, 2))
    (verdict,) = verdicts(effects)
    assert (verdict.verdict, verdict.by) == (Verdict.PASS, By.HUMAN)
    (reply,) = [effect for effect in effects if isinstance(effect, ev.Reply)]
    assert reply.answer.in_time is True


def test_no_answer_from_a_person_is_rework(bench: Bench) -> None:
    inspection_id = bench.open()
    bench.see(inspection_id, 0.5)
    bench.tell(ev.Committed(inspection_id, 1))
    effects = bench.wait(2200)
    (verdict,) = verdicts(effects)
    assert (verdict.verdict, verdict.by) == (Verdict.REWORK, By.FAILSAFE)


def test_review_after_the_verdict_is_kept_as_a_label_only(bench: Bench) -> None:
    inspection_id = bench.pass_one()
    (kept,) = review(bench, inspection_id, Verdict.REWORK)
    assert isinstance(kept, ev.CommitReview)
    assert isinstance(kept.write, AddReview) and not kept.write.review.in_time
    (reply,) = bench.tell(ev.ReviewKept(7))
    assert isinstance(reply, ev.Reply) and reply.answer.in_time is False


def test_review_that_cannot_be_kept_says_so(bench: Bench) -> None:
    (reply,) = bench.tell(ev.ReviewKept(7, "no such inspection"))
    assert isinstance(reply, ev.Reply) and not reply.answer.ok


@pytest.mark.parametrize("level", [Level.HUMAN, Level.SHADOW, Level.ASSIST])
def test_below_partial_the_model_never_decides(level: Level) -> None:
    bench = Bench(level)
    inspection_id = bench.open()
    bench.see(inspection_id, 0.01)
    assert words(bench.tell(ev.Committed(inspection_id, 1))) == [Verdict.REVIEW]


def test_at_shadow_the_line_is_not_told_the_score(bench: Bench) -> None:
    bench = Bench(Level.SHADOW)
    inspection_id = bench.open()
    effects = bench.see(inspection_id, 0.01)
    record = commits(effects)[0].writes[0]
    assert isinstance(record, ClosePart)
    assert record.record.score == 0.01 and record.record.opinion is Verdict.PASS
    (verdict,) = verdicts(bench.tell(ev.Committed(inspection_id, 1)))
    assert verdict.score is None


def test_going_down_counts_for_parts_on_their_way(bench: Bench) -> None:
    inspection_id = bench.open()
    bench.tell(ev.Ordered(LevelOrder(id="o1", level=Level.ASSIST), bench.at()))
    bench.see(inspection_id)
    assert words(bench.tell(ev.Committed(inspection_id, 1))) == [Verdict.REVIEW]


def test_going_up_needs_a_named_person(bench: Bench) -> None:
    effects = bench.tell(ev.Ordered(LevelOrder(id="o1", level=Level.FULL), bench.at()))
    (answer,) = answers(effects)
    assert not answer.ok and "named person" in (answer.error or "")
    wish = LevelOrder(id="o2", level=Level.FULL, who="Ada")
    effects = bench.tell(ev.Ordered(wish, bench.at()))
    assert bench.ledger.standing.level is Level.FULL
    (kept,) = [effect for effect in effects if isinstance(effect, ev.CommitOrder)]
    assert SetMeta("level", Level.FULL) in kept.writes


def test_same_order_twice_is_done_once(bench: Bench) -> None:
    wish = LevelOrder(id="o1", level=Level.FULL, who="Ada")
    bench.tell(ev.Ordered(wish, bench.at()))
    bench.ledger.standing.level = Level.HUMAN
    effects = bench.tell(ev.Ordered(wish, bench.at()))
    assert [type(effect) for effect in effects] == [ev.AnswerOrder]  # nothing to be committed
    assert bench.ledger.standing.level is Level.HUMAN


def test_unknown_recipe_order_is_answered_with_its_name(bench: Bench) -> None:
    effects = bench.tell(ev.Ordered(RecipeOrder(id="o1", recipe="screw"), bench.at()))
    (answer,) = answers(effects)
    assert not answer.ok and "screw" in (answer.error or "")


def test_failed_challenge_blocks_all_passes_until_one_succeeds(bench: Bench) -> None:
    bench.tell(ev.Ordered(ChallengeOrder(id="c1", part_id="RED1"), bench.at()))
    inspection_id = bench.open("RED1", 1)
    assert "challenge_failed" in causes(bench.see(inspection_id, 0.01))
    (verdict,) = verdicts(bench.tell(ev.Committed(inspection_id, 1)))
    assert verdict.reasons == (Reason.CHALLENGE_FAILED,)
    other = bench.open("P2", 2)
    bench.see(other, 0.01)
    (verdict,) = verdicts(bench.tell(ev.Committed(other, 1)))
    assert (verdict.verdict, verdict.reasons) == (Verdict.REWORK, (Reason.CHALLENGE_FAILED,))
    bench.tell(ev.Ordered(ChallengeOrder(id="c2", part_id="RED2"), bench.at()))
    good = bench.open("RED2", 3)
    assert ev.ClearCause("challenge_failed") in bench.see(good, 0.9)
    bench.tell(ev.Committed(good, 1))
    inspection_id = bench.open("P4", 4)
    bench.see(inspection_id, 0.01)
    assert words(bench.tell(ev.Committed(inspection_id, 1))) == [Verdict.PASS]


def test_plc_that_never_echoes_is_called_silent_and_heard_again(bench: Bench) -> None:
    found: list[str] = []
    for n in range(4):
        last = bench.pass_one(f"P{n}", n)
        found += causes(bench.effects)
        bench.wait(400)
    assert found == ["plc_silent"]
    effects = bench.tell(ev.Echoed(PlcAck(part_id="P3", inspection_id=last)))
    assert ev.ClearCause("plc_silent") in effects
    assert ev.Note(MarkAcked(last)) in effects


def test_burst_of_verdicts_is_no_silence(bench: Bench) -> None:
    found: list[str] = []
    for n in range(20):
        bench.pass_one(f"P{n}", n)
        found += causes(bench.effects)
    assert found == []


def test_echo_of_another_part_proves_nothing(bench: Bench) -> None:
    inspection_id = bench.pass_one()
    assert bench.tell(ev.Echoed(PlcAck(part_id="P2", inspection_id=inspection_id))) == []


def test_three_deadlines_missed_in_a_row_say_too_slow(bench: Bench) -> None:
    found: list[str] = []
    for n in range(3):
        bench.open(f"P{n}", n)
        found += causes(bench.wait(95))
    assert found.count("too_slow") == 1


def test_sight_of_an_unknown_part_is_dropped(bench: Bench) -> None:
    (dropped,) = bench.tell(ev.Seen("nobody", (), ()))
    assert dropped == ev.DropFrames("nobody")


def test_closed_parts_that_are_remembered_are_bounded(bench: Bench) -> None:
    bench.ids = iter(f"I{n}" for n in range(1, 10_000))
    for n in range(1100):
        bench.pass_one(f"P{n}", n)
    assert acks(bench.trigger("P0", 0)) == []  # forgotten here; the store still knows it


def test_waiting_parts_are_closed_at_shutdown(bench: Bench) -> None:
    inspection_id = bench.open()
    bench.see(inspection_id, 0.5)
    bench.tell(ev.Committed(inspection_id, 1))
    effects = bench.ledger.close_waiting(bench.now_ns)
    assert words(effects) == [Verdict.REWORK]
    assert bench.ledger.waiting == 0


def test_more_waiting_parts_than_people_can_look_at_go_to_rework(bench: Bench) -> None:
    for n in range(21):
        inspection_id = bench.open(f"P{n}", n)
        bench.see(inspection_id, 0.5)
        bench.tell(ev.Committed(inspection_id, 1))
    (verdict,) = verdicts(bench.effects)
    assert (verdict.verdict, verdict.reasons) == (Verdict.REWORK, (Reason.LOW_CONFIDENCE,))
