"""What crosses between a device and the trainer (docs/post.md).

The device sends `hello`, then batches of records and the image chunks the trainer wants; the
trainer answers `ack` after its own commit. Only that is *delivered*.
"""

import struct
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from edge.core.errors import MessageRefused
from edge.core.messages import Message
from edge.core.records import Kind, Sha256

CHUNK_BYTES = 64 * 1024
MAX_BATCH_BYTES = 128 * 1024  # of a `records` message; a larger record travels alone
MAX_IMAGE_BYTES = 64 * 1024 * 1024
MAX_UP_BYTES = 512 * 1024  # of any message to the trainer, hence of a record that travels alone
MAX_DOWN_BYTES = 32 * 1024  # of an `ack` or a `want`


class Record(BaseModel):
    """One row of the device's `records` table, as sent."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    seq: Annotated[int, Field(ge=1)]
    kind: Kind
    body: str
    sha256: Sha256


class Hello(Message):
    """The device is here; `last` is its newest seq. The trainer answers with an `ack`."""

    device: str
    epoch: str
    last: int


class Batch(Message):
    """Consecutive or re-sent records of one epoch."""

    device: str
    epoch: str
    records: tuple[Record, ...]


class Gap(BaseModel):
    """Seqs first..last, both included."""

    model_config = ConfigDict(frozen=True)
    first: int
    last: int


class Ack(Message):
    """All records of `epoch` up to `up_to` are committed, but for `gaps`; `images` are complete.

    `quarantined` names seqs that came before with another content: the first stays, the second is
    kept aside, and the device should raise an alarm.
    """

    epoch: str
    up_to: int
    gaps: tuple[Gap, ...] = ()
    images: tuple[Sha256, ...] = ()
    quarantined: tuple[int, ...] = ()


class Want(Message):
    """The trainer lacks these chunks of an image (all of it: `chunks` is null)."""

    sha256: Sha256
    chunks: tuple[int, ...] | None = None


_CHUNK_HEAD = struct.Struct(">32sIII")  # sha256, index, count, bytes of the whole


class Chunk(BaseModel):
    """One piece of a content-addressed file, packed as 44 bytes of head and at most 64 KiB."""

    model_config = ConfigDict(frozen=True)
    sha256: Sha256
    index: Annotated[int, Field(ge=0)]
    count: Annotated[int, Field(ge=1, le=MAX_IMAGE_BYTES // CHUNK_BYTES)]
    total_bytes: Annotated[int, Field(ge=1, le=MAX_IMAGE_BYTES)]
    data: bytes

    def pack(self) -> bytes:
        head = _CHUNK_HEAD.pack(
            bytes.fromhex(self.sha256), self.index, self.count, self.total_bytes
        )
        return head + self.data

    @classmethod
    def unpack(cls, payload: bytes) -> "Chunk":
        """Raises MessageRefused if the payload cannot be a piece of the file it names."""
        if not _CHUNK_HEAD.size < len(payload) <= _CHUNK_HEAD.size + CHUNK_BYTES:
            raise MessageRefused(f"chunk: {len(payload)} bytes is not a chunk")
        sha, index, count, total = _CHUNK_HEAD.unpack_from(payload)
        data = payload[_CHUNK_HEAD.size :]
        if count != chunk_count(total) or index >= count or len(data) != chunk_size(total, index):
            raise MessageRefused(f"chunk: piece {index} of {count} does not fit {total} bytes")
        if total > MAX_IMAGE_BYTES:
            raise MessageRefused(f"chunk: {total} bytes, at most {MAX_IMAGE_BYTES} are taken")
        return cls(sha256=sha.hex(), index=index, count=count, total_bytes=total, data=data)


def chunk_count(total_bytes: int) -> int:
    """Pieces of a file of this size; an empty file has none."""
    return -(-total_bytes // CHUNK_BYTES)


def chunk_size(total_bytes: int, index: int) -> int:
    """Bytes in piece `index`."""
    return max(0, min(CHUNK_BYTES, total_bytes - index * CHUNK_BYTES))
