"""The eye of the gate: for every view of a part, grab, check, predict. It looks; it never decides.

Whatever goes wrong becomes a reason on that view, and a cause that the station shows.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.camera.lateness import frame_limits_ms
from edge.camera.source import Frame, Shot
from edge.camera.steady import SteadyCamera
from edge.core.clock import Clock, ms, ns
from edge.core.codes import Reading, read_serial
from edge.core.decide import FRAME_REASONS, FreshFrame, Look, Prediction, SerialRead
from edge.core.errors import (
    BadPrediction,
    CameraError,
    CameraFrozen,
    LinegateError,
    PredictorError,
    PredictorUnavailable,
)
from edge.core.manifest import Manifest
from edge.core.messages import Reason
from edge.core.preprocess import Image, crop, to_input
from edge.core.quality import measure, problems
from edge.core.recipe import Recipe, View
from edge.core.records import QualityFigures, ViewRecord
from edge.gate.events import LookAt, Seen

UNUSABLE_IN_A_ROW = 3  # frames that cannot be judged, are late, or codes: the station says so


class ModelAnswer(Protocol):
    @property
    def score(self) -> float: ...
    @property
    def heatmap(self) -> NDArray[np.float32]: ...
    @property
    def model_sha256(self) -> str: ...


class Predictor(Protocol):
    """predict/client.py, or a session in the same process."""

    def predict(
        self, model: str, image: Image, timeout_s: float, manifest: Manifest | None
    ) -> ModelAnswer:
        """Raises PredictorUnavailable or BadPrediction, within `timeout_s`."""
        ...

    def loaded(self, model: str, timeout_s: float) -> bool:
        """Whether this model is ready to answer."""
        ...


@dataclass(frozen=True, slots=True)
class Noticed:
    """What the eye learned about the station: causes that hold, causes that are gone, what was
    seen to work (cameras by name, "model"), and what each camera counted."""

    raised: tuple[tuple[str, str], ...] = ()  # code, detail
    cleared: tuple[str, ...] = ()
    seen_working: tuple[str, ...] = ()
    cameras: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What came of one look: the event for the ledger, and the pictures behind it."""

    seen: Seen
    frames: Mapping[str, Image]
    heatmaps: Mapping[str, NDArray[np.float32]]
    noticed: Noticed
    recipe: Recipe


@dataclass(slots=True, eq=False)
class _View:
    """One view, while it is looked at."""

    view: View
    within_ms: float | None  # after the trigger its exposure may begin
    frame: Frame | None = None
    figures: QualityFigures | None = None
    tensor: Image | None = None
    input_sha256: str | None = None
    answer: ModelAnswer | None = None
    missing: Reason | None = None
    problem: str | None = None
    late: str | None = None  # how it was exposed too late
    measured: Future[QualityFigures] | None = None  # being measured
    serial: Future[Reading] | None = None  # being read
    failed: LinegateError | None = None  # why there is no answer
    reading: Reading = field(default_factory=Reading)

    def lacks(self, reason: Reason, problem: object) -> None:
        """The first lack is the one that counts; later ones follow from it."""
        if self.missing is None:
            self.missing, self.problem = reason, str(problem)


@dataclass(slots=True)
class _Notes:
    raised: dict[str, str] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    working: set[str] = field(default_factory=set)

    def frozen(self) -> Noticed:
        gone = tuple(code for code in sorted(self.cleared) if code not in self.raised)
        return Noticed(tuple(self.raised.items()), gone, tuple(self.working))


