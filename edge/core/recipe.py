"""A recipe: the versioned settings by which one type of part is inspected (docs/config.md)."""

import hashlib
import tomllib
from functools import cache, cached_property
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import SchemaError

from edge.core.errors import ConfigError
from edge.core.messages import Name

# How a part may lie before the camera and still be good: always the same way; turned but never
# mirrored; its mirror images look the same (left-right, top-bottom, both); all of these.
Orientation = Literal["fixed", "turned", "mirrored", "any"]


MAX_VIEWS = 8  # of one part


class Roi(BaseModel):
    """A region in frame pixels; x and y of the top left corner, origin top left."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    x_px: Annotated[int, Field(ge=0)]
    y_px: Annotated[int, Field(ge=0)]
    w_px: Annotated[int, Field(ge=1)]
    h_px: Annotated[int, Field(ge=1)]


class ReferenceRegion(Roi):
    """A region that every frame shows alike, say a mark on the fixture with room around it: by
    it the camera's position, focus and light are watched (watch/patch.py)."""

    w_px: Annotated[int, Field(ge=32, le=512)]
    h_px: Annotated[int, Field(ge=32, le=512)]
    moved_max_px: Annotated[float, Field(gt=0, le=64)] = 3.0
    sharpness_min: Annotated[float, Field(gt=0, lt=1)] = 0.5  # of the reference's
    light_max: Annotated[float, Field(gt=0, lt=1)] = 0.3  # how far from the reference's

    @model_validator(mode="after")
    def _has_room_to_move(self) -> Self:
        room = min(self.w_px, self.h_px) // 4 - 1
        if self.moved_max_px > room:
            raise ValueError(f"moved_max_px: a region of this size can tell up to {room} px")
        return self


Symbology = Literal[
    "data_matrix", "qr", "micro_qr", "aztec", "pdf417",
    "code128", "code39", "code93", "itf", "ean13", "ean8", "upca",
]  # fmt: skip


class Code(BaseModel):
    """The code on a part that is its serial, read from the frame that is judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    roi: Roi | None = None  # where it is looked for, in frame pixels; None: in all of the frame
    symbologies: Annotated[tuple[Symbology, ...], Field(min_length=1)] = ("data_matrix",)
    required: bool = True  # a part without it is not passed
    pattern: Annotated[str, Field(max_length=200)] = ".+"  # the whole text must match
    is_part_id: bool = False  # the PLC sends the serial as part_id: they must be the same

    @field_validator("pattern")
    @classmethod
    def _pattern_is_one(cls, pattern: str) -> str:
        try:
            _matcher(pattern)
        except SchemaError as error:
            raise ValueError(f"no usable regular expression: {_last_line(error)}") from error
        return pattern

    def fits(self, text: str) -> bool:
        try:
            _matcher(f"^(?:{self.pattern})$").validate_python(text)
        except ValidationError:
            return False
        return True


@cache
def _matcher(pattern: str) -> TypeAdapter[str]:
    """pydantic's own engine: its time is linear in the text, whatever the pattern (no
    look-around, no back references)."""
    return TypeAdapter(Annotated[str, Field(pattern=pattern)])


def _last_line(error: SchemaError) -> str:
    return str(error).strip().splitlines()[-1].strip().removeprefix("error: ")


class View(BaseModel):
    """One look at the part: a camera, and the region of its frame that is judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Name = "main"
    camera: Name = "main"
    roi: Roi | None = None  # all of the frame
    reference: ReferenceRegion | None = None  # what shows whether the camera is as it was
    code: Code | None = None


class QualityLimits(BaseModel):
    """When a frame can be judged at all; grey levels 0..255, fractions of pixels 0..1."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    mean_min: float = 4.0
    mean_max: float = 250.0
    contrast_min: float = 6.0
    dark_max: float = 0.97
    saturated_max: float = 0.95
    sharpness_min: float = 0.0  # variance of the Laplacian; depends on the part, so off


class ThresholdLimits(BaseModel):
    """Tighter thresholds than the model's own. A recipe can never loosen what was guaranteed."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pass_below: Annotated[float, Field(ge=0, le=1)] | None = None
    rework_from: Annotated[float, Field(ge=0, le=1)] | None = None


class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Name
    version: Annotated[int, Field(ge=1)] = 1
    model: Name
    views: Annotated[tuple[View, ...], Field(min_length=1, max_length=MAX_VIEWS)] = (View(),)
    deadline_ms: Annotated[int, Field(ge=10, le=600_000)] = 300
    review_s: Annotated[float, Field(gt=0, le=86_400)] = 120.0  # a person's time to answer
    frame_lead_ms: Annotated[float, Field(ge=0, le=10_000)] = 0.0  # exposure may precede trigger
    frame_within_ms: Annotated[float, Field(gt=0, le=600_000)] | None = None  # camera/lateness.py
    orientation: Orientation = "fixed"  # for training; the box never turns a frame
    quality: QualityLimits = QualityLimits()
    thresholds: ThresholdLimits = ThresholdLimits()

    @model_validator(mode="after")
    def _view_names_differ(self) -> Self:
        names = [view.name for view in self.views]
        if len(set(names)) != len(names):
            raise ValueError(f"two views have the same name: {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _one_serial(self) -> Self:
        names = [view.name for view in self.views if view.code is not None]
        if len(names) > 1:
            raise ValueError(f"two views read a code ({', '.join(names)}): a part has one serial")
        return self

    @cached_property
    def sha256(self) -> str:
        """Hash of all settings, whatever the file's layout."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def parse_recipe(text: str, where: str) -> Recipe:
    """Read a recipe's TOML. Raises ConfigError that names `where`, the key and the mend."""
    try:
        return Recipe.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not TOML: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}") from error


def explain(error: ValidationError, page: str = "docs/config.md") -> str:
    """All problems of a configuration, one clause each, with the key's full name. `page` lists
    the keys."""
    return "; ".join(
        _clause(dotted(problem["loc"]), _words(problem["type"], problem["msg"], page))
        for problem in error.errors(include_url=False)
    )


def dotted(location: tuple[int | str, ...]) -> str:
    """A place in nested settings as people write it: `camera.0.name`."""
    return ".".join(str(step) for step in location)


def _clause(key: str, words: str) -> str:
    return f"{key}: {words}" if key else words  # no key: several together are wrong


def _words(kind: str, message: str, page: str) -> str:
    if kind == "extra_forbidden":
        return f"unknown key (see {page})"
    return message.removeprefix("Value error, ")
