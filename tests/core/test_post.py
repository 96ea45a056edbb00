"""The binary form of chunks, to the byte, and whatever a broker may hand in instead."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.core.errors import MessageRefused
from edge.core.messages import parse
from edge.core.post import (
    CHUNK_BYTES,
    MAX_BATCH_BYTES,
    MAX_DOWN_BYTES,
    MAX_IMAGE_BYTES,
    MAX_UP_BYTES,
    Ack,
    Batch,
    Chunk,
    Gap,
    Record,
    Want,
    chunk_count,
    chunk_size,
)

SHA = "ab" * 32
HEAD_BYTES = 44


def piece(total: int, index: int, sha256: str = SHA) -> Chunk:
    """Piece `index` of a file of that size."""
    data = bytes([index % 251]) * chunk_size(total, index)
    return Chunk(sha256=sha256, index=index, count=chunk_count(total), total_bytes=total, data=data)


def test_packed_chunk_to_the_byte() -> None:
    """Version 1, for ever: sha256, then index, count and total as big-endian 32 bits, then data."""
    chunk = Chunk(sha256=SHA, index=1, count=2, total_bytes=CHUNK_BYTES + 3, data=b"xyz")
    head = bytes.fromhex(SHA) + b"\0\0\0\1" + b"\0\0\0\2" + b"\0\1\0\3"
    assert chunk.pack() == head + b"xyz"
    assert Chunk.unpack(head + b"xyz") == chunk


@given(st.integers(1, 5 * CHUNK_BYTES), st.data())
def test_chunk_survives_the_trip(total: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, chunk_count(total) - 1))
    chunk = piece(total, index)
    assert Chunk.unpack(chunk.pack()) == chunk


@given(st.integers(0, MAX_IMAGE_BYTES))
def test_pieces_add_up_to_the_file(total: int) -> None:
    sizes = [chunk_size(total, index) for index in range(chunk_count(total))]
    assert sum(sizes) == total
    assert all(0 < size <= CHUNK_BYTES for size in sizes)
    assert chunk_size(total, chunk_count(total)) == 0


@pytest.mark.parametrize(
    ("total", "count"),
    [(0, 0), (1, 1), (CHUNK_BYTES, 1), (CHUNK_BYTES + 1, 2), (MAX_IMAGE_BYTES, 1024)],
)
def test_number_of_pieces(total: int, count: int) -> None:
    assert chunk_count(total) == count


@given(st.binary(max_size=200))
def test_any_bytes_are_a_chunk_or_refused(payload: bytes) -> None:
    try:
        assert Chunk.unpack(payload).pack() == payload
    except MessageRefused as refusal:
        assert str(refusal).startswith("chunk: ")


HEADS = st.tuples(*(st.sampled_from((0, 1, 2, 3, 2**31, 2**32 - 1)) for _ in range(2)))


@given(HEADS, st.sampled_from((0, 1, 5, 2**32 - 1)), st.integers(0, 70))
def test_any_head_is_a_chunk_or_refused(numbers: tuple[int, int], total: int, size: int) -> None:
    payload = bytes(32) + struct.pack(">III", *numbers, total) + bytes(size)
    try:
        assert Chunk.unpack(payload).pack() == payload
    except MessageRefused:
        return
    assert (numbers, total, size) in (((0, 1), 1, 1), ((0, 1), 5, 5))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes(HEAD_BYTES),
        piece(10, 0).pack() + b"!",
        piece(10, 0).pack()[:-1],
        piece(CHUNK_BYTES, 0).pack() + b"!",
        bytes(HEAD_BYTES + CHUNK_BYTES + 1),
    ],
)
def test_piece_of_the_wrong_size_is_refused(payload: bytes) -> None:
    with pytest.raises(MessageRefused, match="chunk: "):
        Chunk.unpack(payload)


def test_file_beyond_the_limit_is_refused() -> None:
    total = MAX_IMAGE_BYTES + CHUNK_BYTES
    head = bytes(32) + struct.pack(">III", 0, chunk_count(total), total)
    with pytest.raises(MessageRefused, match="at most 67108864 are taken"):
        Chunk.unpack(head + bytes(CHUNK_BYTES))


def test_largest_file_has_its_last_piece() -> None:
    assert Chunk.unpack(piece(MAX_IMAGE_BYTES, 1023).pack()).index == 1023


@pytest.mark.parametrize("sha256", ["", "AB" * 32, "g" * 64, "ab" * 31, "ab" * 32 + "\n"])
def test_name_that_is_no_hash_is_refused(sha256: str) -> None:
    """Images are files of this name: it must not lead anywhere else."""
    with pytest.raises(MessageRefused, match="sha256"):
        parse(Want, Want.model_construct(sha256=sha256).model_dump_json().encode())
    with pytest.raises(ValidationError):
        piece(1, 0, sha256)


def test_records_are_counted_from_one() -> None:
    with pytest.raises(ValidationError):
        Record(seq=0, kind="event", body="{}", sha256=SHA)


@given(
    st.lists(st.builds(Gap, first=st.integers(1, 2**53), last=st.integers(1, 2**53)), max_size=5),
    st.integers(0, 2**53),
)
def test_ack_survives_the_trip(gaps: list[Gap], up_to: int) -> None:
    ack = Ack(epoch="e", up_to=up_to, gaps=tuple(gaps), images=(SHA,))
    assert parse(Ack, ack.model_dump_json().encode(), MAX_DOWN_BYTES) == ack


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=50), max_size=5))
def test_bodies_of_records_arrive_to_the_letter(bodies: list[str]) -> None:
    """The hash is over exactly this text."""
    records = tuple(
        Record(seq=seq, kind="event", body=body, sha256=SHA) for seq, body in enumerate(bodies, 1)
    )
    batch = Batch(device="d", epoch="e", records=records)
    assert parse(Batch, batch.model_dump_json().encode(), MAX_UP_BYTES) == batch


def test_a_full_batch_fits_through_the_door() -> None:
    assert MAX_BATCH_BYTES < MAX_UP_BYTES
    assert HEAD_BYTES + CHUNK_BYTES < MAX_UP_BYTES
