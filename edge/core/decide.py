"""From evidence to verdict. The verdict starts as rework; `final_verdict` alone makes a pass.

`decide` says what the evidence is worth and what will be recorded; `final_verdict` hands the word
to the line once the record is durable, and checks the evidence objects once more itself.
"""

import math
from dataclasses import dataclass

from edge.core.automation import Permit
from edge.core.manifest import Thresholds
from edge.core.messages import By, Reason, Verdict
from edge.core.recipe import ThresholdLimits


@dataclass(frozen=True, slots=True)
class FreshFrame:
    """A usable frame of this inspection: exposed for it, judged usable, not seen before."""

    inspection_id: str
    view: str
    input_sha256: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """A verified model's score of one view of this inspection."""

    inspection_id: str
    view: str
    score: float  # 0..1, higher = more likely defective
    model_sha256: str


@dataclass(frozen=True, slots=True)
class SerialRead:
    """The part's own code, read from a frame of this inspection."""

    inspection_id: str
    view: str
    text: str


@dataclass(frozen=True, slots=True)
class Look:
    """All that was seen of one view. Whatever is missing has its reason; `unread`: why its code
    lets no part pass."""

    view: str
    frame: FreshFrame | None = None
    prediction: Prediction | None = None
    missing: Reason | None = None
    serial: SerialRead | None = None
    unread: Reason | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a verdict is measured against: the cuts, the verified model, the views to be seen,
    and the one of them that must show the part's serial, if the recipe asks for it."""

    pass_below: float
    rework_from: float
    model_sha256: str | None
    views: tuple[str, ...]
    code_view: str | None = None


@dataclass(frozen=True, slots=True)
class HumanWord:
    """A named person's verdict on this inspection."""

    inspection_id: str
    verdict: Verdict
    who: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What will be recorded. `verdict` is PASS only as a claim until the record is durable."""

    inspection_id: str
    verdict: Verdict
    by: By
    reasons: tuple[Reason, ...]
    score: float | None
    opinion: Verdict | None  # the model's alone
    looks: tuple[Look, ...]
    rules: Rules
    permit: Permit
    word: HumanWord | None = None

    @property
    def serial(self) -> str | None:
        """What the part's code says."""
        return next((look.serial.text for look in self.looks if look.serial is not None), None)


@dataclass(frozen=True, slots=True)
class Health:
    """How the station is: `faults` are why no part may pass at present."""

    faults: tuple[Reason, ...] = ()

    def without(self, reason: Reason) -> "Health":
        """As it is once this is mended."""
        return Health(tuple(fault for fault in self.faults if fault is not reason))


@dataclass(frozen=True, slots=True)
class Receipt:
    """The store's word that revision `revision` of this inspection's record is durable, and that
    no other part has passed with its `serial`."""

    inspection_id: str
    revision: int
    serial: str | None = None


FRAME_REASONS = frozenset({Reason.NO_FRAME, Reason.STALE_FRAME, Reason.IMAGE_QUALITY})
CODE_REASONS = frozenset({Reason.CODE_UNREADABLE, Reason.SERIAL_MISMATCH})  # the code shows it


def cuts(model: Thresholds, recipe: ThresholdLimits) -> tuple[float, float]:
    """(pass_below, rework_from): the model's, tightened by the recipe, never loosened."""
    pass_below = model.pass_below if recipe.pass_below is None else recipe.pass_below
    rework_from = model.rework_from if recipe.rework_from is None else recipe.rework_from
    pass_below = min(pass_below, model.pass_below)
    rework_from = max(min(rework_from, model.rework_from), pass_below)
    return pass_below, rework_from


def decide(
    inspection_id: str,
    looks: tuple[Look, ...],
    rules: Rules,
    permit: Permit,
    health: Health,
) -> Decision:
    """Weigh the evidence of all views; the worst view decides.

    Whatever is not shown to be good goes to rework, or to a person where the level gives the
    decision to one.
    """
    score = worst_score(looks, rules)
    opinion, why = _opinion(looks, score, rules)
    unread = _unread(looks, rules)
    verdict, by, reasons = _verdict(looks, opinion, why, unread, permit, health)
    return Decision(
        inspection_id=inspection_id,
        verdict=verdict,
        by=by,
        reasons=reasons,
        score=score,
        opinion=opinion if permit.asks_model else None,
        looks=looks,
        rules=rules,
        permit=permit,
    )


def worst_score(looks: tuple[Look, ...], rules: Rules) -> float | None:
    """The highest score of all views, or None unless every view has a valid one, given by the
    verified model."""
    if not rules.views:
        return None
    predictions = [look.prediction for look in looks if look.prediction is not None]
    if [prediction.view for prediction in predictions] != list(rules.views):
        return None
    if any(prediction.model_sha256 != rules.model_sha256 for prediction in predictions):
        return None
    scores = [prediction.score for prediction in predictions]
    return max(scores) if all(is_score(score) for score in scores) else None


def is_score(score: float) -> bool:
    """Whether a number is a score at all; NaN is not."""
    return math.isfinite(score) and 0.0 <= score <= 1.0


