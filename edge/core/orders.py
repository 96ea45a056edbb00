"""Orders to the gate through its control socket: one JSON object a line, one answer a line.

The page's buttons, the commands and verified model bundles come this way (gate/control.py).
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from edge.core.messages import Level, Message, Name, StateMessage, Verdict

Who = Annotated[str, Field(min_length=1, max_length=64, pattern=r"\S")]


class StatusOrder(Message):
    """Tell how the station is."""

    order: Literal["status"] = "status"


class ReviewOrder(Message):
    """A person's verdict on one inspection; in time the line gets it, later it is recorded."""

    order: Literal["review"] = "review"
    inspection_id: Annotated[str, Field(min_length=1, max_length=64)]
    verdict: Literal[Verdict.PASS, Verdict.REWORK]
    who: Who
    saw_score: bool = True


class SetLevelOrder(Message):
    """Work at this level of automation. Going up needs a named person: the gate refuses without."""

    order: Literal["level"] = "level"
    level: Level
    who: Who | None = None


class SetRecipeOrder(Message):
    """Use this recipe for triggers that name none."""

    order: Literal["recipe"] = "recipe"
    recipe: Name
    who: Who


class TakeReferenceOrder(Message):
    """The cameras of this recipe are as they should be: its next frames are the reference."""

    order: Literal["reference"] = "reference"
    recipe: Name
    who: Who


Order = StatusOrder | ReviewOrder | SetLevelOrder | SetRecipeOrder | TakeReferenceOrder
ORDERS: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="order")])


class Condition(BaseModel):
    """One thing that is wrong with the station now, and what a person does about it."""

    model_config = ConfigDict(frozen=True)
    code: str
    fault: bool  # true: no part can pass; false: degraded
    cause: str
    action: str
    since: AwareDatetime


class ViewFigures(BaseModel):
    """What the newest frame of a view says of its camera, against the view's reference and the
    recipe's limits. None: nothing can be said, in the dark or without the mark."""

    model_config = ConfigDict(frozen=True)
    recipe: str
    view: str
    camera: str
    moved_px: float | None
    moved_max_px: float
    sharpness: float | None  # 1 is as sharp as the reference
    sharpness_min: float
    light: float  # 1 is as bright as the reference
    light_max: float  # how far from 1
    reference_light: float  # mean grey level of its mark


class PixelFigures(BaseModel):
    """Faulty pixels of a camera, once all of its frame was watched."""

    model_config = ConfigDict(frozen=True)
    camera: str
    new: int
    accepted: int  # by whoever took a reference


class CameraFigures(BaseModel):
    """The figures behind the cameras' causes (docs/cameras.md)."""

    model_config = ConfigDict(frozen=True)
    views: tuple[ViewFigures, ...] = ()
    pixels: tuple[PixelFigures, ...] = ()


class Status(BaseModel):
    """The answer to `status`: what the page and `linegate level` show."""

    model_config = ConfigDict(frozen=True)
    state: StateMessage
    conditions: tuple[Condition, ...]
    in_flight: int
    waiting: int  # parts that wait for a person
    heartbeat: int
    counters: dict[str, int]
    cameras: dict[str, dict[str, int]] = {}  # by name: shots, frames, opened, missed_frames ...
    camera_figures: CameraFigures = CameraFigures()


class Answer(Message):
    """What became of an order."""

    ok: bool
    error: str | None = None
    in_time: bool | None = None  # of a review: whether the line still got it
    status: Status | None = None
