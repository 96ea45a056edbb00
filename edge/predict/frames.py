"""The gate's own way to the prediction server: pixels in shared memory, words over a Unix socket.

HTTP copies a picture three times and speaks JSON, which costs most when the model has just swept
the processor's caches; here an answer is parsed only if it differs from the last one.

A request is the length of its words (4 bytes, little-endian), then the words: JSON. The first of a
connection, and each that needs more room, brings the file descriptor of the memory that its pixels
lie in. An answer is the length of its words and of its tensors (4 bytes each), the server's
milliseconds (8 bytes, float), the words, the tensors. Both ends are ours, and on one machine. One
request at a time on a connection.
"""

import fcntl
import math
import mmap
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge.predict.wire import Deadline, WireError, connected, received

MAX_WORDS_BYTES = 16 * 1024
MAX_TENSOR_BYTES = 64 * 1024 * 1024
REQUEST, ANSWER = struct.Struct("<I"), struct.Struct("<IId")
_RECV_BYTES = 64 * 1024
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Slot:
    """Shared memory for one picture. It can be neither shrunk nor grown by anyone: reading it can
    never fault."""

    def __init__(self, fd: int, access: int) -> None:
        self.fd = fd
        self.size = os.fstat(fd).st_size
        self._map = mmap.mmap(fd, self.size, access=access)

    @classmethod
    def create(cls, size: int) -> Self:
        fd = os.memfd_create("frame", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, size)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            return cls(fd, mmap.ACCESS_WRITE)
        except OSError:
            os.close(fd)
            raise

    @classmethod
    def attach(cls, fd: int, most: int) -> Self:
        """Another process's slot; `fd` belongs to it from now on. Raises WireError for one that is
        longer than `most` bytes or might shrink."""
        try:
            size, seals = os.fstat(fd).st_size, fcntl.fcntl(fd, fcntl.F_GET_SEALS)
            if not 0 < size <= most or seals & _SEALS != _SEALS:
                raise WireError(f"a slot of {size} bytes with seals {seals:#x}")
            return cls(fd, mmap.ACCESS_READ)
        except (OSError, WireError):
            os.close(fd)
            raise

    def put(self, pixels: memoryview) -> None:
        self._map[: len(pixels)] = pixels

    def image(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """The picture of that shape, not copied: the next request overwrites it."""
        return np.frombuffer(self._map, np.uint8, math.prod(shape)).reshape(shape)

    def close(self) -> None:
        os.close(self.fd)
        # The mapping has a descriptor of its own: it goes now, not when garbage is collected, or
        with suppress(BufferError):  # with the last array that looks into it.
            self._map.close()


@dataclass(frozen=True, slots=True)
class FrameAnswer:
    words: bytes  # JSON: the model and its outputs, or an error
    tensors: memoryview
    server_ms: float


class FrameConnection:
    """The gate's end."""

    def __init__(self, path: Path, deadline: Deadline) -> None:
        self._slot: Slot | None = None
        self._socket = connected(path, deadline)

    def close(self) -> None:
        self._socket.close()
        if self._slot is not None:
            self._slot.close()

    def exchange(self, words: bytes, pixels: memoryview, deadline: Deadline) -> FrameAnswer:
        """Ask about a picture. Raises OSError (TimeoutError among them) or WireError."""
        lent: list[int] = []
        if self._slot is None or self._slot.size < len(pixels):
            old, self._slot = self._slot, None
            if old is not None:
                old.close()
            self._slot = Slot.create(len(pixels))
            lent = [self._slot.fd]
        self._slot.put(pixels)
        self._socket.settimeout(deadline.left_s())
        request = REQUEST.pack(len(words)) + words
        sent = socket.send_fds(self._socket, [request], lent)
        if sent < len(request):
            self._socket.sendall(request[sent:])
        return self._answer(deadline)

    def _answer(self, deadline: Deadline) -> FrameAnswer:
        data = received(self._socket, _RECV_BYTES, deadline)
        while len(data) < ANSWER.size:
            data += received(self._socket, _RECV_BYTES, deadline)
        words_bytes, tensor_bytes, server_ms = ANSWER.unpack_from(data)
        if words_bytes > MAX_WORDS_BYTES or tensor_bytes > MAX_TENSOR_BYTES:
            raise WireError(f"an answer of {words_bytes} and {tensor_bytes} bytes")
        start = ANSWER.size + words_bytes
        while len(data) < start + tensor_bytes:
            data += received(self._socket, start + tensor_bytes - len(data), deadline)
        return FrameAnswer(data[ANSWER.size : start], memoryview(data)[start:], server_ms)
