"""What comes in from the line, typed. Nothing here believes what it reads."""

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from edge.core.errors import MessageRefused
from edge.core.messages import (
    MAX_MESSAGE_BYTES,
    ChallengeOrder,
    LevelOrder,
    PartId,
    PlcAck,
    RecipeOrder,
    Seq,
    Trigger,
    parse,
)
from edge.core.topics import LineTopics

QUIET_NS = 60 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class BadMessage:
    """A message that is not of its schema. What could be read of a trigger's `part_id` and `seq`,
    or of an order's `id`, is there to answer it by."""

    topic: str
    part_id: str | None
    seq: int | None
    error: str
    order_id: str | None = None


Inbound = Trigger | PlcAck | RecipeOrder | LevelOrder | ChallengeOrder


class Inbox:
    """The topics that the gate reads, and how each is read."""

    def __init__(self, topics: LineTopics) -> None:
        self._kinds: dict[str, type[Inbound]] = {
            topics.trigger: Trigger,
            topics.ack: PlcAck,
            topics.recipe: RecipeOrder,
            topics.level: LevelOrder,
            topics.challenge: ChallengeOrder,
        }

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    def read(self, topic: str, payload: bytes) -> Inbound | BadMessage | None:
        """The message, what is wrong with it, or None where the topic is not ours."""
        kind = self._kinds.get(topic)
        if kind is None:
            return None
        try:
            return parse(kind, payload)
        except MessageRefused as error:
            return _bad(kind, topic, payload, str(error))


class RateCap:
    """At most `per_s` messages in any second of the clock; the rest of that second is refused."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._second = 0
        self._seen = 0

    def admits(self, now_ns: int) -> bool:
        second = now_ns // 1_000_000_000
        self._seen = self._seen + 1 if second == self._second else 1
        self._second = second
        return self._seen <= self._per_s


class Quieter:
    """What a log may say of the same trouble: the first at once, then one line a minute."""

    def __init__(self) -> None:
        self._said_ns: dict[str, int] = {}
        self._unsaid: Counter[str] = Counter()

    def count(self, name: str, now_ns: int) -> int | None:
        """One more of this name: how many to speak of now, or None to say nothing yet."""
        self._unsaid[name] += 1
        if name in self._said_ns and now_ns - self._said_ns[name] < QUIET_NS:
            return None
        self._said_ns[name] = now_ns
        return self._unsaid.pop(name)


T = TypeVar("T")
_AS_ON_THE_LINE = ConfigDict(coerce_numbers_to_str=True)  # as Message reads them
_PART_ID: TypeAdapter[str] = TypeAdapter(PartId, config=_AS_ON_THE_LINE)
_SEQ: TypeAdapter[int] = TypeAdapter(Seq)
_ORDER_ID: TypeAdapter[str] = TypeAdapter(
    Annotated[str, Field(min_length=1, max_length=64)], config=_AS_ON_THE_LINE
)


def _bad(kind: type[Inbound], topic: str, payload: bytes, error: str) -> BadMessage:
    fields = _fields(payload)
    if kind is Trigger:
        part_id = _valid(_PART_ID, fields.get("part_id"))
        return BadMessage(topic, part_id, _valid(_SEQ, fields.get("seq")), error)
    return BadMessage(topic, None, None, error, order_id=_valid(_ORDER_ID, fields.get("id")))


def _fields(payload: bytes) -> dict[str, Any]:
    """The object that a refused payload holds, if it is one at all; bounded in size and depth."""
    if len(payload) > MAX_MESSAGE_BYTES:
        return {}
    try:
        value = from_json(payload)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _valid(kind: TypeAdapter[T], value: object) -> T | None:
    try:
        return kind.validate_python(value)
    except ValidationError:
        return None
