"""What the trainer takes, keeps aside, refuses, and says."""

import json
import sqlite3
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.post import CHUNK_BYTES, MAX_UP_BYTES, Gap
from edge.core.records import Kind
from edge.core.spans import minus, union
from trainer.ingest.asking import ASLEEP_NS, IMAGES_AT_ONCE, PIECES_AT_ONCE
from trainer.ingest.catalog import Catalog
from trainer.ingest.receiver import MAX_GAPS, MAX_SPANS, Inbound, Receiver, tellable


def reasons(desk):
    return [row["reason"] for row in desk.catalog._db.query("select * from quarantine order by id")]


# ---- records ----


def test_hello_of_a_stranger_is_answered_with_nothing_held(desk, device):
    (ack,), wants = desk.take(device.hello(last=5))
    assert (ack.epoch, ack.up_to, ack.gaps, wants) == ("e1", 0, (), [])


def test_batches_of_one_group_share_one_ack_that_names_the_gaps(desk, device):
    acks, _ = desk.take(device.batch(device.record(1)), device.batch(*map(device.record, (4, 5))))
    assert [(ack.up_to, ack.gaps) for ack in acks] == [(5, (Gap(first=2, last=3),))]
    (ack,), _ = desk.take(device.batch(*map(device.record, (2, 3))))
    assert (ack.up_to, ack.gaps) == (5, ())


def test_repeats_are_harmless_and_acked(desk, device):
    for _ in range(3):
        (ack,), _ = desk.take(device.batch(device.record(1), device.record(2)))
    assert ack.up_to == 2
    assert desk.catalog.digest() == {
        ("box1", "e1", 1): device.record(1).sha256,
        ("box1", "e1", 2): device.record(2).sha256,
    }


def test_commit_that_fails_answers_nobody_and_keeps_nothing(desk, device):
    class FullDisk(Catalog):
        def save_stream(self, *_):
            raise sqlite3.OperationalError("database or disk is full")

    desk.catalog.close()
    full = FullDisk(desk.folder / "catalog.db")
    with pytest.raises(sqlite3.OperationalError):
        Receiver(full, desk.files, desk.clock).handle([device.batch(device.record(1))])
    assert full.digest() == {}
    full.close()
    desk.start()
    (ack,), _ = desk.take(device.hello())
    assert ack.up_to == 0


def test_second_content_of_a_seq_is_kept_aside_and_told(desk, device):
    desk.take(device.batch(device.record(1, "first")))
    (ack,), _ = desk.take(device.batch(device.record(1, "second"), device.record(2)))
    assert (ack.up_to, ack.quarantined) == (2, (1,))
    assert desk.catalog.digest()["box1", "e1", 1] == device.record(1, "first").sha256
    (ack,), _ = desk.take(device.hello())
    assert ack.quarantined == (1,), "a lost ack must not hide it"


def test_two_contents_in_one_batch_are_told_apart(desk, device):
    (ack,), _ = desk.take(device.batch(device.record(1, "first"), device.record(1, "second")))
    assert (ack.up_to, ack.quarantined) == (1, (1,))
    assert desk.catalog.counts()["records"] == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"body": "{}"}, "sha256 is not that of the body"),
        ({"kind": "poem"}, "kind 'poem' is not known here"),
        ({"kind": "inspection"}, "inspection: inspection_id: Field required"),
    ],
)
def test_wrong_record_goes_aside_counts_as_received_and_costs_no_neighbour(
    desk, device, change, reason
):
    message = json.loads(device.batch(*map(device.record, (1, 2, 3))).payload)
    message["records"][1] |= change
    (ack,), _ = desk.take(Inbound(device.topics.records, json.dumps(message).encode()))
    assert (ack.up_to, ack.gaps, ack.quarantined) == (3, (), ())
    assert desk.catalog.counts()["records"] == 2
    assert reasons(desk) == [reason]


def test_body_that_is_not_json_goes_aside(desk, device):
    (ack,), _ = desk.take(device.batch(device.signed(1, "\x00 no json")))
    assert ack.up_to == 1
    assert "Invalid JSON" in reasons(desk)[0]


def test_good_record_replaces_its_damaged_copy(desk, device):
    good = device.record(1)
    desk.take(device.batch(good.model_copy(update={"body": good.body + " "})))
    desk.take(device.batch(good))
    assert desk.catalog.digest() == {("box1", "e1", 1): good.sha256}


def test_every_kind_of_record_is_read_as_its_model(desk, device):
    review = {
        "inspection_id": "i1",
        "verdict": "pass",
        "who": "ana",
        "at": "2030-01-01T00:00:00Z",
        "in_time": True,
        "saw_score": False,
    }
    alarm = {"code": "c", "cause": "x", "action": "y", "raised": True, "at": review["at"]}
    desk.take(
        device.batch(
            device.signed(1, json.dumps(review), Kind.REVIEW),
            device.signed(2, json.dumps(alarm), Kind.ALARM),
        )
    )
    rows = desk.catalog._db.query("select kind, inspection_id from records order by seq")
    assert [tuple(row.values()) for row in rows] == [("review", "i1"), ("alarm", None)]


