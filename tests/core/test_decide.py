"""Passing is earned: the truth table of levels and evidence, and every way to lose the pass."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.automation import permit
from edge.core.decide import (
    Decision,
    FreshFrame,
    Health,
    HumanWord,
    Look,
    Prediction,
    Receipt,
    Rules,
    SerialRead,
    cuts,
    decide,
    decide_by_person,
    final_verdict,
    is_score,
)
from edge.core.manifest import Thresholds
from edge.core.messages import By, Level, Reason, Verdict
from edge.core.recipe import ThresholdLimits

ID, OTHER = "I1", "I2"
SHA, FOREIGN = "a" * 64, "b" * 64
VIEWS = ("top", "side")
RULES = Rules(pass_below=0.3, rework_from=0.7, model_sha256=SHA, views=VIEWS)
DECIDING = (Level.PARTIAL, Level.FULL)
ASKING_PEOPLE = (Level.HUMAN, Level.SHADOW, Level.ASSIST)
UNSEEN = (Reason.NO_FRAME, Reason.STALE_FRAME, Reason.IMAGE_QUALITY)
UNSCORED = (Reason.PREDICTOR_UNAVAILABLE, Reason.BAD_PREDICTION)


def look(view: str, score: float = 0.1) -> Look:
    return Look(view, FreshFrame(ID, view, SHA), Prediction(ID, view, score, SHA))


def looks(*scores: float) -> tuple[Look, ...]:
    return tuple(look(view, score) for view, score in zip(VIEWS, scores, strict=True))


def judged(
    seen: tuple[Look, ...], level: Level = Level.PARTIAL, block: Reason | None = None
) -> Decision:
    return decide(ID, seen, RULES, permit(level), Health(() if block is None else (block,)))


def told(decision: Decision) -> Verdict:
    """What the line hears once the record is durable."""
    return final_verdict(decision, Health(), Receipt(ID, 1))


# ---- the truth table ----

PASS, REWORK, REVIEW = Verdict.PASS, Verdict.REWORK, Verdict.REVIEW


@pytest.mark.parametrize(
    ("score", "partial", "full", "by_people", "opinion", "reasons"),
    [
        (0.0, PASS, PASS, REVIEW, PASS, ()),
        (0.29, PASS, PASS, REVIEW, PASS, ()),
        (0.3, REVIEW, REWORK, REVIEW, REVIEW, (Reason.LOW_CONFIDENCE,)),
        (0.69, REVIEW, REWORK, REVIEW, REVIEW, (Reason.LOW_CONFIDENCE,)),
        (0.7, REWORK, REWORK, REVIEW, REWORK, (Reason.DEFECT,)),
        (1.0, REWORK, REWORK, REVIEW, REWORK, (Reason.DEFECT,)),
    ],
)
def test_score_meets_level(
    score: float,
    partial: Verdict,
    full: Verdict,
    by_people: Verdict,
    opinion: Verdict,
    reasons: tuple[Reason, ...],
) -> None:
    for level, verdict in ((Level.PARTIAL, partial), (Level.FULL, full)):
        decision = judged(looks(0.0, score), level)
        assert (decision.verdict, decision.by) == (verdict, By.MODEL)
        assert (decision.opinion, decision.reasons, decision.score) == (opinion, reasons, score)
        assert told(decision) is verdict
    for level in ASKING_PEOPLE:
        decision = judged(looks(0.0, score), level)
        assert (decision.verdict, decision.by) == (by_people, By.FAILSAFE)
        assert decision.reasons == (Reason.LEVEL,)
        assert told(decision) is REVIEW
    assert judged(looks(0.0, score), Level.SHADOW).opinion is opinion
    assert judged(looks(0.0, score), Level.HUMAN).opinion is None


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("missing", UNSEEN)
def test_nobody_judges_what_was_not_seen(level: Level, missing: Reason) -> None:
    decision = judged((look("top"), Look("side", missing=missing)), level, Reason.DRIFT)
    assert (decision.verdict, decision.by) == (REWORK, By.FAILSAFE)
    assert decision.reasons == (missing,)


@pytest.mark.parametrize("missing", UNSCORED)
def test_missing_score_is_rework_or_the_persons_to_decide(missing: Reason) -> None:
    frame = FreshFrame(ID, "side", SHA)
    seen = (look("top"), Look("side", frame, missing=missing))
    for level in DECIDING:
        decision = judged(seen, level)
        assert (decision.verdict, decision.by) == (REWORK, By.FAILSAFE)
        assert decision.reasons == (missing,)
    for level in ASKING_PEOPLE:
        assert judged(seen, level).verdict is REVIEW


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, -0.01, 1.01])
def test_number_that_is_no_score_is_a_bad_prediction(score: float) -> None:
    assert not is_score(score)
    for level in DECIDING:
        decision = judged(looks(0.1, score), level)
        assert (decision.verdict, decision.by) == (REWORK, By.FAILSAFE)
        assert (decision.reasons, decision.score) == ((Reason.BAD_PREDICTION,), None)


BLOCKS = (Reason.DRIFT, Reason.CHALLENGE_FAILED, Reason.REJECT_UNCONFIRMED)


@pytest.mark.parametrize("level", DECIDING)
@pytest.mark.parametrize("score", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("block", BLOCKS)
def test_blocked_station_passes_nothing(level: Level, score: float, block: Reason) -> None:
    decision = judged(looks(score, score), level, block)
    assert (decision.verdict, decision.by) == (REWORK, By.FAILSAFE)
    assert decision.reasons[0] is block


@pytest.mark.parametrize("level", ASKING_PEOPLE)
def test_block_does_not_take_the_decision_from_people(level: Level) -> None:
    assert judged(looks(0.1, 0.1), level, Reason.DRIFT).verdict is REVIEW


def test_worst_view_decides_whichever_it_is() -> None:
    for scores in ((0.9, 0.1), (0.1, 0.9)):
        decision = judged(looks(*scores))
        assert (decision.verdict, decision.score) == (REWORK, 0.9)


def test_each_reason_is_named_once_in_the_order_of_the_views() -> None:
    seen = (Look("top", missing=Reason.STALE_FRAME), Look("side", missing=Reason.NO_FRAME))
    assert judged(seen).reasons == (Reason.STALE_FRAME, Reason.NO_FRAME)
    seen = (Look("top", missing=Reason.NO_FRAME), Look("side", missing=Reason.NO_FRAME))
    assert judged(seen).reasons == (Reason.NO_FRAME,)


@pytest.mark.parametrize(
    "seen",
    [
        (),
        (look("top"),),
        (look("side"), look("top")),
        (look("top"), look("top")),
        (*looks(0.1, 0.1), look("back")),
    ],
)
def test_other_views_than_the_recipes_are_a_bad_prediction(seen: tuple[Look, ...]) -> None:
    decision = judged(seen)
    assert (decision.verdict, decision.reasons) == (REWORK, (Reason.BAD_PREDICTION,))


def test_recipe_without_views_passes_nothing() -> None:
    empty = replace(RULES, views=())
    assert decide(ID, (), empty, permit(Level.FULL), Health()).verdict is REWORK
    claim = replace(judged(looks(0.1, 0.1)), looks=(), rules=empty)
    assert told(claim) is REWORK


# ---- the last word ----


@pytest.mark.parametrize("level", DECIDING)
def test_whole_evidence_passes(level: Level) -> None:
    assert told(judged(looks(0.1, 0.2), level)) is PASS


def test_review_needs_no_record_and_rework_no_evidence() -> None:
    assert final_verdict(judged(looks(0.5, 0.5)), Health(), None) is REVIEW
    assert final_verdict(judged(looks(0.9, 0.9)), Health(), None) is REWORK


Spoil = Callable[[Decision, Receipt], tuple[Decision, Receipt | None]]


def in_view(number: int, change: Callable[[Look], Look]) -> Spoil:
    """Alter what was seen of one view."""

    def spoil(decision: Decision, receipt: Receipt) -> tuple[Decision, Receipt]:
        changed = list(decision.looks)
        changed[number] = change(changed[number])
        return replace(decision, looks=tuple(changed)), receipt

    return spoil


def frame(**changes: str) -> Callable[[Look], Look]:
    return lambda seen: replace(seen, frame=replace(seen.frame, **changes))


def prediction(**changes: object) -> Callable[[Look], Look]:
    return lambda seen: replace(seen, prediction=replace(seen.prediction, **changes))


def rules(**changes: object) -> Spoil:
    return lambda decision, receipt: (
        replace(decision, rules=replace(decision.rules, **changes)),
        receipt,
    )


FRAME_LOST: dict[str, Callable[[Look], Look]] = {
    "no frame": lambda seen: replace(seen, frame=None),
    "frame of another inspection": frame(inspection_id=OTHER),
    "frame of another view": frame(view="back"),
}
SCORE_LOST: dict[str, Callable[[Look], Look]] = {
    "no prediction": lambda seen: replace(seen, prediction=None),
    "prediction of another inspection": prediction(inspection_id=OTHER),
    "prediction of another view": prediction(view="back"),
    "prediction by another model": prediction(model_sha256=FOREIGN),
    "score NaN": prediction(score=math.nan),
    "score inf": prediction(score=math.inf),
    "score -inf": prediction(score=-math.inf),
    "score negative": prediction(score=-0.1),
    "score at the cut": prediction(score=RULES.pass_below),
}
ANY_PASS: dict[str, Spoil] = {
    "no receipt": lambda decision, receipt: (decision, None),
    "receipt of another inspection": lambda decision, receipt: (
        decision,
        replace(receipt, inspection_id=OTHER),
    ),
    "of another inspection": lambda decision, receipt: (
        replace(decision, inspection_id=OTHER),
        replace(receipt, inspection_id=OTHER),
    ),
    "a view not looked at": lambda decision, receipt: (
        replace(decision, looks=decision.looks[:-1]),
        receipt,
    ),
    "nothing looked at": lambda decision, receipt: (replace(decision, looks=()), receipt),
    "one more view asked for": rules(views=(*VIEWS, "back")),
    "no view asked for": rules(views=()),
    "claimed as rework": lambda decision, receipt: (
        replace(decision, verdict=Verdict.REWORK),
        receipt,
    ),
    **{f"{what} ({n})": in_view(n, lost) for what, lost in FRAME_LOST.items() for n in (0, 1)},
}
MODELS_PASS: dict[str, Spoil] = {
    **ANY_PASS,
    **{f"{what} ({n})": in_view(n, lost) for what, lost in SCORE_LOST.items() for n in (0, 1)},
    "another verified model": rules(model_sha256=FOREIGN),
    "no verified model": rules(model_sha256=None),
    "tighter cut": rules(pass_below=0.05),
    "no cut": rules(pass_below=0.0),
    "by failsafe": lambda decision, receipt: (replace(decision, by=By.FAILSAFE), receipt),
    "by a person who said nothing": lambda decision, receipt: (
        replace(decision, by=By.HUMAN),
        receipt,
    ),
    **{
        f"at level {level}": lambda decision, receipt, level=level: (
            replace(decision, permit=permit(level)),
            receipt,
        )
        for level in ASKING_PEOPLE
    },
}


@pytest.mark.parametrize("level", DECIDING)
@pytest.mark.parametrize("what", MODELS_PASS)
def test_one_piece_of_evidence_less_and_the_model_passes_nothing(what: str, level: Level) -> None:
    decision, receipt = MODELS_PASS[what](judged(looks(0.1, 0.2), level), Receipt(ID, 1))
    assert final_verdict(decision, Health(), receipt) is not Verdict.PASS


# Two that agree again are no loss: foreign predictions under rules that want the foreign model.
MIXED = sorted(set(MODELS_PASS) - {"another verified model"})


@given(
    scores=st.tuples(*(st.floats(0.1, 0.3, exclude_max=True) for _ in VIEWS)),
    level=st.sampled_from(DECIDING),
    spoils=st.lists(st.sampled_from(MIXED), max_size=4),
)
def test_any_mixture_of_losses_never_passes(
    scores: tuple[float, ...], level: Level, spoils: list[str]
) -> None:
    decision, receipt = judged(looks(*scores), level), Receipt(ID, 1)
    assert final_verdict(decision, Health(), receipt) is Verdict.PASS
    current: Receipt | None = receipt
    for what in spoils:
        try:
            decision, left = MODELS_PASS[what](decision, receipt)
        except (IndexError, TypeError):  # it is gone already
            continue
        current = None if left is None or current is None else left
        receipt = left or receipt
    if spoils:
        assert final_verdict(decision, Health(), current) is not Verdict.PASS


ANY_LOOK = st.builds(
    Look,
    view=st.sampled_from((*VIEWS, "back")),
    frame=st.none()
    | st.builds(
        FreshFrame, st.sampled_from((ID, OTHER)), st.sampled_from((*VIEWS, "back")), st.just(SHA)
    ),
    prediction=st.none()
    | st.builds(
        Prediction,
        st.sampled_from((ID, ID, OTHER)),
        st.sampled_from((*VIEWS, "back")),
        st.sampled_from((0.1, 0.29, 0.5, -0.1)) | st.floats(),
        st.sampled_from((SHA, SHA, FOREIGN)),
    ),
    missing=st.none() | st.sampled_from(UNSEEN + UNSCORED),
)


@given(
    seen=st.lists(ANY_LOOK, max_size=4).map(tuple),
    level=st.sampled_from(Level),
    block=st.none() | st.sampled_from(BLOCKS),
    receipt=st.none() | st.builds(Receipt, st.sampled_from((ID, OTHER)), st.just(1)),
)
def test_pass_from_random_evidence_has_all_of_it(
    seen: tuple[Look, ...], level: Level, block: Reason | None, receipt: Receipt | None
) -> None:
    decision = decide(ID, seen, RULES, permit(level), Health(() if block is None else (block,)))
    assert (decision.verdict is Verdict.PASS) == (not decision.reasons)
    if final_verdict(decision, Health(), receipt) is not Verdict.PASS:
        return
    assert receipt == Receipt(ID, 1)
    assert block is None and level in DECIDING
    assert [one.prediction.view for one in seen if one.prediction] == list(VIEWS)
    assert {one.frame.view for one in seen if one.frame} == set(VIEWS)
    assert all(one.missing is None for one in seen)
    for one in seen:
        assert one.frame is None or one.frame.inspection_id == ID
        if one.prediction is not None:
            assert 0.0 <= one.prediction.score < RULES.pass_below
            assert (one.prediction.inspection_id, one.prediction.model_sha256) == (ID, SHA)


# ---- order ----

SEVERITY = {Verdict.PASS: 0, Verdict.REVIEW: 1, Verdict.REWORK: 2}


@given(
    st.tuples(*(st.floats(0, 1) for _ in VIEWS)),
    st.tuples(*(st.floats(0, 1) for _ in VIEWS)),
    st.sampled_from(Level),
)
def test_higher_scores_never_make_a_milder_verdict(
    one: tuple[float, ...], other: tuple[float, ...], level: Level
) -> None:
    low = tuple(map(min, one, other))
    high = tuple(map(max, one, other))
    mild, harsh = judged(looks(*low), level), judged(looks(*high), level)
    assert SEVERITY[mild.verdict] <= SEVERITY[harsh.verdict]
    assert SEVERITY[told(mild)] <= SEVERITY[told(harsh)]


@given(st.tuples(*(st.floats(0, 1) for _ in VIEWS)), st.sampled_from(Level))
def test_verdict_is_that_of_the_worst_view_alone(scores: tuple[float, ...], level: Level) -> None:
    decision = judged(looks(*scores), level)
    worst = judged(looks(max(scores), max(scores)), level)
    assert decision.score == max(scores)
    assert (decision.verdict, decision.reasons) == (worst.verdict, worst.reasons)


# ---- a person's word ----


def by_person(verdict: Verdict, who: str = "Ada", of: str = ID) -> Decision:
    waiting = judged(looks(0.5, 0.5), Level.ASSIST)
    return decide_by_person(waiting, HumanWord(of, verdict, who))


def test_person_passes_what_the_model_left_open() -> None:
    decision = by_person(Verdict.PASS)
    assert (decision.by, decision.reasons, decision.score) == (By.HUMAN, (), 0.5)
    assert told(decision) is Verdict.PASS


def test_person_sends_to_rework_as_operator() -> None:
    decision = by_person(Verdict.REWORK)
    assert (decision.by, decision.reasons) == (By.HUMAN, (Reason.OPERATOR,))
    assert told(decision) is Verdict.REWORK


def test_person_may_pass_a_part_that_no_model_scored() -> None:
    seen = tuple(Look(view, FreshFrame(ID, view, SHA)) for view in VIEWS)
    waiting = judged(seen, Level.HUMAN)
    assert waiting.verdict is Verdict.REVIEW
    assert told(decide_by_person(waiting, HumanWord(ID, Verdict.PASS, "Ada"))) is Verdict.PASS


@pytest.mark.parametrize("who", ["", None])
def test_nobody_passes_nothing(who: str) -> None:
    assert told(by_person(Verdict.PASS, who=who)) is Verdict.REWORK


def test_word_about_another_part_passes_nothing() -> None:
    assert told(by_person(Verdict.PASS, of=OTHER)) is Verdict.REWORK


def test_word_of_rework_under_a_claim_of_pass_passes_nothing() -> None:
    claim = replace(by_person(Verdict.REWORK), verdict=Verdict.PASS)
    assert told(claim) is Verdict.REWORK


@pytest.mark.parametrize("what", ANY_PASS)
def test_person_passes_nothing_without_frame_and_record(what: str) -> None:
    decision, receipt = ANY_PASS[what](by_person(Verdict.PASS), Receipt(ID, 2))
    assert final_verdict(decision, Health(), receipt) is not Verdict.PASS


# ---- the part's serial ----

CODED = replace(RULES, code_view="top")
READ = SerialRead(ID, "top", "S1")
SEALED = Receipt(ID, 1, "S1")
UNREAD = (Reason.CODE_UNREADABLE, Reason.SERIAL_MISMATCH, Reason.DEADLINE)


def with_code(serial: SerialRead | None = READ, unread: Reason | None = None) -> tuple[Look, ...]:
    top, side = looks(0.1, 0.1)
    return (replace(top, serial=serial, unread=unread), side)


def coded(seen: tuple[Look, ...], level: Level = Level.FULL) -> Decision:
    return decide(ID, seen, CODED, permit(level), Health())


def test_part_passes_with_the_serial_that_its_record_tells() -> None:
    decision = coded(with_code())
    assert (decision.verdict, decision.serial) == (PASS, "S1")
    assert final_verdict(decision, Health(), SEALED) is PASS


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("unread", UNREAD)
def test_nobody_passes_a_part_whose_code_is_wrong(level: Level, unread: Reason) -> None:
    for seen in (with_code(None, unread), with_code(READ, unread)):
        decision = coded(seen, level)
        assert (decision.verdict, decision.by, decision.reasons) == (REWORK, By.FAILSAFE, (unread,))


@pytest.mark.parametrize("level", Level)
def test_wanted_serial_that_is_not_there_is_unreadable(level: Level) -> None:
    for seen in (with_code(None), with_code(replace(READ, view="side"))):
        decision = coded(seen, level)
        assert (decision.verdict, decision.reasons) == (REWORK, (Reason.CODE_UNREADABLE,))


def test_view_that_was_not_seen_is_not_called_unreadable_too() -> None:
    top, side = looks(0.1, 0.1)
    lost = (Look("top", missing=Reason.NO_FRAME), side)
    assert coded(lost).reasons == (Reason.NO_FRAME,)
    dark = (replace(top, missing=Reason.IMAGE_QUALITY, unread=Reason.CODE_UNREADABLE), side)
    assert coded(dark).reasons == (Reason.IMAGE_QUALITY, Reason.CODE_UNREADABLE)


def test_opinion_is_the_models_whatever_the_code_says() -> None:
    assert coded(with_code(None, Reason.CODE_UNREADABLE)).opinion is PASS


@pytest.mark.parametrize(
    ("seen", "receipt"),
    [
        (with_code(), Receipt(ID, 1)),
        (with_code(), Receipt(ID, 1, "S2")),
        (with_code(None), SEALED),
        (with_code(None), Receipt(ID, 1)),
        (with_code(replace(READ, inspection_id=OTHER)), SEALED),
        (with_code(replace(READ, view="side")), SEALED),
        (with_code(READ, Reason.SERIAL_MISMATCH), SEALED),
        ((with_code()[0], replace(look("side"), serial=replace(READ, view="side"))), SEALED),
    ],
    ids=[
        "record without it", "record of another", "not read", "not read or recorded",
        "of another inspection", "of another view", "not the PLC's part", "of two views",
    ],
)  # fmt: skip
@pytest.mark.parametrize("person", [False, True])
def test_one_piece_of_the_serial_less_and_nothing_passes(
    seen: tuple[Look, ...], receipt: Receipt, person: bool
) -> None:
    claim = replace(coded(with_code()), looks=seen)
    if person:
        claim = decide_by_person(claim, HumanWord(ID, PASS, "Ada"))
        assert final_verdict(replace(claim, looks=with_code()), Health(), SEALED) is PASS
    assert claim.verdict is PASS and final_verdict(claim, Health(), receipt) is REWORK


@given(
    serial=st.none() | st.builds(SerialRead, st.sampled_from((ID, OTHER)), st.sampled_from(VIEWS),
                                 st.sampled_from(("S1", "S2"))),
    unread=st.none() | st.sampled_from(UNREAD),
    level=st.sampled_from(Level),
    recorded=st.none() | st.sampled_from(("S1", "S2")),
    wanted=st.booleans(),
)  # fmt: skip
def test_pass_with_random_codes_has_the_serial_in_order(
    serial: SerialRead | None,
    unread: Reason | None,
    level: Level,
    recorded: str | None,
    wanted: bool,
) -> None:
    rules = CODED if wanted else RULES
    decision = decide(ID, with_code(serial, unread), rules, permit(level), Health())
    assert (decision.verdict is PASS) == (not decision.reasons)
    if decision.verdict is REVIEW:
        decision = decide_by_person(decision, HumanWord(ID, PASS, "Ada"))
    if final_verdict(decision, Health(), Receipt(ID, 1, recorded)) is not PASS:
        return
    assert unread is None and recorded == (serial and serial.text)
    assert serial == (serial and replace(serial, inspection_id=ID))
    assert not wanted or (serial is not None and serial.view == "top")


# ---- the cuts ----

SHARE = st.floats(0, 1)


def thresholds(one: float, other: float) -> Thresholds:
    low, high = sorted((one, other))
    return Thresholds(pass_below=low, rework_from=high, no_guarantee="a test")


@given(SHARE, SHARE, st.none() | SHARE, st.none() | SHARE)
def test_recipe_tightens_and_never_loosens(
    one: float, other: float, pass_below: float | None, rework_from: float | None
) -> None:
    model = thresholds(one, other)
    low, high = cuts(model, ThresholdLimits(pass_below=pass_below, rework_from=rework_from))
    assert low <= model.pass_below and low <= high <= model.rework_from
    assert low == model.pass_below or low == pass_below


def test_recipe_without_limits_leaves_the_models_cuts() -> None:
    assert cuts(thresholds(0.2, 0.6), ThresholdLimits()) == (0.2, 0.6)


def test_recipe_with_tighter_limits_gets_them() -> None:
    limits = ThresholdLimits(pass_below=0.1, rework_from=0.5)
    assert cuts(thresholds(0.2, 0.6), limits) == (0.1, 0.5)
