"""What to send to the trainer next, and what it has: pure logic, no I/O, no clock.

    connect -> hello -> ack (what the trainer holds) -> send what it lacks -> ack -> ...

Silence is answered by hello, never by sending the same data blindly; the ack to it is the truth
from which everything starts again. An ack may only vouch for what this outbox sent itself or what
sync.db already knew as delivered: after a restore or a clone the trainer may hold other records
under the same numbers, so those are sent again and it compares them (docs/post.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from edge.core.clock import ns
from edge.core.post import (
    MAX_BATCH_BYTES,
    MAX_IMAGE_BYTES,
    MAX_UP_BYTES,
    Ack,
    Batch,
    Hello,
    Record,
    Want,
)
from edge.core.records import ImageEvent, Kind
from edge.core.spans import Spans, common, contains, minus, unbroken, union
from edge.sync.chunk_queue import ChunkQueue
from edge.sync.events import (
    Alarm,
    Answered,
    Awaited,
    Connected,
    Disconnected,
    Effect,
    Event,
    FindImage,
    FindReminders,
    ImageSeen,
    LedgerSeen,
    ReadRecords,
    RecordsRead,
    Released,
    Reminders,
    SaveDelivered,
    SendBatch,
    SendChunk,
    SendHello,
    Wanted,
)

WINDOW = 16  # messages on their way: not yet at the broker, or batches without the trainer's ack
RECORD_SLOTS = 12  # of these for records; the rest is kept for images
HELLO_FIRST_NS = ns(1_000)  # until the trainer answers: 1, 2, 4, 8, 10, 10 ... s
HELLO_EVERY_NS = ns(10_000)
PATIENCE_FIRST_NS = ns(5_000)  # a batch without ack; doubles while nothing moves
PATIENCE_MOST_NS = ns(60_000)
REMIND_EVERY_NS = ns(30_000)
_ENVELOPE_BYTES = 512  # of a batch around its records: names are at most 64 characters each


@dataclass(frozen=True, slots=True)
class _Flight:
    """A batch without the trainer's ack."""

    seqs: Spans
    sent_ns: int


@dataclass(slots=True)
class _Ledger:
    """What is known of the ledger's present epoch. No name: there is none yet."""

    epoch: str = ""
    last: int = 0  # newest seq
    saved: int = 0  # delivered up to here, as sync.db has it
    own: Spans = ()  # seqs that an ack may vouch for: sent by us, or delivered before
    unsendable: Spans = ()
    awaited: dict[int, str] = field(default_factory=dict)  # sent, not acked: seq -> its image
    conflicts: tuple[int, ...] = ()