# ---- hostile ----


@pytest.mark.parametrize(
    "topic",
    [
        "linegate/../up/hello",
        "linegate/a b/up/hello",
        "linegate//up/hello",
        "linegate/box1/up/wish",
        "linegate/" + "x" * 65 + "/up/hello",
        "linegate/box2/up/hello",
        "other/box1/up/hello",
    ],
)
def test_foreign_topics_and_names_are_refused(desk, device, topic):
    assert desk.take(Inbound(topic, device.hello().payload)) == ([], [])
    assert desk.receiver.refused.total() == 1
    assert desk.catalog.counts()["devices"] == 0


@pytest.mark.parametrize(
    "change",
    [{"epoch": "../x"}, {"epoch": ""}, {"last": -1}, {"last": 2**63}, {"v": 2}, {"device": "box2"}],
)
def test_hello_with_wrong_values_is_refused(desk, device, change):
    hello = json.loads(device.hello().payload) | change
    assert desk.take(Inbound(device.topics.hello, json.dumps(hello).encode())) == ([], [])


@pytest.mark.parametrize("seq", [0, -1, 2**53, 2**70, 1.5, "x"])
def test_seq_that_is_no_seq_refuses_its_batch(desk, device, seq):
    batch = json.loads(device.batch(device.record(1)).payload)
    batch["records"][0]["seq"] = seq
    assert desk.take(Inbound(device.topics.records, json.dumps(batch).encode())) == ([], [])


def test_refused_message_leaves_its_group_alone(desk, device):
    (ack,), _ = desk.take(
        device.batch(device.record(1)),
        Inbound(device.topics.records, b"\xff" * 100),
        Inbound(device.topics.records, b"x" * (MAX_UP_BYTES + 1)),
        device.batch(device.record(2)),
    )
    assert ack.up_to == 2
    assert desk.receiver.refused.total() == 2


def test_stream_in_too_many_pieces_is_refused(desk, device):
    scattered = [device.record(seq) for seq in range(1, 2 * MAX_SPANS + 2, 2)]
    (ack,), _ = desk.take(device.batch(*scattered[:-1]))
    assert len(ack.gaps) == MAX_GAPS
    assert desk.take(device.batch(scattered[-1])) == ([], [])
    assert desk.take(device.batch(device.record(2)))[0], "closing a gap is always taken"


def test_number_of_reasons_is_bounded(desk, device):
    for n in range(300):
        desk.take(Inbound(f"linegate/x {n}/up/hello", b""))
    assert desk.receiver.refused.total() == 300
    assert len(desk.receiver.refused) <= 101


