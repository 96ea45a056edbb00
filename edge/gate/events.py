"""What happens to the gate, and what the gate wants done: the vocabulary of `ledger.py`.

Events go in, effects come out; neither does anything by itself, so that a simulator can lose,
delay, double and reorder them.
"""

from dataclasses import dataclass, field
from datetime import datetime

from edge.core.automation import Permit
from edge.core.decide import Look
from edge.core.messages import (
    ChallengeOrder,
    LevelOrder,
    OrderAck,
    PlcAck,
    RecipeOrder,
    Trigger,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.core.orders import Answer, ReviewOrder
from edge.core.recipe import Recipe
from edge.core.records import ViewRecord
from edge.store.writes import Write

Token = int  # names one waiting order of the control socket


# ---- events ----


@dataclass(frozen=True, slots=True)
class Triggered:
    """`heard_ns`: when its message came (CLOCK_MONOTONIC), if not just now: its deadline runs from
    then, however long the message waited."""

    trigger: Trigger
    at: datetime
    heard_ns: int | None = None


@dataclass(frozen=True, slots=True)
class BadTrigger:
    """A trigger that could not be read; answered where it says which part it is about."""

    part_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class BadOrder:
    """An order that could not be read, but for its id."""

    order_id: str
    error: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The open part is durable."""

    inspection_id: str


@dataclass(frozen=True, slots=True)
class AlreadyKnown:
    """The store holds another inspection of this part_id and seq."""

    inspection_id: str  # of the part that was to be opened
    known_id: str
    answer: VerdictMessage | None


@dataclass(frozen=True, slots=True)
class Seen:
    """The eye is done with a part: all views, whatever came of them."""

    inspection_id: str
    looks: tuple[Look, ...]
    views: tuple[ViewRecord, ...]
    stages_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Committed:
    """This revision of the part's record is durable."""

    inspection_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """The disk did not take it. `revision` 0 is the opening; no id: the probe of a sick disk.

    `refused`: the disk is well, but the write contradicts what is recorded; no use to repeat it.
    `passed_as`: the part that has passed with the same serial, which is why it was refused.
    """

    inspection_id: str | None
    revision: int
    error: str
    refused: bool = False
    passed_as: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeCommitted:
    """The sick disk takes writes again."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A person spoke, through the control socket."""

    order: ReviewOrder
    token: Token
    at: datetime


@dataclass(frozen=True, slots=True)
class ReviewKept:
    """A late review's record is durable, or was refused with a reason."""

    token: Token
    error: str | None = None


@dataclass(frozen=True, slots=True)
class OrderKept:
    """The disk has an order's effect, or has not: then `then` says so."""

    then: "AnswerOrder | Reply"


@dataclass(frozen=True, slots=True)
class Echoed:
    ack: PlcAck


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order about the station; `token` where it came through the control socket."""

    order: LevelOrder | RecipeOrder | ChallengeOrder
    at: datetime
    token: Token | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = (
    Triggered
    | BadTrigger
    | BadOrder
    | Opened
    | AlreadyKnown
    | Seen
    | Committed
    | CommitFailed
    | ProbeCommitted
    | Reviewed
    | ReviewKept
    | OrderKept
    | Echoed
    | Ordered
    | Tick
)


# ---- effects ----


@dataclass(frozen=True, slots=True)
class LookAt:
    """Grab, check and score all views of the part; give up at `until_ns`."""

    inspection_id: str
    part_id: str
    recipe: Recipe
    permit: Permit
    triggered_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class CommitOpening:
    """Answer with Opened, AlreadyKnown or CommitFailed(revision 0)."""

    inspection_id: str
    write: Write


@dataclass(frozen=True, slots=True)
class Commit:
    """Answer with Committed or CommitFailed."""

    inspection_id: str
    revision: int
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class CommitReview:
    """A late review; answer with ReviewKept."""

    token: Token
    write: Write


@dataclass(frozen=True, slots=True)
class CommitOrder:
    """An order was carried out; `then` is said once that lasts. Answer with OrderKept."""

    writes: tuple[Write, ...]
    then: "AnswerOrder | Reply"


@dataclass(frozen=True, slots=True)
class Note:
    """Write without waiting for it."""

    write: Write


@dataclass(frozen=True, slots=True)
class Probe:
    """Try whether the disk takes writes; answer with ProbeCommitted or CommitFailed."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    ack: TriggerAck


@dataclass(frozen=True, slots=True)
class SendVerdict:
    message: VerdictMessage
    expires_ns: int | None = None  # monotonic; a pass is never sent after it


@dataclass(frozen=True, slots=True)
class AnswerOrder:
    ack: OrderAck


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a waiting order of the control socket."""

    token: Token
    answer: Answer


@dataclass(frozen=True, slots=True)
class KeepFrames:
    """The part's frames get their class of retention; they are not needed for more."""

    inspection_id: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class DropFrames:
    inspection_id: str


@dataclass(frozen=True, slots=True)
class RaiseCause:
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ClearCause:
    code: str


Effect = (
    LookAt
    | CommitOpening
    | Commit
    | CommitReview
    | CommitOrder
    | Note
    | Probe
    | Acknowledge
    | SendVerdict
    | AnswerOrder
    | Reply
    | KeepFrames
    | DropFrames
    | RaiseCause
    | ClearCause
)