class Eye:
    """Owned by one thread, which alone touches cameras and predictor."""

    def __init__(
        self,
        cameras: Mapping[str, SteadyCamera],
        grab_timeout_s: Mapping[str, float],
        delays_ms: Mapping[str, float | None],
        predictor: Predictor,
        manifests: Mapping[str, Manifest],
        models: Collection[str],
        clock: Clock,
    ) -> None:
        """`delays_ms`: camera_delay_ms of each camera. `models` are those that the recipes ask for;
        `manifests` of those that are here."""
        self._cameras = cameras
        self._grab_timeout_s = grab_timeout_s
        self._delays_ms = delays_ms
        self._predictor = predictor
        self._manifests = manifests
        self._models = models
        self._clock = clock
        self._beside = ThreadPoolExecutor(1, "quality")  # measures while the model is waited for
        self._reader = ThreadPoolExecutor(1, "codes")  # and reads; a code may take its time
        self._unusable = 0
        self._unread = 0
        self._late = 0
        self._lost: set[str] = set()  # cameras without frames
        self._frozen: set[str] = set()

    def look(self, request: LookAt) -> Sight:
        """Look at all views of a part, within the time that is left for it."""
        notes = _Notes()
        stages = {"grab": 0.0, "quality": 0.0, "predict": 0.0}
        limits_ms = frame_limits_ms(request.recipe, self._delays_ms)
        views = [_View(view, limits_ms[view.name]) for view in request.recipe.views]
        for view in views:
            self._look_through(view, request, stages, notes)
        self._note_late(views, notes)
        seen = Seen(
            request.inspection_id,
            tuple(_look(view, request.inspection_id) for view in views),
            tuple(_record(view, request.triggered_ns) for view in views),
            {stage: round(spent, 3) for stage, spent in stages.items()},
        )
        frames = {v.view.name: v.frame.image for v in views if v.frame is not None}
        heatmaps = {v.view.name: v.answer.heatmap for v in views if v.answer is not None}
        return Sight(seen, frames, heatmaps, notes.frozen(), request.recipe)

    def probe(self) -> Noticed:
        """Between parts: are the cameras open, is the model there?"""
        notes = _Notes()
        for name, camera in self._cameras.items():
            if camera.probe():
                self._is_well(name, notes)
            else:
                self._lost.add(name)
                notes.raised["camera_lost"] = f"{name}: {camera.trouble}"
        away = [name for name in self._models if not self._predictor.loaded(name, 0.2)]
        if away:
            notes.raised["predictor_unavailable"] = f"model {', '.join(away)} is not loaded"
        else:
            notes.cleared.add("predictor_unavailable")
            notes.working.add("model")
        counts = {name: camera.counts() for name, camera in self._cameras.items()}
        return replace(notes.frozen(), cameras=counts)

    def _is_well(self, camera: str, notes: _Notes) -> None:
        """A cause is gone when it is gone for every camera."""
        self._lost.discard(camera)
        self._frozen.discard(camera)
        notes.working.add(camera)
        if not self._lost:
            notes.cleared.add("camera_lost")
        if not self._frozen:
            notes.cleared.add("camera_frozen")

    def _look_through(
        self, looked: _View, request: LookAt, stages: dict[str, float], notes: _Notes
    ) -> None:
        """Grab, predict, check: what can be measured while the model is waited for is. A frame that
        cannot be trusted is scored all the same, for the record; a frame of another moment, or
        none, ends the look."""
        for stage, step in (
            ("grab", self._grab),
            ("predict", self._predict),
            ("quality", self._check),
            *([] if looked.view.code is None else [("code", self._read)]),
        ):
            started = self._clock.monotonic_ns()
            step(looked, request, notes)
            stages[stage] = stages.get(stage, 0.0) + ms(self._clock.monotonic_ns() - started)
            if looked.missing in (Reason.NO_FRAME, Reason.STALE_FRAME):
                break

    def _left_s(self, request: LookAt) -> float:
        return max(0.0, (request.until_ns - self._clock.monotonic_ns()) / 1e9)

    def _grab(self, looked: _View, request: LookAt, notes: _Notes) -> None:
        camera = looked.view.camera
        timeout_s = min(self._grab_timeout_s[camera], self._left_s(request))
        lead_ns = ns(request.recipe.frame_lead_ms)
        shot = Shot(request.part_id, looked.view.name, request.triggered_ns, lead_ns)
        try:
            frame = self._cameras[camera].grab(shot, timeout_s)
        except CameraFrozen as error:
            looked.lacks(Reason.STALE_FRAME, error)
            self._frozen.add(camera)
            notes.raised["camera_frozen"] = f"{camera}: {error}"
            return
        except CameraError as error:
            looked.lacks(Reason.NO_FRAME, error)
            self._lost.add(camera)
            notes.raised["camera_lost"] = f"{camera}: {error}"
            return
        looked.frame = frame
        self._is_well(camera, notes)
        if frame.exposed_at_ns < shot.not_before_ns:
            early = ms(request.triggered_ns - frame.exposed_at_ns)
            looked.lacks(Reason.STALE_FRAME, f"exposed {early:.0f} ms before the trigger")
        late_ms = ms(frame.exposed_at_ns - request.triggered_ns)
        if looked.within_ms is not None and late_ms > looked.within_ms:  # it has moved on by then
            allowed = f"{looked.within_ms:.0f} are allowed"
            looked.late = f"exposed {late_ms:.0f} ms after the trigger, {allowed}"
            looked.lacks(Reason.STALE_FRAME, looked.late)

    def _note_late(self, views: Sequence[_View], notes: _Notes) -> None:
        late = [f"{view.view.camera}: {view.late}" for view in views if view.late is not None]
        if late:
            self._late += 1
            if self._late >= UNUSABLE_IN_A_ROW:
                notes.raised["frames_late"] = late[0]
        elif any(view.frame is not None for view in views):
            self._late = 0
            notes.cleared.add("frames_late")

    def _predict(self, looked: _View, request: LookAt, notes: _Notes) -> None:
        assert looked.frame is not None
        image, code, model = looked.frame.image, looked.view.code, request.recipe.model
        looked.measured = self._beside.submit(measure, image)
        if code is not None:
            looked.serial = self._reader.submit(read_serial, image, code, request.part_id)
        try:
            looked.tensor = self._tensor(image, looked.view, request)
            looked.input_sha256 = hashlib.sha256(looked.tensor.data).hexdigest()
            if request.permit.asks_model:
                looked.answer = self._predictor.predict(
                    model, looked.tensor, self._left_s(request), self._manifests.get(model)
                )
                notes.cleared |= {"predictor_unavailable", "bad_prediction"}
                notes.working.add("model")
        except LinegateError as error:
            looked.failed = error

    def _check(self, looked: _View, request: LookAt, notes: _Notes) -> None:
        """What is wrong with the frame comes first, then what the model could not do."""
        assert looked.measured is not None
        try:
            looked.figures = looked.measured.result(self._left_s(request))
        except TimeoutError:
            looked.lacks(Reason.DEADLINE, "the frame was not measured in time")
            return
        found = problems(looked.figures, request.recipe.quality)
        failed = looked.failed
        if failed is not None and not isinstance(failed, PredictorError):
            found = (*found, str(failed))
        self._note_quality(looked, found, notes)
        if isinstance(failed, BadPrediction):
            looked.lacks(Reason.BAD_PREDICTION, failed)
            notes.raised["bad_prediction"] = str(failed)
        elif isinstance(failed, PredictorError):
            looked.lacks(Reason.PREDICTOR_UNAVAILABLE, failed)
            notes.raised["predictor_unavailable"] = str(failed)

    def _note_quality(self, looked: _View, found: tuple[str, ...], notes: _Notes) -> None:
        if not found:
            self._unusable = 0
            notes.cleared.add("image_unusable")
            return
        looked.lacks(Reason.IMAGE_QUALITY, "; ".join(found))
        self._unusable += 1
        if self._unusable >= UNUSABLE_IN_A_ROW:
            notes.raised["image_unusable"] = f"{looked.view.camera}: {found[0]}"

    def _tensor(self, image: Image, view: View, request: LookAt) -> Image:
        """The model's input; where only persons judge and no model is there, their picture."""
        manifest = self._manifests.get(request.recipe.model)
        if manifest is not None:
            return to_input(image, manifest.face, view.roi)
        if request.permit.asks_model:
            raise PredictorUnavailable(
                f"no model {request.recipe.model!r} is here: put its bundle into predict.models"
            )
        return np.ascontiguousarray(image if view.roi is None else crop(image, view.roi))

    def _read(self, looked: _View, request: LookAt, notes: _Notes) -> None:
        assert looked.serial is not None
        try:
            looked.reading = looked.serial.result(self._left_s(request))
        except TimeoutError:
            looked.serial.cancel()
            problem = "its code was not read in time: give the recipe's code a smaller roi"
            looked.reading = Reading(lack=Reason.DEADLINE, problem=problem)
        self._unread = 0 if looked.reading.lack is None else self._unread + 1
        if self._unread == 0:
            notes.cleared.add("codes_unreadable")
        elif self._unread >= UNUSABLE_IN_A_ROW:
            notes.raised["codes_unreadable"] = f"{looked.view.camera}: {looked.reading.problem}"