@settings(deadline=None)
@given(
    what=st.sampled_from(["hello", "records", "chunk", "wish", ""]),
    payload=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {"device": st.just("box1"), "epoch": st.text(max_size=3)},
            optional={
                "last": st.integers(),
                "records": st.lists(
                    st.fixed_dictionaries(
                        {
                            "seq": st.integers(-1, 2**54),
                            "kind": st.sampled_from(["event", "alarm", "inspection", "x"]),
                            "body": st.text(max_size=20),
                            "sha256": st.text(max_size=5),
                        }
                    ),
                    max_size=3,
                ),
            },
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_nothing_that_is_sent_can_stop_the_receiver(what, payload):
    with Catalog(None) as catalog:
        receiver = Receiver(catalog, NoFiles(), StillClock())
        receiver.handle([Inbound(f"linegate/box1/up/{what}", payload)])


class NoFiles:
    def has(self, sha256):
        return False


class StillClock:
    def monotonic_ns(self):
        return 0

    def now(self):
        return datetime(2030, 1, 1, tzinfo=UTC)


@settings(deadline=None)
@given(st.sets(st.integers(1, 400)))
def test_ack_claims_nothing_that_is_not_held(held):
    spans = union((n, n) for n in held)
    up_to, gaps = tellable(spans)
    claimed = minus(union([(1, up_to)]), union((gap.first, gap.last) for gap in gaps))
    assert minus(claimed, spans) == ()
    assert len(gaps) <= MAX_GAPS
    if len(gaps) < MAX_GAPS:
        assert claimed == spans


# ---- images ----

BIG = bytes(range(256)) * 1024  # four pieces exactly


def test_image_is_asked_for_assembled_and_confirmed_only_when_whole(desk, device):
    (ack,), (want,) = desk.take(device.batch(device.image(1, BIG)))
    assert ack.images == ()
    assert want.chunks == (0, 1, 2, 3)
    for index in (3, 0, 2):
        assert desk.take(device.chunk(BIG, index)) == ([], [])
    (ack,), wants = desk.take(device.chunk(BIG, 1))
    assert (ack.images, ack.up_to, wants) == ((want.sha256,), 1, [])
    assert desk.files.path(want.sha256).read_bytes() == BIG
    assert desk.catalog.held_images() == [want.sha256]
    assert list(desk.folder.glob("partial/*")) == []


def test_image_that_is_not_to_be_sent_is_not_asked_for(desk, device):
    _, wants = desk.take(device.batch(device.image(1, b"x", send=False)))
    assert wants == []


def test_restart_asks_only_for_the_missing_pieces(desk, device):
    desk.take(device.batch(device.image(1, BIG)))
    desk.take(device.chunk(BIG, 1), device.chunk(BIG, 2))
    desk.restart()
    assert desk.take() == ([], []), "the device has not been heard yet"
    _, (want,) = desk.take(device.hello())
    assert want.chunks == (0, 3)
    (ack,), _ = desk.take(device.chunk(BIG, 0), device.chunk(BIG, 3))
    assert ack.images == (want.sha256,)


def test_missing_pieces_are_asked_for_again_after_a_while(desk, device):
    desk.take(device.batch(device.image(1, BIG)))
    desk.take(device.chunk(BIG, 0))
    desk.clock.advance(4.9)
    assert desk.take() == ([], [])
    desk.clock.advance(0.1)
    _, (want,) = desk.take()
    assert want.chunks == (1, 2, 3)


def test_image_that_nobody_sends_lets_the_others_go_first_and_is_asked_for_later(desk, device):
    dead = [bytes([n]) for n in range(IMAGES_AT_ONCE)]
    live = b"the one that comes"
    images = [device.image(n + 1, data) for n, data in enumerate([*dead, live])]
    _, wants = desk.take(device.batch(*images))
    asked = [want.sha256 for want in wants]
    assert len(asked) == IMAGES_AT_ONCE
    for _ in range(3):
        desk.clock.advance(5)
        _, wants = desk.take(device.hello())
        asked = [want.sha256 for want in wants]
    assert len(asked) == 1, "only the last one is left to ask for"
    (ack,), _ = desk.take(device.chunk(live, 0))
    assert ack.images == tuple(asked)
    desk.clock.advance(10)
    _, wants = desk.take(device.hello())
    assert len(wants) == IMAGES_AT_ONCE


def test_silent_device_is_not_asked(desk, device):
    desk.take(device.batch(device.image(1, BIG)))
    desk.clock.advance(ASLEEP_NS / 1e9)
    assert desk.take() == ([], [])
    _, wants = desk.take(device.hello())
    assert len(wants) == 1


def test_large_image_is_asked_for_a_few_pieces_at_a_time(desk, device):
    huge = bytes(CHUNK_BYTES * (PIECES_AT_ONCE + 1))
    _, (want,) = desk.take(device.batch(device.image(1, huge)))
    assert want.chunks == tuple(range(PIECES_AT_ONCE))
    _, (want,) = desk.take(*(device.chunk(huge, index) for index in range(PIECES_AT_ONCE)))
    assert want.chunks == (PIECES_AT_ONCE,)


def test_wrong_bytes_are_thrown_away_and_asked_for_again(desk, device):
    _, (want,) = desk.take(device.batch(device.image(1, BIG)))
    wrong = bytes(len(BIG))
    pieces = [device.chunk(wrong, index, want.sha256) for index in range(4)]
    acks, (again,) = desk.take(*pieces)
    assert acks == []
    assert again == want
    assert not desk.files.has(want.sha256)
    (ack,), _ = desk.take(*(device.chunk(BIG, index) for index in range(4)))
    assert ack.images == (want.sha256,)


def test_piece_of_an_image_that_no_record_named_is_refused(desk, device):
    desk.take(device.batch(device.image(1, BIG)))
    assert desk.take(device.chunk(b"never named", 0)) == ([], [])
    assert desk.take(device.chunk(BIG + b"longer", 0, device.image(1, BIG).sha256)) == ([], [])
    assert desk.receiver.refused.total() == 2


def test_confirmation_is_repeated_for_a_repeated_piece_or_record(desk, device):
    small = b"small"
    desk.take(device.batch(device.image(1, small)))
    (first,), _ = desk.take(device.chunk(small, 0))
    (second,), _ = desk.take(device.chunk(small, 0))
    (third,), _ = desk.take(device.batch(device.image(1, small)))
    assert first.images == second.images == third.images
    assert len(first.images) == 1


def test_image_that_another_device_brought_is_confirmed_at_once(desk, device, other_device):
    small = b"black frame"
    desk.take(device.batch(device.image(1, small)))
    desk.take(device.chunk(small, 0))
    (ack,), wants = desk.take(other_device.batch(other_device.image(1, small)))
    assert (len(ack.images), wants) == (1, [])


def test_device_that_lies_about_an_image_harms_no_other(desk, device, other_device):
    """It names the right hash with a wrong size first."""
    lie = json.loads(device.image(1, BIG).body) | {"bytes": 5}
    desk.take(device.batch(device.signed(1, json.dumps(lie))))
    desk.take(other_device.batch(other_device.image(1, BIG)))
    (ack,), _ = desk.take(*(other_device.chunk(BIG, index) for index in range(4)))
    assert len(ack.images) == 1
