"""The judgement of the frames: is it usable, what does the model say, what does the part's code.

Every view is judged by itself, so that the views of one part, and parts that come close together,
can be judged side by side (lanes.py).
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from edge.core.clock import Clock, ms
from edge.core.codes import Reading, read_serial
from edge.core.errors import BadPrediction, LinegateError, PredictorError, PredictorUnavailable
from edge.core.manifest import Manifest
from edge.core.messages import Reason
from edge.core.preprocess import Image, crop, to_input
from edge.core.quality import measure, problems
from edge.core.recipe import View
from edge.gate.events import LookAt
from edge.gate.pace import LANES
from edge.gate.sight import Looked, Measured, ModelAnswer

UNUSABLE_IN_A_ROW = 3  # frames that cannot be judged, or codes, until the station says so


class Predictor(Protocol):
    """predict/client.py, or a session in the same process. One for each thread."""

    def predict(
        self, model: str, image: Image, timeout_s: float, manifest: Manifest | None
    ) -> ModelAnswer:
        """Raises PredictorUnavailable or BadPrediction, within `timeout_s`."""
        ...


class Streaks:
    """How often in a row a thing went wrong, whichever thread saw it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def note(self, what: str, well: bool) -> int:
        with self._lock:
            self._counts[what] = 0 if well else self._counts[what] + 1
            return self._counts[what]


class Judge:
    """Used by several threads at once, each with a predictor of its own."""

    def __init__(self, manifests: Mapping[str, Manifest], clock: Clock) -> None:
        """`manifests` are those of the models that are here."""
        self._manifests = manifests
        self._clock = clock
        self._beside = ThreadPoolExecutor(LANES, "quality")  # measures while the model is asked
        self._reader = ThreadPoolExecutor(LANES, "codes")  # and reads; a code may take its time
        self._streaks = Streaks()

    def judge(self, looked: Looked, request: LookAt, predictor: Predictor) -> None:
        """Predict, check, read, within the time that is left: what can be measured while the model
        is waited for is. A frame that cannot be used is scored all the same, for the record; one
        of another moment is not."""
        if not looked.has_its_frame:
            return
        started_ns = self._clock.monotonic_ns()
        hurried = 2 * started_ns > request.triggered_ns + request.until_ns
        self._predict(looked, request, predictor)
        asked_ns = self._clock.monotonic_ns()
        self._check(looked, request, hurried)
        checked_ns = self._clock.monotonic_ns()
        looked.stages_ms |= {
            "predict": ms(asked_ns - started_ns),
            "quality": ms(checked_ns - asked_ns),
        }
        if looked.serial is not None:
            self._read(looked, request)
            looked.stages_ms["code"] = ms(self._clock.monotonic_ns() - checked_ns)

    def _left_s(self, request: LookAt) -> float:
        return max(0.0, (request.until_ns - self._clock.monotonic_ns()) / 1e9)

    def _predict(self, looked: Looked, request: LookAt, predictor: Predictor) -> None:
        assert looked.frame is not None
        image, code, model = looked.frame.image, looked.view.code, request.recipe.model
        if code is not None:
            looked.serial = self._reader.submit(read_serial, image, code, request.part_id)
        try:
            looked.tensor = self._tensor(image, looked.view, request)
            looked.measured = self._beside.submit(_measured, image, looked.tensor)
            if request.permit.asks_model:
                looked.answer = predictor.predict(
                    model, looked.tensor, self._left_s(request), self._manifests.get(model)
                )
                looked.notes.cleared |= {"predictor_unavailable", "bad_prediction"}
                looked.notes.working.add("model")
        except LinegateError as error:
            looked.failed = error

    def _check(self, looked: Looked, request: LookAt, hurried: bool) -> None:
        """What is wrong with the frame comes first, then what the model could not do."""
        assert looked.frame is not None
        measured = looked.measured or self._beside.submit(_measured, looked.frame.image, None)
        try:
            looked.figures, looked.input_sha256 = measured.result(self._left_s(request))
        except TimeoutError:
            looked.lacks(Reason.DEADLINE, "the frame was not measured in time")
            return
        found = problems(looked.figures, request.recipe.quality)
        failed = looked.failed
        if failed is not None and not isinstance(failed, PredictorError):
            found = (*found, str(failed))
        self._note_quality(looked, found)
        if isinstance(failed, PredictorError):
            self._note_model(looked, failed, hurried and self._left_s(request) == 0.0)

    def _note_model(self, looked: Looked, failed: PredictorError, hurried: bool) -> None:
        """A model that was asked late, and had not its time, is not to blame."""
        if isinstance(failed, BadPrediction):
            looked.lacks(Reason.BAD_PREDICTION, failed)
            looked.notes.raised["bad_prediction"] = str(failed)
        elif hurried:
            looked.lacks(Reason.DEADLINE, f"{failed}; the part had waited for others")
        else:
            looked.lacks(Reason.PREDICTOR_UNAVAILABLE, failed)
            looked.notes.raised["predictor_unavailable"] = str(failed)

    def _note_quality(self, looked: Looked, found: tuple[str, ...]) -> None:
        in_a_row = self._streaks.note("unusable", well=not found)
        if not found:
            looked.notes.cleared.add("image_unusable")
            return
        looked.lacks(Reason.IMAGE_QUALITY, "; ".join(found))
        if in_a_row >= UNUSABLE_IN_A_ROW:
            looked.notes.raised["image_unusable"] = f"{looked.view.camera}: {found[0]}"

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

    def _read(self, looked: Looked, request: LookAt) -> None:
        assert looked.serial is not None
        try:
            looked.reading = looked.serial.result(self._left_s(request))
        except TimeoutError:
            looked.serial.cancel()
            problem = "its code was not read in time: give the recipe's code a smaller roi"
            looked.reading = Reading(lack=Reason.DEADLINE, problem=problem)
        in_a_row = self._streaks.note("unread", well=looked.reading.lack is None)
        if in_a_row == 0:
            looked.notes.cleared.add("codes_unreadable")
        elif in_a_row >= UNUSABLE_IN_A_ROW:
            problem = f"{looked.view.camera}: {looked.reading.problem}"
            looked.notes.raised["codes_unreadable"] = problem


def _measured(image: Image, tensor: Image | None) -> Measured:
    return measure(image), None if tensor is None else hashlib.sha256(tensor.data).hexdigest()
