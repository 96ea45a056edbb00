"""What the outbox is told (events) and what it asks to have done (effects).

A token names one message from the moment it is handed to the link until the broker has it.
"""

from dataclasses import dataclass

from edge.core.post import Ack, Batch, Hello, Record, Want


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker took us, and we hear the trainer's topics."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Every message the link still held is gone."""


@dataclass(frozen=True, slots=True)
class LedgerSeen:
    """The ledger's epoch and newest seq; `delivered` is what sync.db knows of that epoch."""

    epoch: str
    last: int
    delivered: int


@dataclass(frozen=True, slots=True)
class RecordsRead:
    """Answer to ReadRecords: all that the ledger has from `first` to `through`."""

    epoch: str
    first: int
    through: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """The trainer's ack."""

    ack: Ack


@dataclass(frozen=True, slots=True)
class Wanted:
    """The trainer asks for pieces of an image."""

    want: Want


@dataclass(frozen=True, slots=True)
class Released:
    """The broker has the message: it may be forgotten by the link. It proves nothing else."""

    token: int


@dataclass(frozen=True, slots=True)
class ImageSeen:
    """Answer to FindImage: its size, or None if the box no longer has it."""

    sha256: str
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class Reminders:
    """Answer to FindReminders: image records whose image the trainer has not confirmed."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Event = (
    Connected
    | Disconnected
    | LedgerSeen
    | RecordsRead
    | Answered
    | Wanted
    | Released
    | ImageSeen
    | Reminders
    | Tick
)


@dataclass(frozen=True, slots=True)
class SendHello:
    token: int
    hello: Hello


@dataclass(frozen=True, slots=True)
class SendBatch:
    token: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class SendChunk:
    token: int
    sha256: str
    index: int


@dataclass(frozen=True, slots=True)
class ReadRecords:
    """Read records first..last, as many as one message may hold; answer with RecordsRead."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class FindImage:
    """The trainer lacks this image: it is not delivered (any more). Answer with ImageSeen."""

    sha256: str


@dataclass(frozen=True, slots=True)
class FindReminders:
    """Look for a few images that wait for the trainer's word; answer with Reminders."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """An image that the trainer should have; its record is `seq`."""

    sha256: str
    seq: int


@dataclass(frozen=True, slots=True)
class SaveDelivered:
    """Make durable what the trainer has: all records up to `up_to`, and these images."""

    epoch: str
    up_to: int
    awaited: tuple[Awaited, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm:
    """A person should know. `text` says what happened and what to do."""

    code: str
    text: str


Effect = (
    SendHello
    | SendBatch
    | SendChunk
    | ReadRecords
    | FindImage
    | FindReminders
    | SaveDelivered
    | Alarm
)