class Outbox:
    """One device's side of the post. Feed it events, carry out the effects in order."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._ledger = _Ledger()
        self._tokens = count(1)
        self._connected = False
        self._unreleased: set[int] = set()  # handed to the link, not yet at the broker
        self._flights: dict[int, _Flight] = {}
        self._there: Spans | None = None  # what the trainer holds; None: ask first
        self._reading = False
        self._chunks = ChunkQueue()
        self._hello_ns = HELLO_FIRST_NS
        self._hello_due_ns = 0
        self._patience_ns = PATIENCE_FIRST_NS
        self._remind_due_ns = 0

    @property
    def on_the_way(self) -> int:
        """Messages that count against WINDOW, with the one that is being read for."""
        return len(self._unreleased | self._flights.keys()) + self._reading

    def handle(self, event: Event, now_ns: int) -> list[Effect]:
        """One event in, the effects out. Time must not go backwards."""
        return [*self._take(event, now_ns), *self._go_on(now_ns)]

    def _take(self, event: Event, now_ns: int) -> list[Effect]:
        match event:
            case Connected():
                self._connected = True
                self._ask_again(now_ns)
            case Disconnected():
                self._forget_the_way()
            case Released(token):
                self._unreleased.discard(token)
            case LedgerSeen():
                return self._see_ledger(event, now_ns)
            case RecordsRead():
                return self._send_records(event, now_ns)
            case Answered(ack):
                return self._learn(ack, now_ns)
            case Wanted(want):
                return self._note_want(want, now_ns)
            case ImageSeen(sha256, total_bytes):
                return self._queue_image(sha256, total_bytes)
            case Reminders(records):
                return self._send_reminders(records)
        return []

    def _go_on(self, now_ns: int) -> list[Effect]:
        if not self._connected or not self._ledger.epoch:
            return []
        if any(now_ns - f.sent_ns >= self._patience_ns for f in self._flights.values()):
            self._patience_ns = min(2 * self._patience_ns, PATIENCE_MOST_NS)
            self._ask_again(now_ns)
        return [
            *self._say_hello(now_ns),
            *self._next_records(),
            *self._next_chunks(),
            *self._remind(now_ns),
        ]

    # what the ledger has

    def _see_ledger(self, seen: LedgerSeen, now_ns: int) -> list[Effect]:
        if seen.epoch != self._ledger.epoch:
            saved = min(seen.delivered, seen.last)
            self._ledger = _Ledger(seen.epoch, seen.last, saved, own=union([(1, saved)]))
            self._reading = False
            self._ask_again(now_ns)
            return []
        went_back = seen.last < self._ledger.last
        self._ledger.last = seen.last
        if not went_back:
            return []
        self._ledger.own = common(self._ledger.own, ((1, seen.last),))
        self._ask_again(now_ns)
        return [Alarm("ledger_went_back", _WENT_BACK.format(last=seen.last))]

    # hello

    def _ask_again(self, now_ns: int) -> None:
        """Trust nothing that was heard; the answer to hello says what the trainer holds."""
        self._there = None
        self._flights.clear()
        self._hello_ns = HELLO_FIRST_NS
        self._hello_due_ns = now_ns

    def _forget_the_way(self) -> None:
        self._connected = False
        self._reading = False
        self._unreleased.clear()
        self._chunks.clear()

    def _say_hello(self, now_ns: int) -> list[Effect]:
        if now_ns < self._hello_due_ns or self.on_the_way >= WINDOW:
            return []
        waits_ns = self._hello_ns if self._there is None else HELLO_EVERY_NS
        self._hello_due_ns = now_ns + waits_ns
        self._hello_ns = min(2 * self._hello_ns, HELLO_EVERY_NS)
        hello = Hello(device=self._device, epoch=self._ledger.epoch, last=self._ledger.last)
        return [SendHello(self._token(), hello)]

    # records

    def _next_records(self) -> list[Effect]:
        free = len(self._flights) < RECORD_SLOTS and self.on_the_way < WINDOW
        if self._there is None or self._reading or not free:
            return []
        flying = (flight.seqs for flight in self._flights.values())
        settled = union(common(self._there, self._ledger.own), self._ledger.unsendable, *flying)
        lacking = minus(((1, self._ledger.last),), settled) if self._ledger.last else ()
        if not lacking:
            return []
        self._reading = True
        return [ReadRecords(*lacking[0])]

    def _send_records(self, read: RecordsRead, now_ns: int) -> list[Effect]:
        self._reading = False
        if not self._connected or read.epoch != self._ledger.epoch:
            return []
        records = _fill_batch(read.records)
        through = records[-1].seq if len(records) < len(read.records) else read.through
        if len(records) == 1 and _size(records[0]) + _ENVELOPE_BYTES > MAX_UP_BYTES:
            records = ()
        seqs = union((record.seq, record.seq) for record in records)
        alarms = self._give_up(minus(((read.first, through),), seqs))
        if not records:
            return alarms
        token = self._token()
        self._ledger.own = union(self._ledger.own, seqs)
        self._ledger.awaited.update(_images_in(records))
        self._flights[token] = _Flight(seqs, now_ns)
        return [*alarms, SendBatch(token, self._batch(records))]

    def _give_up(self, seqs: Spans) -> list[Effect]:
        if not seqs:
            return []
        self._ledger.unsendable = union(self._ledger.unsendable, seqs)
        return [Alarm("records_unsendable", _UNSENDABLE.format(first=seqs[0][0], last=seqs[-1][1]))]

    # the trainer's word

    def _learn(self, ack: Ack, now_ns: int) -> list[Effect]:
        if ack.epoch != self._ledger.epoch:
            return []
        there = _held_by(ack)
        landed = [token for token, f in self._flights.items() if not minus(f.seqs, there)]
        for token in landed:
            del self._flights[token]
        self._there = there
        self._hello_due_ns = now_ns + HELLO_EVERY_NS
        self._chunks.drop(ack.images)
        saves = self._save(ack.images)
        if landed or saves:
            self._patience_ns = PATIENCE_FIRST_NS
            self._remind_due_ns = now_ns + REMIND_EVERY_NS
        return [*saves, *self._quarantine_alarm(ack.quarantined)]

    def _save(self, images: tuple[str, ...]) -> list[Effect]:
        vouched = common(self._there or (), self._ledger.own)
        up_to = unbroken(union(vouched, self._ledger.unsendable))
        acked = [seq for seq in self._ledger.awaited if contains(vouched, seq)]
        awaited = tuple(Awaited(self._ledger.awaited.pop(seq), seq) for seq in acked)
        if up_to == self._ledger.saved and not awaited and not images:
            return []
        self._ledger.saved = up_to
        return [SaveDelivered(self._ledger.epoch, up_to, awaited, images)]

    def _quarantine_alarm(self, seqs: tuple[int, ...]) -> list[Effect]:
        news = set(seqs) - set(self._ledger.conflicts)
        self._ledger.conflicts = seqs
        return [Alarm("record_conflict", _CONFLICT.format(seq=min(news)))] if news else []

    # images

    def _note_want(self, want: Want, now_ns: int) -> list[Effect]:
        self._remind_due_ns = now_ns + REMIND_EVERY_NS
        return [FindImage(want.sha256)] if self._chunks.ask(want) else []

    def _queue_image(self, sha256: str, total_bytes: int | None) -> list[Effect]:
        self._chunks.found(sha256, total_bytes)
        return []

    def _next_chunks(self) -> list[Effect]:
        chunks: list[Effect] = []
        while self.on_the_way < WINDOW and (piece := self._chunks.next()) is not None:
            chunks.append(SendChunk(self._token(), *piece))
        return chunks

    def _remind(self, now_ns: int) -> list[Effect]:
        """The trainer's word on an image can be lost: its record, sent again, fetches it again."""
        idle = self._there is not None and not (self._reading or self._flights or self._chunks)
        if not idle or self.on_the_way >= WINDOW or now_ns < self._remind_due_ns:
            return []
        self._remind_due_ns = now_ns + REMIND_EVERY_NS
        self._reading = True
        return [FindReminders()]

    def _send_reminders(self, records: tuple[Record, ...]) -> list[Effect]:
        self._reading = False
        if not self._connected or not records:
            return []
        return [SendBatch(self._token(), self._batch(_fill_batch(records)))]

    def _batch(self, records: tuple[Record, ...]) -> Batch:
        return Batch(device=self._device, epoch=self._ledger.epoch, records=records)

    def _token(self) -> int:
        token = next(self._tokens)
        self._unreleased.add(token)
        return token


