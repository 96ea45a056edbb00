"""What is kept and sent to the trainer: the bodies of the append-only `records` table.

A record's identity is (device, epoch, seq); its body is the JSON text written once and never
changed, and its sha256 is over exactly that text.
"""

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from edge.core.messages import By, Level, Message, Reason, Serial, Verdict


class Kind(StrEnum):
    INSPECTION = "inspection"
    REVIEW = "review"
    EVENT = "event"
    ALARM = "alarm"


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class QualityFigures(BaseModel):
    """What was measured on a frame (core/quality.py); grey levels 0..255, fractions 0..1."""

    model_config = ConfigDict(frozen=True)
    mean: float
    contrast: float
    dark: float
    saturated: float
    sharpness: float


class ViewRecord(BaseModel):
    """One view of the part: which frame was judged, and what came out."""

    model_config = ConfigDict(frozen=True)
    view: str
    frame_seq: int | None = None  # the camera's own counter
    exposed_after_ms: float | None = None  # start of exposure after the trigger
    input_sha256: Sha256 | None = None  # of the uint8 tensor the model was given
    quality: QualityFigures | None = None
    score: float | None = None
    problem: str | None = None  # why there is no score, or no serial, in words


class InspectionRecord(Message):
    """One part, once: the unit of the ledger."""

    inspection_id: str
    revision: int = 1  # 2 and up: a later truth about the same part (a person, a lost deadline)
    part_id: str
    seq: int
    lot: str | None = None
    recipe: str
    recipe_sha256: Sha256
    model: str | None = None
    model_sha256: Sha256 | None = None
    config_sha256: Sha256
    level: Level
    triggered_at: AwareDatetime
    deadline_ms: int
    verdict: Verdict
    by: By
    reasons: tuple[Reason, ...] = ()
    score: float | None = None
    opinion: Verdict | None = None  # what the model alone would have said
    views: tuple[ViewRecord, ...] = ()
    latency_ms: float
    stages_ms: dict[str, float] = {}
    serial: Serial | None = None  # read from the part's code


class ReviewRecord(Message):
    """A person's word on one inspection. `in_time` says whether the line still got it."""

    inspection_id: str
    verdict: Literal[Verdict.PASS, Verdict.REWORK]
    who: str
    at: AwareDatetime
    in_time: bool
    saw_score: bool


class EventRecord(Message):
    """Something that happened: code, one sentence, and figures."""

    code: str
    text: str
    at: AwareDatetime
    detail: dict[str, str | int | float | bool | None] = {}


class ImageEvent(Message):
    """An image became durable. `send`: the trainer should have it too."""

    code: Literal["image"] = "image"
    inspection_id: str
    view: str
    kind: Literal["frame", "heatmap"] = "frame"
    sha256: Sha256  # of the file's bytes; also its name
    bytes: int
    send: bool
    at: AwareDatetime


class AlarmRecord(Message):
    """A cause came or went."""

    code: str
    cause: str
    action: str
    raised: bool
    at: AwareDatetime


def body_sha256(body: str) -> str:
    """The hash by which two ends know that they hold the same record."""
    return hashlib.sha256(body.encode()).hexdigest()
