"""Why a part got its verdict: the same frame through the same code again, compared to the bit."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from edge.config import StationConfig
from edge.core.automation import permit
from edge.core.codes import read_serial
from edge.core.decide import (
    CODE_REASONS,
    FRAME_REASONS,
    FreshFrame,
    Health,
    Look,
    Prediction,
    Rules,
    SerialRead,
    decide,
)
from edge.core.errors import LinegateError, ModelRefused
from edge.core.manifest import Manifest
from edge.core.messages import By, Reason, Verdict
from edge.core.preprocess import Image, to_input
from edge.core.quality import measure, problems
from edge.core.recipe import Recipe
from edge.core.records import InspectionRecord, ViewRecord
from edge.gate.rules import rules_for
from edge.predict.bundle import Bundle, read_bundle, read_manifest
from edge.predict.session import ModelSession
from edge.store.images import ImageStore
from edge.store.reader import LedgerReader
from edge.store.rows import Inspection

# What the station knew at that moment and no frame shows: these verdicts follow from the record.
_MOMENT = {
    Reason.DEADLINE,
    Reason.NOT_DURABLE,
    Reason.NO_FRAME,
    Reason.STALE_FRAME,
    Reason.PREDICTOR_UNAVAILABLE,
    Reason.BAD_PREDICTION,
    Reason.CHALLENGE_FAILED,
    Reason.REJECT_UNCONFIRMED,
    Reason.DRIFT,
    Reason.LEVEL,
    Reason.OPERATOR,
    Reason.SERIAL_DUPLICATE,
}
MAX_ATTEMPTS = 100  # of one serial, the last ones


@dataclass(frozen=True, slots=True)
class Explanation:
    """`same`: what was reproduced equals the record; None where a frame is no longer kept."""

    record: InspectionRecord
    same: bool | None
    steps: tuple[str, ...]
    score: float | None = None
    verdict: Verdict | None = None
    attempts: tuple[Inspection, ...] = ()  # all inspections of this serial, oldest first


def explain(config: StationConfig, key: str) -> Explanation:
    """Reproduce an inspection, by its id or, the last one, by the part's serial. Raises
    LinegateError if the part or its model is not here."""
    reader = LedgerReader(config.ledger_path)
    row = reader.inspection(key) or next(iter(reader.of_serial(key, 1)), None)
    if row is None:
        raise LinegateError(f"{config.ledger_path} holds no inspection and no serial {key!r}")
    if row.verdict is None:
        raise LinegateError(f"inspection {row.inspection_id} has no verdict yet; try again")
    found = _explain(config, reader, row)
    attempts = () if row.serial is None else reader.of_serial(row.serial, MAX_ATTEMPTS)
    return replace(found, attempts=attempts)


def _explain(config: StationConfig, reader: LedgerReader, row: Inspection) -> Explanation:
    record = InspectionRecord.model_validate_json(row.body)
    kept = {image.key.view: image for image in row.images if image.key.kind == "frame"}
    missing = [v.view for v in record.views if v.input_sha256 is not None and v.view not in kept]
    missing += [name for name, image in kept.items() if image.pruned_at is not None]
    if missing or not any(view.input_sha256 for view in record.views):
        return _from_record(record, missing)
    store = ImageStore(config.images_dir)
    frames = {name: store.load(image.sha256) for name, image in kept.items()}
    recipe = _recipe(reader, record)
    bundle = _bundle(config.predict.models, record)
    return _again(record, recipe, bundle, config.predict.threads, frames)


def _from_record(record: InspectionRecord, missing: Iterable[str]) -> Explanation:
    """No frame to look at again: the record's own words are all there is."""
    names = ", ".join(sorted(set(missing)))
    why = f"the frame of {names} is no longer kept" if names else "there was no frame to judge"
    steps = [f"{view.view}: {view.problem}" for view in record.views if view.problem]
    return Explanation(record, None if names else True, (*steps, why))


def _recipe(reader: LedgerReader, record: InspectionRecord) -> Recipe:
    text = reader.meta().get(f"recipe:{record.recipe_sha256}")
    if text is None:
        raise LinegateError(f"the recipe {record.recipe!r} of that time is not in the ledger")
    return Recipe.model_validate_json(text)


