"""The outbox alone: what it sends, in which order, and what it believes."""

from datetime import UTC, datetime

import pytest

from edge.core.clock import ns
from edge.core.post import CHUNK_BYTES, MAX_BATCH_BYTES, MAX_UP_BYTES, Ack, Gap, Record, Want
from edge.core.records import EventRecord, ImageEvent, Kind, body_sha256
from edge.sync.events import (
    Alarm,
    Answered,
    Awaited,
    Connected,
    Disconnected,
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
    Tick,
    Wanted,
)
from edge.sync.outbox import PATIENCE_FIRST_NS, RECORD_SLOTS, REMIND_EVERY_NS, WINDOW, Outbox

START = datetime(2030, 1, 1, tzinfo=UTC)
SHA = "ab" * 32


def record(seq, text="x", body=None):
    body = body or EventRecord(code="c", text=text, at=START).model_dump_json()
    return Record(seq=seq, kind=Kind.EVENT, body=body, sha256=body_sha256(body))


def picture(seq, sha=SHA, size=100, send=True):
    event = ImageEvent(inspection_id="i", view="v", sha256=sha, bytes=size, send=send, at=START)
    return record(seq, body=event.model_dump_json())


class Bench:
    """An outbox with a ledger in memory; keeps what it sends and answers its reads."""

    def __init__(self, last=0, delivered=0, records=None, batch=10):
        self.outbox = Outbox("box")
        self.records = records or {seq: record(seq) for seq in range(1, last + 1)}
        self.batch = batch  # records per read
        self.now_ns = 0
        self.done = []
        self.tell(LedgerSeen("e", max(self.records, default=0), delivered))

    def tell(self, event):
        """Handle it; return what came out of it, reads answered."""
        before = len(self.done)
        effects = self.outbox.handle(event, self.now_ns)
        while effects:
            effect = effects.pop(0)
            self.done.append(effect)
            if isinstance(effect, ReadRecords):
                effects += self.outbox.handle(self.read(effect), self.now_ns)
        return self.done[before:]

    def read(self, span):
        through = min(span.last, span.first + self.batch - 1)
        found = tuple(self.records[s] for s in range(span.first, through + 1) if s in self.records)
        return RecordsRead("e", span.first, through, found)

    def ack(self, up_to, gaps=(), epoch="e", **rest):
        told = tuple(Gap(first=first, last=last) for first, last in gaps)
        return self.tell(Answered(Ack(epoch=epoch, up_to=up_to, gaps=told, **rest)))

    def release_all(self):
        for effect in list(self.done):
            if isinstance(effect, SendHello | SendBatch | SendChunk):
                self.tell(Released(effect.token))

    def wait(self, duration_ns):
        self.now_ns += duration_ns
        return self.tell(Tick())


def of(kind, effects):
    return [effect for effect in effects if isinstance(effect, kind)]


def seqs(effects):
    return [[record.seq for record in send.batch.records] for send in of(SendBatch, effects)]


def test_connecting_says_hello_and_sends_nothing_before_the_answer():
    bench = Bench(last=25)
    effects = bench.tell(Connected())
    (hello,) = of(SendHello, effects)
    assert (hello.hello.device, hello.hello.epoch, hello.hello.last) == ("box", "e", 25)
    assert not of(SendBatch, effects)


def test_hello_is_repeated_with_growing_pauses_until_somebody_answers():
    bench = Bench(last=1)
    bench.tell(Connected())
    times = []
    for _ in range(400):
        if of(SendHello, bench.wait(ns(100))):
            times.append(round(bench.now_ns / 1e9))
            bench.release_all()
    assert times == [1, 3, 7, 15, 25, 35]


def test_no_ledger_no_word():
    outbox = Outbox("box")
    assert outbox.handle(Connected(), 0) == []
    assert outbox.handle(Tick(), ns(60_000)) == []


def test_gaps_go_first_then_what_is_new():
    bench = Bench(last=30, delivered=30)
    bench.tell(Connected())
    assert seqs(bench.ack(20, gaps=[(3, 4), (9, 9)])) == [
        [3, 4],
        [9],
        list(range(21, 31)),
    ]


def test_at_most_so_many_batches_wait_for_the_trainer():
    bench = Bench(last=1000)
    bench.tell(Connected())
    assert len(of(SendBatch, bench.ack(0))) == RECORD_SLOTS
    bench.release_all()  # the broker has them: that is not an ack
    assert of(SendBatch, bench.wait(0)) == []
    assert len(of(SendBatch, bench.ack(20))) == 2


