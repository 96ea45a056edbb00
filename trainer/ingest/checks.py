"""What a device may send, and whether a record is what it says. Everything inbound is hostile."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.core.errors import MessageRefused
from edge.core.messages import Message, Name
from edge.core.post import MAX_IMAGE_BYTES
from edge.core.records import (
    AlarmRecord,
    EventRecord,
    ImageEvent,
    InspectionRecord,
    Kind,
    ReviewRecord,
    body_sha256,
)
from edge.core.topics import device_of

Seq = Annotated[int, Field(ge=1, lt=2**53)]


class RawRecord(BaseModel):
    """A record before anything about it is believed: a wrong one must not cost its neighbours."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    seq: Seq
    kind: Annotated[str, Field(max_length=32)]
    body: str
    sha256: Annotated[str, Field(max_length=64)]


class RawBatch(Message):
    """As core.post.Batch, with records that are judged one by one."""

    device: Name
    epoch: Name
    records: Annotated[tuple[RawRecord, ...], Field(min_length=1)]


class RawHello(Message):
    device: Name
    epoch: Name
    last: Annotated[int, Field(ge=0, lt=2**53)]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a record turned out to be. `problem`: why it cannot be one of ours, in words."""

    inspection_id: str | None = None
    image: ImageEvent | None = None  # the trainer should have it, too
    problem: str | None = None


_NAME: TypeAdapter[str] = TypeAdapter(Name)


def sender(topic: str) -> tuple[str, str]:
    """(device, what) of `linegate/{device}/up/{what}`. Raises MessageRefused."""
    device = device_of(topic)
    try:
        return _NAME.validate_python(device, strict=True), topic.rsplit("/", 1)[-1]
    except ValidationError as error:
        raise MessageRefused(f"topic {topic[:80]!r} names no device") from error


def examine(record: RawRecord) -> Finding:
    """Judge one record: its hash, its kind, its body."""
    if body_sha256(record.body) != record.sha256:
        return Finding(problem="sha256 is not that of the body")
    try:
        return _read_body(record.kind, record.body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "body"
        return Finding(problem=f"{record.kind}: {where}: {first['msg']}"[:200])


def _read_body(kind: str, body: str) -> Finding:
    match kind:
        case Kind.INSPECTION:
            return Finding(InspectionRecord.model_validate_json(body).inspection_id)
        case Kind.REVIEW:
            return Finding(ReviewRecord.model_validate_json(body).inspection_id)
        case Kind.ALARM:
            AlarmRecord.model_validate_json(body)
            return Finding()
        case Kind.EVENT:
            return _read_event(body)
        case _:
            return Finding(problem=f"kind {kind!r} is not known here")


class _Code(BaseModel):
    code: str


def _read_event(body: str) -> Finding:
    if _Code.model_validate_json(body).code != "image":
        EventRecord.model_validate_json(body)
        return Finding()
    image = ImageEvent.model_validate_json(body)
    if not image.send:
        return Finding(image.inspection_id)
    if not 0 < image.bytes <= MAX_IMAGE_BYTES:
        return Finding(image.inspection_id, problem=f"image: {image.bytes} bytes are not taken")
    return Finding(image.inspection_id, image)
