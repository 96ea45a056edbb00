"""What the memory is asked to keep. Values only: pure logic makes them, the ledger applies them."""

from dataclasses import dataclass
from datetime import datetime

from edge.core.errors import NotDurable
from edge.core.messages import Verdict, VerdictMessage
from edge.core.records import AlarmRecord, EventRecord, ImageEvent, InspectionRecord, ReviewRecord


class WriteRefused(NotDurable):
    """The disk would, but the write contradicts what is recorded."""


class SerialPassed(WriteRefused):
    """A part has passed with this serial already, as `inspection_id`."""

    def __init__(self, serial: str, inspection_id: str) -> None:
        super().__init__(f"a part with the serial {serial!r} has passed: {inspection_id}")
        self.inspection_id = inspection_id


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A trigger was accepted: a row without verdict, and nothing in `records` yet.

    `draft` is the record this part ends with if nothing else comes: the gate reads it again after
    a crash. Of a known (part_id, seq) nothing is written; the result says which inspection it is.
    """

    draft: InspectionRecord


@dataclass(frozen=True, slots=True)
class ClosePart:
    """A verdict: the inspection's row shows it, and `records` gets one more revision.

    A repeat of what is recorded changes nothing. An inspection whose opening was lost is entered.
    Refused: another content for a recorded revision; and, with SerialPassed, a pass or a review
    of a serial with which another part of this recipe has passed, unless a person took that back.
    """

    record: InspectionRecord
    answer: VerdictMessage  # what the line is told; kept for repeated triggers


@dataclass(frozen=True, slots=True)
class AddReview:
    """A person's word. A repeat changes nothing. Refused: an inspection nobody knows.

    If the part had passed, its frames become evidence: kept as long, and sent to the trainer. If
    the word is rework, its serial may pass again.
    """

    review: ReviewRecord


@dataclass(frozen=True, slots=True)
class AddEvent:
    event: EventRecord


@dataclass(frozen=True, slots=True)
class AddAlarm:
    alarm: AlarmRecord


@dataclass(frozen=True, slots=True)
class KeepImage:
    """An image file is durable: its row, and the event that tells the trainer of it.

    The first image of a (inspection, view, kind) stays; a second changes nothing.
    """

    event: ImageEvent
    image_class: Verdict  # how long it is kept (retention.py)


@dataclass(frozen=True, slots=True)
class ImageKey:
    """Names a row of `images`; several rows may name the same file."""

    inspection_id: str
    view: str
    kind: str


@dataclass(frozen=True, slots=True)
class PruneImages:
    """These rows no longer vouch for their file; it may be deleted once this is durable."""

    keys: tuple[ImageKey, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class MarkAcked:
    """The PLC echoed the verdict. Of an unknown inspection nothing is written."""

    inspection_id: str


@dataclass(frozen=True, slots=True)
class SetMeta:
    key: str
    value: str


Write = (
    OpenPart
    | ClosePart
    | AddReview
    | AddEvent
    | AddAlarm
    | KeepImage
    | PruneImages
    | MarkAcked
    | SetMeta
)


@dataclass(frozen=True, slots=True)
class OpenResult:
    """What became of an OpenPart. `known`: this trigger was answered, or opened, before."""

    inspection_id: str  # of the known inspection, if it is known
    known: bool
    answer: str | None = None  # the recorded VerdictMessage as JSON; None while it is open


Results = tuple[OpenResult | None, ...]  # one for each write; only OpenPart has something to say
