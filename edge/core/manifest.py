"""A model's machine-readable card: `manifest.json` of a bundle (docs/models.md).

Nothing here has a default that could silently change an answer: size, colour order and
thresholds travel with the weights.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.core.errors import ModelRefused
from edge.core.messages import Name
from edge.core.records import Sha256

MAX_MODEL_BYTES = 64 * 1024 * 1024


class Face(BaseModel):
    """What every model looks like from outside, whatever it learned with.

    `image: uint8[1,H,W,C]` -> `score: float32[1]`, `heatmap: float32[1,h,w]`,
    `embedding: float32[1,D]`, optional `classes: float32[1,K]`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    height_px: Annotated[int, Field(ge=16, le=2048)]
    width_px: Annotated[int, Field(ge=16, le=2048)]
    colour: Literal["rgb", "grey"]
    heatmap: tuple[int, int]  # rows, columns
    embedding: Annotated[int, Field(ge=1)]
    classes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        return 3 if self.colour == "rgb" else 1

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return (1, self.height_px, self.width_px, self.channels)


class Guarantee(BaseModel):
    """At most `alpha` of defects pass, with confidence 1-`delta`, from `n_defects` of which
    `missed` were missed, on this file, runtime and processor architecture."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    alpha: Annotated[float, Field(gt=0, lt=1)]
    delta: Annotated[float, Field(gt=0, lt=1)]
    n_defects: Annotated[int, Field(ge=1)]
    missed: Annotated[int, Field(ge=0)]
    runtime: str
    architecture: str


class FalseRejects(BaseModel):
    """At most `beta` of good parts are reworked by the model alone, with confidence 1-`delta`, from
    `n_good` held-out good parts of which `rejected` were."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    beta: Annotated[float, Field(gt=0, lt=1)]
    delta: Annotated[float, Field(gt=0, lt=1)]
    n_good: Annotated[int, Field(ge=1)]
    rejected: Annotated[int, Field(ge=0)]


class Thresholds(BaseModel):
    """Pass below `pass_below`, rework from `rework_from`, a person between."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pass_below: Annotated[float, Field(ge=0, le=1)]
    rework_from: Annotated[float, Field(ge=0, le=1)]
    guarantee: Guarantee | None = None
    no_guarantee: str | None = None  # why not, and how many more defects it takes
    false_rejects: FalseRejects | None = None  # None: the good parts cannot carry it
    domain: str | None = None  # whose held-out parts they were set on; None: those of all

    @model_validator(mode="after")
    def _ordered_and_honest(self) -> Self:
        if self.pass_below > self.rework_from:
            raise ValueError("pass_below lies above rework_from")
        if (self.guarantee is None) == (self.no_guarantee is None):
            raise ValueError("give the guarantee, or the reason why there is none")
        return self


class Golden(BaseModel):
    """One stored input and the score this file gave where it was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: Annotated[str, Field(pattern=r"^golden/[A-Za-z0-9_.-]+\.png$")]
    score: float
    label: Literal[0, 1]


class Parity(BaseModel):
    """int8 against float on the same inputs, and how far another box may differ."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    auroc_float: float | None  # None: no good or no defective parts were held out
    auroc_int8: float | None
    max_score_change: float
    p99_score_change: float | None = None
    flips: int | None = None  # of the `n` decisions at the model's thresholds
    defect_to_pass: int | None = None  # flips of defects that only the float net would have held
    n: int
    golden_tolerance: Annotated[float, Field(gt=0, le=0.5)]
    measured_on: str | None = None  # architecture and what its int8 kernels may use


class Provenance(BaseModel):
    """Where the model comes from, so that anyone can make it again."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    code: str  # version and revision of Linegate
    dataset: str  # name and content hash
    run: str
    made_at: AwareDatetime
    people: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    backbone: str


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    v: Literal[1] = 1
    name: Name
    version: Annotated[int, Field(ge=1)]
    sha256: Sha256  # of model.onnx
    learner: Literal["good-only", "supervised", "deep"]
    face: Face
    thresholds: Thresholds
    reference: dict[str, float] = {}  # statistics of the training frames, for drift
    parity: Parity
    golden: tuple[Golden, ...]
    provenance: Provenance

    @property
    def label(self) -> str:
        """How people and messages call it."""
        return f"{self.name}-{self.version}"


def parse_manifest(text: str, where: str) -> Manifest:
    """Raises ModelRefused that names `where` and the first wrong field."""
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(step) for step in first["loc"]) or "file"
        raise ModelRefused(f"{where}: {field}: {first['msg']}") from error


Tensor = tuple[str, Sequence[int | str | None]]  # ONNX Runtime's type word, and shape


def check_face(face: Face, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
    """Raises ModelRefused unless the graph's inputs and outputs are the face's."""
    _same("input", {"image": ("tensor(uint8)", face.input_shape)}, inputs)
    wanted: dict[str, Tensor] = {
        "score": ("tensor(float)", (1,)),
        "heatmap": ("tensor(float)", (1, *face.heatmap)),
        "embedding": ("tensor(float)", (1, face.embedding)),
    }
    if face.classes:
        wanted["classes"] = ("tensor(float)", (1, len(face.classes)))
    _same("output", wanted, outputs)


def _same(side: str, wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    if set(wanted) != set(given):
        raise ModelRefused(f"{side}s are {sorted(given)}, the face asks for {sorted(wanted)}")
    for name, (kind, shape) in wanted.items():
        if given[name][0] != kind or tuple(given[name][1]) != tuple(shape):
            raise ModelRefused(
                f"{side} {name} is {given[name][0]} {list(given[name][1])}, "
                f"the face asks for {kind} {list(shape)}"
            )