def overtaken(sight: Sight, triggered_ns: int, next_trigger_ns: int | None) -> Sight:
    """The same sight, without the frames that were exposed when the next part had come."""
    if next_trigger_ns is None:
        return sight
    limit_ms = ms(next_trigger_ns - triggered_ns)
    late = {
        view.view
        for view in sight.seen.views
        if view.exposed_after_ms is not None and view.exposed_after_ms >= limit_ms
    }
    if not late:
        return sight
    looks = tuple(
        Look(look.view, missing=Reason.STALE_FRAME) if look.view in late else look
        for look in sight.seen.looks
    )
    problem = {"problem": f"exposed after the next part had come ({limit_ms:.0f} ms)"}
    views = tuple(
        view.model_copy(update=problem) if view.view in late else view for view in sight.seen.views
    )
    return replace(sight, seen=replace(sight.seen, looks=looks, views=views))


def _look(looked: _View, inspection_id: str) -> Look:
    frame = prediction = serial = None
    name = looked.view.name
    if looked.input_sha256 is not None and looked.missing not in FRAME_REASONS:
        frame = FreshFrame(inspection_id, name, looked.input_sha256)
    if looked.answer is not None:
        prediction = Prediction(
            inspection_id, name, looked.answer.score, looked.answer.model_sha256
        )
    if looked.reading.serial is not None:
        serial = SerialRead(inspection_id, name, looked.reading.serial)
    return Look(name, frame, prediction, looked.missing, serial, looked.reading.lack)


def _record(looked: _View, triggered_ns: int) -> ViewRecord:
    frame = looked.frame
    after_ms = None if frame is None else round(ms(frame.exposed_at_ns - triggered_ns), 3)
    problems = [text for text in (looked.problem, looked.reading.problem) if text is not None]
    return ViewRecord(
        view=looked.view.name,
        frame_seq=None if frame is None else frame.seq,
        exposed_after_ms=after_ms,
        input_sha256=looked.input_sha256,
        quality=looked.figures,
        score=None if looked.answer is None else looked.answer.score,
        problem="; ".join(problems) or None,
    )