def _opinion(
    looks: tuple[Look, ...], score: float | None, rules: Rules
) -> tuple[Verdict, tuple[Reason, ...]]:
    """What the model alone says, and why."""
    missing = tuple(dict.fromkeys(look.missing for look in looks if look.missing is not None))
    if missing:
        return Verdict.REWORK, missing
    if score is None:
        return Verdict.REWORK, (Reason.BAD_PREDICTION,)
    if score < rules.pass_below:
        return Verdict.PASS, ()
    if score < rules.rework_from:
        return Verdict.REVIEW, (Reason.LOW_CONFIDENCE,)
    return Verdict.REWORK, (Reason.DEFECT,)


def _unread(looks: tuple[Look, ...], rules: Rules) -> tuple[Reason, ...]:
    """What is wrong with the part's code; nothing where the recipe wants none, or the view that
    shows it was not seen at all."""
    said = tuple(look.unread for look in looks if look.unread is not None)
    read = {look.serial.view for look in looks if look.serial is not None}
    unseen = {look.view for look in looks if look.missing in FRAME_REASONS}
    if said or rules.code_view is None or rules.code_view in read | unseen:
        return said
    return (Reason.CODE_UNREADABLE,)


def _verdict(
    looks: tuple[Look, ...],
    opinion: Verdict,
    why: tuple[Reason, ...],
    unread: tuple[Reason, ...],
    permit: Permit,
    health: Health,
) -> tuple[Verdict, By, tuple[Reason, ...]]:
    unseen = tuple(reason for reason in why if reason in FRAME_REASONS)
    if unseen or unread:  # nobody can judge what was not seen, or say which part it was
        return Verdict.REWORK, By.FAILSAFE, (*unseen, *unread)
    if not permit.model_decides:
        return Verdict.REVIEW, By.FAILSAFE, (Reason.LEVEL,)
    if any(look.missing is not None for look in looks) or Reason.BAD_PREDICTION in why:
        return Verdict.REWORK, By.FAILSAFE, why
    if health.faults:
        return Verdict.REWORK, By.FAILSAFE, tuple(dict.fromkeys((*health.faults, *why)))
    if opinion is Verdict.REVIEW:
        return permit.open_band, By.MODEL, why
    return opinion, By.MODEL, why


def decide_by_person(decision: Decision, word: HumanWord) -> Decision:
    """A person's verdict on a part that waited for one; what was seen stays as evidence."""
    return Decision(
        inspection_id=decision.inspection_id,
        verdict=word.verdict,
        by=By.HUMAN,
        reasons=() if word.verdict is Verdict.PASS else (Reason.OPERATOR,),
        score=decision.score,
        opinion=decision.opinion,
        looks=decision.looks,
        rules=decision.rules,
        permit=decision.permit,
        word=word,
    )


def final_verdict(decision: Decision, health: Health, receipt: Receipt | None) -> Verdict:
    """The word the line gets. The only function that turns rework into pass, and it asks for
    the evidence itself: frames of this part, a valid score or a person's word, its serial if the
    recipe wants one, a level that allows it, a healthy station, a durable record."""
    verdict = Verdict.REWORK
    if decision.verdict is Verdict.REVIEW:
        verdict = Verdict.REVIEW  # not passed either: a person must look
    elif (
        decision.verdict is Verdict.PASS
        and not health.faults
        and receipt is not None
        and receipt.inspection_id == decision.inspection_id
        and _all_views_seen(decision)
        and _serial_stands(decision, receipt)
        and (_person_passed(decision) or _model_passed(decision))
    ):
        verdict = Verdict.PASS
    return verdict


def _all_views_seen(decision: Decision) -> bool:
    frames = [look.frame for look in decision.looks if look.frame is not None]
    views, seen = set(decision.rules.views), {frame.view for frame in frames}
    mine = all(frame.inspection_id == decision.inspection_id for frame in frames)
    return bool(views) and seen == views and mine


def _serial_stands(decision: Decision, receipt: Receipt) -> bool:
    """Nothing is wrong with the part's code, and the record that lasts tells it. Where the recipe
    asks for a serial, there is one."""
    if any(look.unread is not None for look in decision.looks):
        return False
    serials = [look.serial for look in decision.looks if look.serial is not None]
    wanted = decision.rules.code_view
    return (
        receipt.serial == decision.serial
        and all(serial.inspection_id == decision.inspection_id for serial in serials)
        and (wanted is None or [serial.view for serial in serials] == [wanted])
    )


def _person_passed(decision: Decision) -> bool:
    word = decision.word
    return (
        word is not None
        and word.verdict is Verdict.PASS
        and word.inspection_id == decision.inspection_id
        and bool(word.who)
    )


def _model_passed(decision: Decision) -> bool:
    if not decision.permit.model_decides or decision.by is not By.MODEL:
        return False
    predictions = [look.prediction for look in decision.looks if look.prediction is not None]
    return {p.view for p in predictions} == set(decision.rules.views) and all(
        p.inspection_id == decision.inspection_id
        and p.model_sha256 == decision.rules.model_sha256
        and is_score(p.score)  # NaN is none, nor is anything below 0
        and p.score < decision.rules.pass_below
        for p in predictions
    )
