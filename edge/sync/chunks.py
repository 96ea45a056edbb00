"""Pieces of content-addressed files, read where they lie."""

import os
from pathlib import Path

from edge.core.post import CHUNK_BYTES, MAX_IMAGE_BYTES, Chunk, chunk_count


def sendable_bytes(path: Path) -> int | None:
    """Size of the file; None if it is not there, empty or too large to be sent."""
    try:
        size = path.stat().st_size
    except OSError:
        return None
    return size if 0 < size <= MAX_IMAGE_BYTES else None


def read_chunk(path: Path, sha256: str, index: int) -> Chunk | None:
    """Piece `index` of the file named by `sha256`; None if it cannot be read (any more)."""
    try:
        with path.open("rb") as file:
            total = os.fstat(file.fileno()).st_size
            file.seek(index * CHUNK_BYTES)
            data = file.read(CHUNK_BYTES)
    except OSError:
        return None
    if not data or total > MAX_IMAGE_BYTES:
        return None
    return Chunk(sha256=sha256, index=index, count=chunk_count(total), total_bytes=total, data=data)