def test_broker_that_takes_nothing_gets_no_more_than_the_window():
    bench = Bench(last=1000)
    bench.tell(Connected())
    bench.tell(Wanted(Want(sha256=SHA)))
    bench.tell(ImageSeen(SHA, 100 * CHUNK_BYTES))
    bench.ack(0)
    bench.ack(1000, gaps=[(121, 1000)])
    sent = of(SendHello | SendBatch | SendChunk, bench.done)
    assert len(sent) == WINDOW
    assert bench.outbox.on_the_way == WINDOW


def test_only_the_trainers_word_delivers():
    bench = Bench(last=10)
    bench.tell(Connected())
    bench.ack(0)
    bench.release_all()
    assert not of(SaveDelivered, bench.done)
    assert of(SaveDelivered, bench.ack(10)) == [SaveDelivered("e", 10)]


def test_delivered_ends_at_the_first_gap():
    bench = Bench(last=30)
    bench.tell(Connected())
    bench.ack(0)
    assert of(SaveDelivered, bench.ack(30, gaps=[(11, 20)])) == [SaveDelivered("e", 10)]
    assert of(SaveDelivered, bench.ack(30)) == [SaveDelivered("e", 30)]


def test_silence_is_answered_by_hello_and_its_ack_brings_the_resend():
    bench = Bench(last=10)
    bench.tell(Connected())
    bench.ack(0)
    bench.release_all()
    effects = bench.wait(PATIENCE_FIRST_NS)
    assert of(SendHello, effects)
    assert not of(SendBatch, effects)
    assert seqs(bench.ack(0)) == [list(range(1, 11))]


def test_patience_grows_while_nothing_moves():
    bench = Bench(last=10)
    bench.tell(Connected())
    bench.ack(0)
    bench.wait(PATIENCE_FIRST_NS)
    bench.ack(0)
    bench.release_all()
    assert not seqs(bench.wait(PATIENCE_FIRST_NS))
    assert not seqs(bench.ack(0)), "still on its way"
    bench.wait(PATIENCE_FIRST_NS)
    assert seqs(bench.ack(0))


def test_ack_of_another_epoch_is_nobodys_word():
    bench = Bench(last=10)
    bench.tell(Connected())
    assert bench.ack(10, epoch="older", images=(SHA,)) == []


def test_trainer_that_lost_its_catalog_is_served_again():
    bench = Bench(last=10, delivered=10)
    bench.tell(Connected())
    effects = bench.ack(0)
    assert of(SaveDelivered, effects) == [SaveDelivered("e", 0)]
    assert seqs(effects) == [list(range(1, 11))]


def test_ack_is_not_believed_for_what_was_never_sent():
    """A cloned card: the trainer holds the other copy's records under these numbers."""
    bench = Bench(last=10, delivered=4)
    bench.tell(Connected())
    effects = bench.ack(500)
    assert not of(SaveDelivered, effects)
    assert seqs(effects) == [list(range(5, 11))]


def test_conflict_raises_one_alarm():
    bench = Bench(last=10)
    bench.tell(Connected())
    (alarm,) = of(Alarm, bench.ack(0, quarantined=(7,)))
    assert alarm.code == "record_conflict"
    assert "7" in alarm.text
    assert not of(Alarm, bench.ack(0, quarantined=(7,)))


def test_new_epoch_begins_at_its_own_cursor():
    bench = Bench(last=10, delivered=10)
    bench.tell(Connected())
    bench.ack(10)
    effects = bench.tell(LedgerSeen("e2", 3, 0))
    (hello,) = of(SendHello, effects)
    assert (hello.hello.epoch, hello.hello.last) == ("e2", 3)
    assert bench.ack(10) == []


def test_ledger_that_shrank_in_its_epoch_is_reported_and_not_vouched_for():
    bench = Bench(last=10)
    bench.tell(Connected())
    bench.ack(0)
    bench.ack(10)
    (alarm,) = of(Alarm, bench.tell(LedgerSeen("e", 4, 0)))
    assert alarm.code == "ledger_went_back"
    bench.tell(LedgerSeen("e", 6, 0))
    assert seqs(bench.ack(10)) == [[5, 6]]


