"""Answers the gate's own way (frames.py): a thread for each caller, none of the event loop's.

Between a model's end and its answer nothing is done that can wait: counting comes after.
"""

import math
import os
import socket
import struct
import time
from collections.abc import Callable
from threading import BoundedSemaphore, Thread
from typing import Any

import structlog
from pydantic_core import from_json, to_json

from edge.core.errors import MessageRefused, PredictorError
from edge.predict.answer import Input, Outputs, output_names
from edge.predict.frames import ANSWER, MAX_WORDS_BYTES, REQUEST, Slot
from edge.predict.metrics import FAILED, OK, REFUSED, Meters
from edge.predict.session import ModelSession
from edge.predict.wire import WireError

MAX_CALLERS = 4  # the gate's views, and whoever replays beside it
REST_S = 5.0  # that the rest of a request may take
AGAIN_S = 0.1  # after a caller that could not be taken

_FD = struct.Struct("i")
_ROOM_FOR_A_SLOT = socket.CMSG_SPACE(_FD.size)

Find = Callable[[str, str | None], ModelSession | None]

_log = structlog.get_logger()


class FrameServer:
    """`find` names the loaded model; every caller is answered in order."""

    def __init__(self, listener: socket.socket, find: Find, meters: Meters, most: int) -> None:
        """`most` bytes may a picture have."""
        self._listener = listener
        self._find = find
        self._meters = meters
        self._most = most
        self._free = BoundedSemaphore(MAX_CALLERS)

    def start(self) -> None:
        Thread(target=self._accept, name="frames", daemon=True).start()

    def _accept(self) -> None:
        """Until the listener is closed. One caller too many is hung up on; so is one for whom the
        process has neither descriptor nor thread left just now."""
        while self._listener.fileno() >= 0:
            try:
                caller, _ = self._listener.accept()
            except OSError as error:
                if self._listener.fileno() >= 0:
                    _log.warning("a caller of frames could not be taken", why=str(error))
                    time.sleep(AGAIN_S)
                continue
            if not self._free.acquire(blocking=False):
                _log.warning("too many callers of frames", most=MAX_CALLERS)
                caller.close()
                continue
            self._begin(caller)

    def _begin(self, caller: socket.socket) -> None:
        try:
            Thread(target=self._serve, args=(caller,), name="frame", daemon=True).start()
        except RuntimeError as error:  # the process may have no more threads or memory
            _log.warning("a caller of frames gets no thread", why=str(error))
            caller.close()
            self._free.release()

    def _serve(self, caller: socket.socket) -> None:
        desk = FrameDesk(caller, self._find, self._meters, self._most)
        try:
            with caller:
                while desk.serve():
                    pass
        except (OSError, WireError) as error:
            _log.warning("a caller of frames is lost", why=str(error))
        finally:
            desk.close()
            self._free.release()


class FrameDesk:
    """One caller, and what is remembered of it."""

    def __init__(self, caller: socket.socket, find: Find, meters: Meters, most: int) -> None:
        self._caller = caller
        self._find = find
        self._meters = meters
        self._most = most
        self._slot: Slot | None = None
        self._last = b""
        self._words: dict[str, Any] = {}
        self._image_of: Input | None = None  # the slot, in the shape of the last picture
        self._told: tuple[ModelSession | None, bytes, int] = (None, b"", 0)

    def close(self) -> None:
        if self._slot is not None:
            self._slot.close()

    def serve(self) -> bool:
        """Answer one request; false if the caller has gone. Raises OSError or WireError."""
        request = self._receive()
        if request is None:
            return False
        started = time.perf_counter()
        session = self._session(request)
        if session is None:
            self._refuse("no such model is loaded")
            return True
        try:
            outputs = session.run(self._image(session))
        except (MessageRefused, PredictorError, MemoryError) as error:
            outcome = REFUSED if isinstance(error, MessageRefused) else FAILED
            self._refuse(str(error) or "not enough memory")
        else:
            outcome = OK
            self._tell(session, outputs, (time.perf_counter() - started) * 1000)
        self._meters.count(session.manifest.name, outcome, time.perf_counter() - started)
        return True

    def _receive(self) -> bytes | None:
        """The next request's words, None when the caller has gone."""
        self._caller.settimeout(None)
        data, lent, _, _ = self._caller.recvmsg(MAX_WORDS_BYTES, _ROOM_FOR_A_SLOT)
        fds = _descriptors(lent)
        for more_than_one in fds[1:]:
            os.close(more_than_one)
        if fds:
            self.close()
            self._slot = self._image_of = None
            self._slot = Slot.attach(fds[0], self._most)
        while len(data) < REQUEST.size or len(data) < REQUEST.size + _length(data):
            self._caller.settimeout(REST_S)
            more = self._caller.recv(MAX_WORDS_BYTES) if data else b""
            if not more:
                return None
            data += more
        return data[REQUEST.size :]

    def _session(self, request: bytes) -> ModelSession | None:
        """The model that is asked. A request like the last one is not parsed again."""
        if request != self._last:
            try:
                words = from_json(request)
            except ValueError as error:
                raise WireError(f"the request is not JSON: {error}") from error
            if not isinstance(words, dict):
                raise WireError("the request is not a JSON object")
            self._last, self._words, self._image_of = request, words, None
        name, version = self._words.get("model"), self._words.get("version")
        return self._find(str(name), None if version is None else str(version))

    def _image(self, session: ModelSession) -> Input:
        """The picture as it lies in the slot, not copied."""
        shape = session.manifest.face.input_shape
        if self._image_of is not None and self._image_of.shape == shape:
            return self._image_of
        if self._words.get("shape") != list(shape):
            said = str(self._words.get("shape"))[:64]
            raise MessageRefused(f"the picture has shape {said}, the model takes {list(shape)}")
        if self._slot is None or self._slot.size < math.prod(shape):
            raise MessageRefused("the memory of the picture is missing or too small")
        self._image_of = self._slot.image(shape)
        return self._image_of

    def _tell(self, session: ModelSession, outputs: Outputs, server_ms: float) -> None:
        if self._told[0] is not session:
            size = sum(tensor.nbytes for tensor in outputs.values())
            self._told = session, described(session, outputs), size
        _, words, size = self._told
        self._send([ANSWER.pack(len(words), size, server_ms), words, *outputs.values()])

    def _refuse(self, why: str) -> None:
        words = to_json({"error": why})
        self._send([ANSWER.pack(len(words), 0, 0.0), words])

    def _send(self, parts: list[Any]) -> None:
        self._caller.settimeout(REST_S)
        sent = self._caller.sendmsg(parts)
        if sent < sum(memoryview(part).nbytes for part in parts):
            self._caller.sendall(b"".join(parts)[sent:])


def described(session: ModelSession, outputs: Outputs) -> bytes:
    """Who answers, and what its outputs look like: the same for every picture."""
    manifest = session.manifest
    return to_json(
        {
            "model": manifest.name,
            "version": manifest.version,
            "sha256": manifest.sha256,
            "outputs": [
                {"name": name, "shape": outputs[name].shape, "dtype": str(outputs[name].dtype)}
                for name in output_names(manifest.face)
            ],
        }
    )


def _descriptors(lent: list[tuple[int, int, bytes]]) -> list[int]:
    return [
        fd
        for level, kind, data in lent
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        for (fd,) in _FD.iter_unpack(data[: len(data) // _FD.size * _FD.size])
    ]


def _length(data: bytes) -> int:
    size: int = REQUEST.unpack_from(data)[0]
    if size > MAX_WORDS_BYTES - REQUEST.size:
        raise WireError(f"a request of {size} bytes")
    return size