def _held_by(ack: Ack) -> Spans:
    gaps = union((gap.first, gap.last) for gap in ack.gaps)
    return minus(union([(1, ack.up_to)]), gaps)


def _fill_batch(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """As many as fit into one message, but at least one."""
    size = _ENVELOPE_BYTES
    for position, record in enumerate(records):
        size += _size(record) + 1
        if size > MAX_BATCH_BYTES and position:
            return records[:position]
    return records


def _size(record: Record) -> int:
    return len(record.model_dump_json().encode())


def _images_in(records: Iterable[Record]) -> dict[int, str]:
    """The images that the trainer will want after these records: seq -> sha256."""
    events = ((r.seq, _image_event(r)) for r in records if r.kind == Kind.EVENT)
    return {
        seq: event.sha256
        for seq, event in events
        if event is not None and event.send and 0 < event.bytes <= MAX_IMAGE_BYTES
    }


def _image_event(record: Record) -> ImageEvent | None:
    try:
        return ImageEvent.model_validate_json(record.body)
    except ValueError:  # another event
        return None


_NEW_EPOCH = "stop the gate and move ledger.db aside: a new ledger has a new epoch"
_WENT_BACK = (
    "the ledger now ends at record {last}, earlier than before: it was restored with its old "
    "epoch; " + _NEW_EPOCH
)
_UNSENDABLE = (
    "the trainer lacks records {first} to {last}, and this box cannot send them (lost, or too "
    "large for one message); everything else goes on"
)
_CONFLICT = (
    "the trainer holds another record {seq} of this epoch: this box was cloned or restored; "
    "nothing is lost, both are kept; " + _NEW_EPOCH
)