def test_batches_fill_a_message_and_a_large_record_travels_alone():
    texts = {1: 100, 2: MAX_BATCH_BYTES + 1, 3: 90_000, 4: 90_000}
    bench = Bench(records={seq: record(seq, "x" * size) for seq, size in texts.items()})
    bench.tell(Connected())
    effects = bench.ack(0)
    assert seqs(effects) == [[1], [2], [3], [4]]
    sizes = [len(send.batch.model_dump_json()) for send in of(SendBatch, effects)]
    assert [size > MAX_BATCH_BYTES for size in sizes] == [False, True, False, False]


def test_record_that_no_message_can_hold_is_reported_and_does_not_block():
    records = {1: record(1), 2: record(2, "x" * MAX_UP_BYTES), 3: record(3)}
    bench = Bench(records=records)
    bench.tell(Connected())
    effects = bench.ack(0)
    assert seqs(effects) == [[1], [3]]
    assert [alarm.code for alarm in of(Alarm, effects)] == ["records_unsendable"]
    assert of(SaveDelivered, bench.ack(3, gaps=[(2, 2)])) == [SaveDelivered("e", 3)]


def test_records_that_the_box_lost_are_given_up_once():
    bench = Bench(records={seq: record(seq) for seq in (4, 5)})
    bench.tell(Connected())
    effects = bench.ack(0)
    assert len(of(Alarm, effects)) == 1
    assert seqs(effects) == [[4, 5]]


def test_nothing_survives_a_connection():
    bench = Bench(last=1000)
    bench.tell(Connected())
    bench.ack(0)
    bench.tell(Disconnected())
    assert bench.outbox.handle(Tick(), bench.now_ns) == []
    assert of(SendHello, bench.tell(Connected()))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [(None, [0, 1, 2]), ((1,), [1]), ((2, 0, 2), [0, 2]), ((-1, 3, 9), [])],
)
def test_wanted_pieces_are_sent_and_impossible_ones_ignored(chunks, expected):
    bench = Bench(last=0)
    bench.tell(Connected())
    assert of(FindImage, bench.tell(Wanted(Want(sha256=SHA, chunks=chunks)))) == [FindImage(SHA)]
    effects = bench.tell(ImageSeen(SHA, 2 * CHUNK_BYTES + 1))
    assert [chunk.index for chunk in of(SendChunk, effects)] == expected


def test_image_that_is_gone_sends_nothing():
    bench = Bench(last=0)
    bench.tell(Connected())
    bench.tell(Wanted(Want(sha256=SHA)))
    assert bench.tell(ImageSeen(SHA, None)) == []


def test_image_of_a_delivered_record_is_awaited_until_the_trainer_has_it():
    bench = Bench(records={1: picture(1), 2: picture(2, sha="cd" * 32, send=False)})
    bench.tell(Connected())
    bench.ack(0)
    assert of(SaveDelivered, bench.ack(2)) == [SaveDelivered("e", 2, (Awaited(SHA, 1),))]
    assert of(SaveDelivered, bench.ack(2, images=(SHA,))) == [SaveDelivered("e", 2, (), (SHA,))]


def test_image_is_awaited_although_its_ack_came_after_the_patience():
    bench = Bench(records={1: picture(1)})
    bench.tell(Connected())
    bench.ack(0)
    bench.wait(PATIENCE_FIRST_NS)
    assert of(SaveDelivered, bench.ack(1)) == [SaveDelivered("e", 1, (Awaited(SHA, 1),))]


def test_idle_outbox_reminds_the_trainer_of_images_it_did_not_confirm():
    bench = Bench(records={1: picture(1)}, delivered=1)
    bench.tell(Connected())
    assert of(FindReminders, bench.ack(1))
    sent = bench.tell(Reminders((bench.records[1],)))
    assert seqs(sent) == [[1]]
    assert not of(FindReminders, bench.wait(REMIND_EVERY_NS - 1))
    assert of(FindReminders, bench.wait(1))


def test_pieces_of_a_confirmed_image_are_not_sent_any_more():
    bench = Bench(last=0)
    bench.tell(Connected())
    bench.tell(Wanted(Want(sha256=SHA)))
    bench.tell(ImageSeen(SHA, 100 * CHUNK_BYTES))
    bench.ack(0, images=(SHA,))
    bench.release_all()
    assert len(of(SendChunk, bench.done)) == WINDOW - 1