def _bundle(models: Path, record: InspectionRecord) -> Bundle | None:
    """The very model file that judged, among all versions that are here."""
    if record.model_sha256 is None:
        return None
    folders = [models, *(path for path in models.iterdir() if path.is_dir())]
    for folder in folders:
        try:
            if read_manifest(folder).sha256 == record.model_sha256:
                return read_bundle(folder)
        except (ModelRefused, OSError):
            continue
    raise LinegateError(
        f"the model {record.model} ({record.model_sha256[:12]}) is not in {models}; "
        "put its bundle back to reproduce this verdict"
    )


def _again(
    record: InspectionRecord,
    recipe: Recipe,
    bundle: Bundle | None,
    threads: int,
    frames: dict[str, Image],
) -> Explanation:
    manifest = None if bundle is None else bundle.manifest
    session = None if bundle is None else ModelSession(bundle.model, bundle.manifest, threads)
    looks, steps, same = [], [], True
    for view in record.views:
        look, step, equal = _look_again(record, recipe, manifest, session, view, frames)
        steps.append(step)
        look, same_code = _code_again(record, recipe, look, frames, steps)
        looks.append(look)
        same = same and equal and same_code
    rules = rules_for(recipe, manifest).rules
    decision = decide(record.inspection_id, tuple(looks), rules, permit(record.level), Health())
    steps.append(_cut_sentence(rules, decision.score))
    if _follows_from_the_frames(record):
        same = same and decision.verdict is record.verdict
        same = same and decision.score == record.score
    else:
        moment = ", ".join(reason for reason in record.reasons if reason in _MOMENT)
        steps.append(f"the verdict came from {record.by} ({moment or 'a person'}), not the score")
    return Explanation(record, same, tuple(steps), decision.score, decision.verdict)


def _follows_from_the_frames(record: InspectionRecord) -> bool:
    """The model's verdict, or the refusal of a frame; no guard's and no person's."""
    refused = bool(record.reasons) and set(record.reasons) <= FRAME_REASONS | CODE_REASONS
    return record.by is By.MODEL or (record.by is By.FAILSAFE and refused)


def _look_again(
    record: InspectionRecord,
    recipe: Recipe,
    manifest: Manifest | None,
    session: ModelSession | None,
    view: ViewRecord,
    frames: dict[str, Image],
) -> tuple[Look, str, bool]:
    """One view: the look, what it showed in words, and whether it is what was recorded."""
    if view.input_sha256 is None or manifest is None or session is None:
        step = f"{view.view}: {view.problem or 'not judged by a model'}"
        return Look(view.view, missing=Reason.NO_FRAME), step, True
    image = frames[view.view]
    roi = next(v.roi for v in recipe.views if v.name == view.view)
    tensor = to_input(image, manifest.face, roi)
    digest = sha256(tensor.data).hexdigest()
    found = problems(measure(image), recipe.quality)
    frame = FreshFrame(record.inspection_id, view.view, digest)
    if view.score is None:
        equal = digest == view.input_sha256
        return Look(view.view, frame), f"{view.view}: the model was not asked", equal
    score = session.score(tensor)
    equal = digest == view.input_sha256 and score == view.score
    step = f"{view.view}: score {score!r} now, {view.score!r} then; input {digest[:12]}"
    prediction = Prediction(record.inspection_id, view.view, score, manifest.sha256)
    missing = Reason.IMAGE_QUALITY if found else None
    step += f"; {'; '.join(found)}" if found else ""
    return Look(view.view, None if found else frame, prediction, missing), step, equal


def _code_again(
    record: InspectionRecord,
    recipe: Recipe,
    look: Look,
    frames: dict[str, Image],
    steps: list[str],
) -> tuple[Look, bool]:
    """The look with what its code says, where the recipe reads one, and whether that is recorded;
    a code that was not read in time then may well be read now."""
    code = next(view.code for view in recipe.views if view.name == look.view)
    image = frames.get(look.view)
    if code is None or image is None:
        return look, True
    now = read_serial(image, code, record.part_id)
    why = f" ({now.problem})" if now.problem else ""
    steps.append(f"{look.view}: serial {now.serial!r} now{why}, {record.serial!r} then")
    serial = now.serial and SerialRead(record.inspection_id, look.view, now.serial)
    same = now.serial == record.serial or Reason.DEADLINE in record.reasons
    return replace(look, serial=serial or None, unread=now.lack), same


def _cut_sentence(rules: Rules, score: float | None) -> str:
    if score is None:
        return "no valid score of all views: rework"
    return (
        f"worst score {score:.6g}: pass below {rules.pass_below:.6g}, "
        f"rework from {rules.rework_from:.6g}"
    )
