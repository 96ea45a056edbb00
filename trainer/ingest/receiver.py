"""What to do with what devices send, and what to answer. No sockets here.

`handle` takes any number of messages in one transaction; what it returns may be sent because the
commit has happened. Nothing else says *delivered*. Should the commit fail, nobody hears anything,
and the devices send again.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.core.clock import Clock
from edge.core.errors import MessageRefused
from edge.core.messages import Message, parse
from edge.core.post import MAX_UP_BYTES, Ack, Chunk, Gap
from edge.core.spans import Spans, holes, union
from edge.core.topics import PostTopics
from trainer.ingest.asking import Asking
from trainer.ingest.catalog import Catalog, Stream
from trainer.ingest.checks import Finding, RawBatch, RawHello, RawRecord, examine, sender
from trainer.ingest.image_files import ImageBox

MAX_STREAMS = 10_000  # (device, epoch) pairs in the catalog
MAX_SPANS = 1_000  # pieces that one stream may be in; a device sends gaps first, so it has few
MAX_GAPS = 64  # told in one ack; what lies beyond the last is told later
MAX_ACK_IMAGES = 256
MAX_CONFLICTS = 16
MAX_REASONS = 100


@dataclass(frozen=True, slots=True)
class Inbound:
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """To be published now."""

    topic: str
    message: Message


class Receiver:
    def __init__(self, catalog: Catalog, images: ImageBox, clock: Clock) -> None:
        self._catalog = catalog
        self._images = images
        self._clock = clock
        self._asking = Asking(catalog)
        self._answers: dict[tuple[str, str], list[str]] = {}  # (device, epoch) -> images to confirm
        self._take: dict[str, Callable[[str, bytes], None]] = {
            "hello": self._take_hello,
            "records": self._take_records,
            "chunk": self._take_chunk,
        }
        self.refused: Counter[str] = Counter()  # messages, by reason

    def handle(self, messages: Sequence[Inbound]) -> list[Reply]:
        """Commit all of them at once; return acks and wants. Also call it when nothing came: old
        wants are repeated then. Raises sqlite3.Error or OSError with nothing committed."""
        self._answers = {}
        with self._catalog.atomic():
            for message in messages:
                self._take_one(message)
            wants = self._asking.due(self._clock.monotonic_ns(), self._clock.now().timestamp())
            acks = [ack for stream in self._answers for ack in self._acks(*stream)]
        return acks + [Reply(PostTopics(device).want, want) for device, want in wants]

    def _take_one(self, message: Inbound) -> None:
        """A refused message leaves no trace but the count."""
        try:
            if len(message.payload) > MAX_UP_BYTES:
                raise MessageRefused(f"more than {MAX_UP_BYTES} bytes")
            device, what = sender(message.topic)
            take = self._take.get(what)
            if take is None:
                raise MessageRefused("a topic that is not ours")
            with self._catalog.atomic():
                take(device, message.payload)
            self._asking.heard(device, self._clock.monotonic_ns())
        except MessageRefused as refused:
            self._count_refusal(str(refused)[:200])

    def _count_refusal(self, reason: str) -> None:
        """Reasons may quote what was sent, so their number is bounded."""
        known = reason in self.refused or len(self.refused) < MAX_REASONS
        self.refused[reason if known else "many other reasons"] += 1

    # hello and records

    def _take_hello(self, device: str, payload: bytes) -> None:
        hello = parse(RawHello, payload)
        self._check_name(device, hello.device)
        stream = self._open_stream(device, hello.epoch)
        self._save(device, hello.epoch, Stream(stream.held, hello.last))

    def _take_records(self, device: str, payload: bytes) -> None:
        batch = parse(RawBatch, payload, MAX_UP_BYTES)
        self._check_name(device, batch.device)
        stream = self._open_stream(device, batch.epoch)
        held = union(stream.held, ((record.seq, record.seq) for record in batch.records))
        if len(held) > MAX_SPANS:
            raise MessageRefused(f"records in more than {MAX_SPANS} pieces; send the gaps first")
        at = self._clock.now().isoformat()
        for record in batch.records:
            self._keep(device, batch.epoch, record, at)
        self._save(device, batch.epoch, Stream(held, max(stream.last, held[-1][1])))

    def _check_name(self, device: str, named: str) -> None:
        if device != named:
            raise MessageRefused("the message names another device than its topic")

    def _open_stream(self, device: str, epoch: str) -> Stream:
        stream = self._catalog.stream(device, epoch)
        if stream is None and self._catalog.count_streams() >= MAX_STREAMS:
            raise MessageRefused(f"more than {MAX_STREAMS} devices and epochs")
        return stream or Stream((), 0)

    def _save(self, device: str, epoch: str, stream: Stream) -> None:
        self._catalog.save_stream(device, epoch, stream, self._clock.now().isoformat())
        self._answers.setdefault((device, epoch), [])

    def _keep(self, device: str, epoch: str, record: RawRecord, at: str) -> None:
        """Into records once; what is wrong or a second content of a seq goes aside."""
        finding = examine(record)
        before = self._catalog.sha256_of(device, epoch, record.seq)
        problem = finding.problem
        conflict = problem is None and before is not None and before != record.sha256
        if conflict:
            problem = f"another record {record.seq} of this epoch is here already"
        if problem is not None:
            self._catalog.set_aside(device, epoch, record, problem, conflict, at)
            return
        if before is None:
            self._catalog.add_record(device, epoch, record, finding.inspection_id, at)
        self._note_image(device, epoch, finding)

    # images

    def _note_image(self, device: str, epoch: str, finding: Finding) -> None:
        if finding.image is None:
            return
        sha256 = finding.image.sha256
        self._catalog.name_image(device, epoch, finding.image)
        if self._images.has(sha256):
            self._hold(device, epoch, sha256)

    def _hold(self, device: str, epoch: str, sha256: str) -> None:
        self._catalog.hold_image(device, sha256, self._clock.now().isoformat())
        self._answers.setdefault((device, epoch), []).append(sha256)

    def _take_chunk(self, device: str, payload: bytes) -> None:
        chunk = Chunk.unpack(payload)
        image = self._catalog.image(device, chunk.sha256)
        if image is None or image.bytes != chunk.total_bytes:
            raise MessageRefused("a piece of an image that no record named")
        if image.held:
            self._answers.setdefault((device, image.epoch), []).append(image.sha256)
            return
        self._asking.arrived(device, image.sha256, chunk.index, self._clock.monotonic_ns())
        self._images.write(device, image.sha256, chunk.index, chunk.data)
        have = image.have | 1 << chunk.index
        if have != (1 << chunk.count) - 1:
            self._catalog.set_pieces(image, have)
            return
        self._asking.finished(device, image.sha256)
        whole = self._images.finish(device, image.sha256)
        self._catalog.set_pieces(image, have if whole else 0)
        if whole:
            self._hold(device, image.epoch, image.sha256)

    # answers

    def _acks(self, device: str, epoch: str) -> list[Reply]:
        stream = self._open_stream(device, epoch)
        images = list(dict.fromkeys(self._answers[device, epoch]))
        up_to, gaps = tellable(stream.held)
        conflicts = self._catalog.conflicts(device, epoch, MAX_CONFLICTS)
        parts = range(0, max(1, len(images)), MAX_ACK_IMAGES)
        return [
            Reply(
                PostTopics(device).ack,
                Ack(
                    epoch=epoch,
                    up_to=up_to,
                    gaps=gaps,
                    images=tuple(images[at : at + MAX_ACK_IMAGES]),
                    quarantined=conflicts,
                ),
            )
            for at in parts
        ]


def tellable(held: Spans) -> tuple[int, tuple[Gap, ...]]:
    """`up_to` and at most MAX_GAPS gaps that together claim nothing that is not held."""
    gaps = holes(held)
    up_to = held[-1][1] if held else 0
    if len(gaps) > MAX_GAPS:
        up_to = gaps[MAX_GAPS][0] - 1
    return up_to, tuple(Gap(first=first, last=last) for first, last in gaps[:MAX_GAPS])
