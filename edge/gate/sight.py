"""What is seen of one part: its frames while they are looked at, and what came of them."""

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.camera.source import Frame
from edge.core.clock import ms
from edge.core.codes import Reading
from edge.core.decide import FRAME_REASONS, FreshFrame, Look, Prediction, SerialRead
from edge.core.errors import LinegateError
from edge.core.messages import Reason
from edge.core.preprocess import Image
from edge.core.recipe import Recipe, View
from edge.core.records import QualityFigures, ViewRecord
from edge.gate.events import LookAt, Seen

Measured = tuple[QualityFigures, str | None]  # of the frame; the hash of the model's input


class ModelAnswer(Protocol):
    @property
    def score(self) -> float: ...
    @property
    def heatmap(self) -> NDArray[np.float32]: ...
    @property
    def model_sha256(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Noticed:
    """What the eye learned about the station: causes that hold, causes that are gone, what was
    seen to work (cameras by name, "model"), and what each camera counted. `taken_ns`: when the
    frames that tell it were taken; None: it is told in order."""

    raised: tuple[tuple[str, str], ...] = ()  # code, detail
    cleared: tuple[str, ...] = ()
    seen_working: tuple[str, ...] = ()
    cameras: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    taken_ns: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What came of one look: the event for the ledger, and the pictures behind it."""

    seen: Seen
    frames: Mapping[str, Image]
    heatmaps: Mapping[str, NDArray[np.float32]]
    noticed: Noticed
    recipe: Recipe


@dataclass(slots=True)
class Notes:
    """What one take, one judgement, or one probe, learns about the station."""

    raised: dict[str, str] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    working: set[str] = field(default_factory=set)

    def add(self, other: "Notes") -> None:
        self.raised |= other.raised
        self.cleared |= other.cleared
        self.working |= other.working

    def frozen(self) -> Noticed:
        gone = tuple(code for code in sorted(self.cleared) if code not in self.raised)
        return Noticed(tuple(self.raised.items()), gone, tuple(self.working))


@dataclass(slots=True, eq=False)
class Looked:
    """One view, while it is looked at: by one thread at a time."""

    view: View
    within_ms: float | None = None  # after the trigger its exposure may begin
    frame: Frame | None = None
    late: bool = False  # exposed after that
    figures: QualityFigures | None = None
    tensor: Image | None = None
    input_sha256: str | None = None
    answer: ModelAnswer | None = None
    missing: Reason | None = None
    problem: str | None = None
    measured: Future[Measured] | None = None  # being measured
    serial: Future[Reading] | None = None  # being read
    failed: LinegateError | None = None  # why there is no answer
    reading: Reading = field(default_factory=Reading)
    notes: Notes = field(default_factory=Notes)
    stages_ms: dict[str, float] = field(default_factory=dict)

    def lacks(self, reason: Reason, problem: object) -> None:
        """The first lack is the one that counts; later ones follow from it."""
        if self.missing is None:
            self.missing, self.problem = reason, str(problem)

    @property
    def has_its_frame(self) -> bool:
        """Whether there is a frame, and of this part."""
        return self.missing not in (Reason.NO_FRAME, Reason.STALE_FRAME)

    def overtaken(self, limit_ns: int | None, triggered_ns: int) -> None:
        """A frame that was exposed from `limit_ns` on may show the next part, whatever else is
        known of it."""
        if self.frame is None or limit_ns is None or self.frame.exposed_at_ns < limit_ns:
            return
        after_ms = ms(limit_ns - triggered_ns)
        self.missing = Reason.STALE_FRAME
        self.problem = f"exposed after the next part had come ({after_ms:.0f} ms)"


class Taken:
    """A part whose frames were taken. Its views may be judged side by side. `noticed` is what the
    take itself tells about the cameras."""

    def __init__(
        self, request: LookAt, views: list[Looked], grab_ms: float, at_ns: int, noticed: Noticed
    ) -> None:
        self.request = request
        self.views = views
        self.noticed = noticed
        self._grab_ms = grab_ms
        self._at_ns = at_ns
        self._begun_ns: int | None = None
        self._left = len(views)
        self._lock = threading.Lock()

    def begin(self, now_ns: int) -> None:
        """One of its views is being judged."""
        with self._lock:
            self._begun_ns = self._begun_ns or now_ns

    def done(self) -> bool:
        """One more view is judged; whether that was the last."""
        with self._lock:
            self._left -= 1
            return self._left == 0

    def sight(self) -> Sight:
        """What came of it, once all views are judged."""
        inspection_id, triggered_ns = self.request.inspection_id, self.request.triggered_ns
        seen = Seen(
            inspection_id,
            tuple(_look(view, inspection_id) for view in self.views),
            tuple(_record(view, triggered_ns) for view in self.views),
            self._stages_ms(),
        )
        frames = {v.view.name: v.frame.image for v in self.views if v.frame is not None}
        heatmaps = {v.view.name: v.answer.heatmap for v in self.views if v.answer is not None}
        notes = Notes()
        for view in self.views:
            notes.add(view.notes)
        noticed = replace(notes.frozen(), taken_ns=self._at_ns)
        return Sight(seen, frames, heatmaps, noticed, self.request.recipe)

    def _stages_ms(self) -> dict[str, float]:
        """By stage; of views that were judged side by side the sum."""
        waited_ns = 0 if self._begun_ns is None else self._begun_ns - self._at_ns
        stages = {"grab": self._grab_ms, "wait": ms(waited_ns), "quality": 0.0, "predict": 0.0}
        for view in self.views:
            for stage, spent in view.stages_ms.items():
                stages[stage] = stages.get(stage, 0.0) + spent
        return {stage: round(spent, 3) for stage, spent in stages.items()}


def _look(looked: Looked, inspection_id: str) -> Look:
    frame = prediction = serial = None
    name = looked.view.name
    if not looked.has_its_frame:
        return Look(name, missing=looked.missing)
    if looked.input_sha256 is not None and looked.missing not in FRAME_REASONS:
        frame = FreshFrame(inspection_id, name, looked.input_sha256)
    if looked.answer is not None:
        prediction = Prediction(
            inspection_id, name, looked.answer.score, looked.answer.model_sha256
        )
    if looked.reading.serial is not None:
        serial = SerialRead(inspection_id, name, looked.reading.serial)
    return Look(name, frame, prediction, looked.missing, serial, looked.reading.lack)


def _record(looked: Looked, triggered_ns: int) -> ViewRecord:
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
