"""From rows to what is shown: pure functions, no template logic, no I/O.

All rows have been through `eyes.for_eyes` before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from edge.core.automation import permit
from edge.core.messages import Reason, Verdict
from edge.core.recipe import Recipe, Roi
from edge.core.records import InspectionRecord, ReviewRecord
from edge.page import words
from edge.page.pictures import Box
from edge.store.rows import Inspection, KeptImage

PlaceHeat = Callable[[Roi | None, str], Box | None]  # region, sha256 of the frame
OPEN = "open"


@dataclass(frozen=True, slots=True)
class Setting:
    """What stays the same while the page runs."""

    recipe_of: Callable[[str], Recipe | None]  # by its hash
    zone: tzinfo | None  # None: the box's own
    place_heat: PlaceHeat


@dataclass(frozen=True, slots=True)
class Heat:
    sha256: str
    box: Box


@dataclass(frozen=True, slots=True)
class Picture:
    """One view. Without a frame, `missing` says why in words."""

    view: str
    frame: str | None  # sha256
    heat: Heat | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One part as the film strip shows it."""

    inspection_id: str
    part_id: str
    lot: str | None
    key: str  # a Verdict, or OPEN
    word: str
    by: str
    reasons: tuple[str, ...]
    score: str | None  # None: none was made, or persons must not see it
    latency: str | None
    at: str
    pictures: tuple[Picture, ...]
    worst: Picture  # of the view with the highest score, or else the first


@dataclass(frozen=True, slots=True)
class Question:
    """A part that waits for a person. `until` is None where its recipe is not known."""

    card: Card
    until: datetime | None
    until_text: str | None
    total_s: float
    opinion: str | None  # None: the person judges unswayed, or the model was not sure
    unswayed: bool


