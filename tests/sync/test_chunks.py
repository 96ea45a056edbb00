"""Pieces of files."""

import pytest

from edge.core.post import CHUNK_BYTES, MAX_IMAGE_BYTES, Chunk
from edge.sync.chunks import read_chunk, sendable_bytes

SHA = "ab" * 32


@pytest.mark.parametrize("size", [1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES - 1])
def test_pieces_cross_the_wire_and_make_the_file_again(tmp_path, size):
    file = tmp_path / "image"
    data = bytes(range(256)) * (size // 256 + 1)
    file.write_bytes(data[:size])
    pieces = []
    while (chunk := read_chunk(file, SHA, len(pieces))) is not None:
        pieces.append(Chunk.unpack(chunk.pack()))
    assert b"".join(piece.data for piece in pieces) == data[:size]
    assert {(piece.count, piece.total_bytes) for piece in pieces} == {(len(pieces), size)}


def test_what_cannot_be_sent_has_no_size(tmp_path):
    (tmp_path / "empty").touch()
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES + 1)
    assert sendable_bytes(tmp_path / "empty") is None
    assert sendable_bytes(tmp_path / "huge") is None
    assert sendable_bytes(tmp_path / "none") is None
    assert read_chunk(tmp_path / "none", SHA, 0) is None
    assert read_chunk(tmp_path / "huge", SHA, 0) is None
    assert read_chunk(tmp_path / "empty", SHA, 0) is None
