"""What crosses the line: every MQTT message between the PLC and the gate (docs/plc.md).

Inbound messages ignore unknown fields (an older gate, a newer PLC program) and refuse wrong
values; outbound messages are exactly what the JSON Schemas in docs/schemas say.
"""

from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from edge.core.errors import MessageRefused

MAX_MESSAGE_BYTES = 4096


class Verdict(StrEnum):
    """The word the line gets for a part. Anything but PASS means: not passed."""

    PASS = "pass"
    REWORK = "rework"
    REVIEW = "review"  # not final: a person must look


class By(StrEnum):
    """Who decided."""

    MODEL = "model"
    HUMAN = "human"
    FAILSAFE = "failsafe"


class Reason(StrEnum):
    """Why a part was not simply passed."""

    DEFECT = "defect"
    LOW_CONFIDENCE = "low_confidence"
    IMAGE_QUALITY = "image_quality"
    NO_FRAME = "no_frame"
    STALE_FRAME = "stale_frame"
    PREDICTOR_UNAVAILABLE = "predictor_unavailable"
    BAD_PREDICTION = "bad_prediction"
    DEADLINE = "deadline"
    NOT_DURABLE = "not_durable"
    DRIFT = "drift"
    CHALLENGE_FAILED = "challenge_failed"
    REJECT_UNCONFIRMED = "reject_unconfirmed"
    LEVEL = "level"
    OPERATOR = "operator"
    CODE_UNREADABLE = "code_unreadable"
    SERIAL_MISMATCH = "serial_mismatch"
    SERIAL_DUPLICATE = "serial_duplicate"


class Refusal(StrEnum):
    """Why a trigger was not accepted. The PLC treats a refused part as rework."""

    DUPLICATE = "duplicate"
    NOT_READY = "not_ready"
    UNKNOWN_RECIPE = "unknown_recipe"
    OVERLOAD = "overload"
    BAD_MESSAGE = "bad_message"


class StateWord(StrEnum):
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"  # decides, with a known lack
    FAULT = "fault"  # every part goes to rework
    OFFLINE = "offline"

    @property
    def decides(self) -> bool:
        return self in (StateWord.READY, StateWord.DEGRADED)


class Level(StrEnum):
    """Degrees of automation, from least to most (core/automation.py)."""

    HUMAN = "human"
    SHADOW = "shadow"
    ASSIST = "assist"
    PARTIAL = "partial"
    FULL = "full"


PartId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
# What a part's code may say: printable ASCII, whole (core/codes.py). Anything else is no serial.
Serial = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x20-\x7e]+$")]
Seq = Annotated[int, Field(ge=0, lt=2**53)]  # JSON numbers stay exact below 2**53
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class Message(BaseModel):
    """Base of everything that crosses process, disk or broker."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)
    v: Literal[1] = 1


class Trigger(Message):
    """`cmd/trigger`: a part is in position. `part_id` and `seq` together name this inspection."""

    part_id: PartId
    seq: Seq
    recipe: Name | None = None
    deadline_ms: Annotated[int, Field(ge=10, le=600_000)] | None = None
    lot: Annotated[str, Field(max_length=64)] | None = None


class TriggerAck(Message):
    """`trigger/ack`: the gate took the part, or says why not."""

    part_id: str
    seq: int
    accepted: bool
    inspection_id: str | None = None
    refused: Refusal | None = None


class VerdictMessage(Message):
    """`verdict`: one part's answer. Only `pass` for *this* part_id and seq, in time, passes."""

    part_id: PartId
    seq: Seq
    inspection_id: str
    verdict: Verdict
    by: By
    reasons: tuple[Reason, ...] = ()
    score: float | None = None  # 0..1, higher = more likely defective; none was made: null
    model: str | None = None
    recipe: str
    latency_ms: float
    valid_until: AwareDatetime
    serial: Serial | None = None  # read from the part's code; not asked for or not read: null


class PlcAck(Message):
    """`ack`: the PLC has the verdict of this inspection."""

    part_id: PartId
    inspection_id: Annotated[str, Field(max_length=64)]


class RecipeOrder(Message):
    """`cmd/recipe`: use this recipe for triggers that name none."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    recipe: Name
    who: Annotated[str, Field(max_length=64)] | None = None


class LevelOrder(Message):
    """`cmd/level`: work at this level of automation. Going up needs a named person in `who`."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    level: Level
    who: Annotated[str, Field(max_length=64)] | None = None


class ChallengeOrder(Message):
    """`cmd/challenge`: part `part_id` is a prepared part whose verdict must be `expect`."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    part_id: PartId
    expect: Literal[Verdict.PASS, Verdict.REWORK] = Verdict.REWORK


class OrderAck(Message):
    """`cmd/ack`: the answer to an order, by its id."""

    id: str
    ok: bool
    error: str | None = None


class StateMessage(Message):
    """`state`, retained: one word, the first cause and what to do about it."""

    state: StateWord
    cause: str | None = None
    action: str | None = None
    level: Level | None = None
    recipe: str | None = None
    model: str | None = None
    since: AwareDatetime | None = None


class Heartbeat(Message):
    """`heartbeat`: a counter from the inspection loop itself; it stops when the loop stops."""

    counter: int


class AlarmMessage(Message):
    """`alarm/{code}`, retained until cleared."""

    code: Name
    cause: str
    since: AwareDatetime
    action: str


M = TypeVar("M", bound=BaseModel)


def parse(kind: type[M], payload: bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> M:
    """Read one inbound message. Raises MessageRefused with a sentence that names the field."""
    if len(payload) > max_bytes:
        raise MessageRefused(f"{kind.__name__}: {len(payload)} bytes, at most {max_bytes} are read")
    try:
        return kind.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "message"
        raise MessageRefused(f"{kind.__name__}: {where}: {first['msg']}") from error