@dataclass(frozen=True, slots=True)
class Word:
    """One of the three words (decided, durable, delivered): yes, no, or not known."""

    name: str
    holds: bool | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One inspection among all of the same serial."""

    inspection_id: str
    text: str
    this: bool


@dataclass(frozen=True, slots=True)
class Detail:
    """All that is known of one part."""

    question: Question
    closed: bool
    facts: tuple[tuple[str, str], ...]
    stages: tuple[tuple[str, str], ...]
    words: tuple[Word, ...]
    views: tuple[tuple[str, str], ...]
    reviews: tuple[str, ...]
    attempts: tuple[Attempt, ...]  # of its serial; none where no code was read


def card(inspection: Inspection, setting: Setting) -> Card:
    verdict = inspection.verdict
    shown = pictures(inspection, setting)
    return Card(
        inspection_id=inspection.inspection_id,
        part_id=inspection.part_id,
        lot=inspection.lot,
        key=verdict.value if verdict else OPEN,
        word=words.VERDICTS[verdict] if verdict else "OPEN",
        by=_decider(inspection),
        reasons=tuple(words.REASONS[reason] for reason in inspection.reasons),
        score=None if inspection.score is None else f"{inspection.score:.3f}",
        latency=None if inspection.latency_ms is None else duration(inspection.latency_ms),
        at=clock_time(inspection.opened_at, setting.zone),
        pictures=shown,
        worst=_worst(shown, record_of(inspection)),
    )


def _worst(shown: tuple[Picture, ...], record: InspectionRecord) -> Picture:
    scores = {view.view: view.score for view in record.views if view.score is not None}
    return max(shown, key=lambda picture: scores.get(picture.view, -1.0))


def pictures(inspection: Inspection, setting: Setting) -> tuple[Picture, ...]:
    """One for each view that has an image, at least one, in the order of the record."""
    names = dict.fromkeys(view.view for view in record_of(inspection).views)
    names |= dict.fromkeys(image.key.view for image in inspection.images)
    if not names:
        return (Picture("", None, missing=_why_no_picture(inspection)),)
    return tuple(_picture(inspection, name, setting) for name in names)


def question(inspection: Inspection, setting: Setting) -> Question:
    recipe = setting.recipe_of(record_of(inspection).recipe_sha256)
    total = timedelta(
        milliseconds=inspection.deadline_ms, seconds=recipe.review_s if recipe else 0.0
    )
    until = inspection.opened_at + total if recipe else None
    shows = permit(inspection.level).shows_score
    sure = inspection.opinion not in (None, Verdict.REVIEW)
    opinion = inspection.opinion if shows and sure else None
    return Question(
        card=card(inspection, setting),
        until=until,
        until_text=None if until is None else clock_time(until, setting.zone),
        total_s=total.total_seconds(),
        opinion=None if opinion is None else words.OPINIONS[opinion],
        unswayed=not shows,
    )


def detail(
    inspection: Inspection,
    reviews: tuple[ReviewRecord, ...],
    delivered: bool | None,
    setting: Setting,
    attempts: tuple[Inspection, ...] = (),
) -> Detail:
    record = record_of(inspection)
    return Detail(
        question=question(inspection, setting),
        closed=is_final(inspection),
        facts=_facts(inspection, record, setting),
        stages=tuple((name, f"{ms:.1f} ms") for name, ms in record.stages_ms.items()),
        words=three_words(inspection, delivered, setting),
        views=tuple((view.view, _view_sentence(view.score, view.problem)) for view in record.views),
        reviews=tuple(_review_sentence(review, setting) for review in reviews),
        attempts=tuple(_attempt(one, inspection, setting) for one in attempts),
    )


def _attempt(one: Inspection, shown: Inspection, setting: Setting) -> Attempt:
    verdict = words.VERDICTS[one.verdict] if one.verdict else "OPEN"
    text = f"{one.opened_at.astimezone(setting.zone):%d %b, %H:%M:%S} {verdict}"
    return Attempt(one.inspection_id, text, one.inspection_id == shown.inspection_id)


def three_words(
    inspection: Inspection, delivered: bool | None, setting: Setting
) -> tuple[Word, Word, Word]:
    """Decided, durable, delivered: kept apart."""
    at = inspection.closed_at
    durable = (
        f"Revision {inspection.revision}, of {clock_time(at, setting.zone)}, is on the disk."
        if at
        else "Only the opening is on the disk so far."
    )
    sentences = {
        True: "The trainer has it.",
        False: "The trainer does not have it yet; the box keeps it.",
        None: "Whether the trainer has it is not known here.",
    }
    return (
        Word("Decided", is_final(inspection), _decided_sentence(inspection)),
        Word("Durable", at is not None, durable),
        Word("Delivered", delivered, sentences[delivered]),
    )


def is_final(inspection: Inspection) -> bool:
    return inspection.verdict in (Verdict.PASS, Verdict.REWORK)


def _decider(inspection: Inspection) -> str:
    if inspection.by is None:
        return "still being looked at"
    if not is_final(inspection):
        return "waits for a person"
    return f"decided by {words.DECIDERS[inspection.by]}"


def _decided_sentence(inspection: Inspection) -> str:
    if inspection.verdict is None:
        return "The part is still being looked at."
    if not is_final(inspection):
        return "The line was told to wait for a person."
    echo = "and the PLC has echoed it" if inspection.plc_acked else "the PLC has not echoed it"
    return f"{words.VERDICTS[inspection.verdict]}, {_decider(inspection)}; {echo}."


def record_of(inspection: Inspection) -> InspectionRecord:
    """The whole record; while the part is open, its draft."""
    return InspectionRecord.model_validate_json(inspection.body)


def duration(ms: float) -> str:
    """What the gate took, in ms; what a person took, in seconds."""
    return f"{ms:.0f} ms" if ms < 10_000 else f"{ms / 1000:.0f} s"


def clock_time(at: datetime, zone: tzinfo | None) -> str:
    return at.astimezone(zone).strftime("%H:%M:%S")


def _picture(inspection: Inspection, view: str, setting: Setting) -> Picture:
    images = {image.key.kind: image for image in inspection.images if image.key.view == view}
    frame = images.get("frame")
    if frame is None:
        return Picture(view, None, missing=_why_no_picture(inspection))
    if frame.pruned_at is not None:
        return Picture(view, None, missing="The picture is no longer kept")
    return Picture(view, frame.sha256, _heat(inspection, images.get("heatmap"), frame, setting))


def _heat(
    inspection: Inspection, heatmap: KeptImage | None, frame: KeptImage, setting: Setting
) -> Heat | None:
    """Laid where the recipe that judged this part looked; None if that is not known any more."""
    recipe = setting.recipe_of(record_of(inspection).recipe_sha256)
    if heatmap is None or heatmap.pruned_at is not None or recipe is None:
        return None
    roi = next((view.roi for view in recipe.views if view.name == heatmap.key.view), None)
    box = setting.place_heat(roi, frame.sha256)
    return Heat(heatmap.sha256, box) if box else None


def _why_no_picture(inspection: Inspection) -> str:
    if Reason.NO_FRAME in inspection.reasons:
        return "No picture: the camera gave none"
    return "No picture" if inspection.verdict else "No picture yet"


def _facts(
    inspection: Inspection, record: InspectionRecord, setting: Setting
) -> tuple[tuple[str, str], ...]:
    level = words.LEVELS[inspection.level]
    facts = {
        "Triggered": inspection.opened_at.astimezone(setting.zone).strftime("%d %b %Y, %H:%M:%S"),
        "Serial": inspection.serial,
        "Lot": inspection.lot,
        "Trigger number": str(inspection.plc_seq),
        "Level": f"{level.name}: {level.short}",
        "Recipe": f"{record.recipe} ({record.recipe_sha256[:12]})",
        "Model": inspection.model and f"{inspection.model} ({(record.model_sha256 or '')[:12]})",
        "Configuration": record.config_sha256[:12],
        "Deadline": f"{inspection.deadline_ms} ms",
        "Inspection": inspection.inspection_id,
    }
    return tuple((name, value) for name, value in facts.items() if value)


def _view_sentence(score: float | None, problem: str | None) -> str:
    if problem is not None:
        return problem
    return "seen" if score is None else f"score {score:.3f}"


def _review_sentence(review: ReviewRecord, setting: Setting) -> str:
    word = words.VERDICTS[Verdict(review.verdict)]
    when = review.at.astimezone(setting.zone).strftime("%H:%M:%S, %d %b")
    reached = "the line got it in time" if review.in_time else "after the line had its verdict"
    return f"{review.who} said {word} at {when}; {reached}."
