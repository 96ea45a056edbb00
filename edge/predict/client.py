"""The gate's way to the prediction server: two Unix sockets, and one hard deadline for each call.

Pictures go the short way (frames.py), questions about health and models over HTTP.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import numpy as np
from pydantic_core import from_json, to_json

from edge.config import frames_socket
from edge.core.errors import PredictorUnavailable
from edge.core.manifest import Manifest
from edge.predict.answer import Answer, Input
from edge.predict.described import Described, read_words
from edge.predict.frames import FrameAnswer, FrameConnection
from edge.predict.wire import Connection, Deadline, Response, WireError, request_head


class PredictClient:
    """Keeps its connections and reconnects by itself. Not thread-safe: one per thread."""

    def __init__(self, socket: Path) -> None:
        self._path = socket
        self._connection: Connection | None = None
        self._frames: FrameConnection | None = None
        self._known: Described | None = None
        self._told = b""
        self._asked: tuple[str, int | None, tuple[int, ...]] | None = None
        self._words = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._hang_up()
        self._let_go()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _let_go(self) -> None:
        """The memory goes, too: a server that is late may still look into it."""
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def predict(
        self, model: str, image: Input, timeout_s: float, manifest: Manifest | None = None
    ) -> Answer:
        """Ask for the score of one uint8 image [1, H, W, C].

        With `manifest`, exactly that version is asked, and the answer must come from that file
        and have its shapes; else the newest loaded version answers. Returns or raises within
        `timeout_s`: PredictorUnavailable if there is no answer, BadPrediction if there is one
        that must not be believed.
        """
        pixels = np.ascontiguousarray(image).data.cast("B")
        asked = model, None if manifest is None else manifest.version, image.shape
        if asked != self._asked:
            named = zip(("model", "version", "shape"), asked, strict=True)
            self._asked, self._words = asked, to_json(dict(named))
        try:
            told = self._ask(self._words, pixels, Deadline(timeout_s))
        except TimeoutError as error:
            self._let_go()
            raise PredictorUnavailable(f"no answer within {timeout_s * 1000:.0f} ms") from error
        except (OSError, WireError) as error:
            self._let_go()
            raise PredictorUnavailable(f"{frames_socket(self._path)}: {error}") from error
        if told.words != self._told or self._known is None:
            self._known = read_words(told.words)
            self._told = told.words
        self._known.check(model, manifest)
        return self._known.answer(told)

    def _ask(self, words: bytes, pixels: memoryview, deadline: Deadline) -> FrameAnswer:
        """An idle connection may have been closed meanwhile: then once more, on a new one."""
        if self._frames is not None:
            with contextlib.suppress(ConnectionError):
                return self._frames.exchange(words, pixels, deadline)
            self._let_go()
        self._frames = FrameConnection(frames_socket(self._path), deadline)
        return self._frames.exchange(words, pixels, deadline)

    def alive(self, timeout_s: float) -> bool:
        """Whether the server is there and has a model ready."""
        try:
            self._get("/v2/health/ready", timeout_s)
        except PredictorUnavailable:
            return False
        return True

    def loaded(self, model: str, timeout_s: float) -> bool:
        """Whether a version of this model is ready."""
        try:
            self._get(f"/v2/models/{quote(model, safe='')}/ready", timeout_s)
        except PredictorUnavailable:
            return False
        return True

    def metadata(self, model: str, timeout_s: float = 1.0) -> dict[str, Any]:
        """The protocol's model metadata; `properties` holds version and model_sha256."""
        return _json(self._get(f"/v2/models/{quote(model, safe='')}", timeout_s).body)

    def _get(self, path: str, timeout_s: float) -> Response:
        request = [request_head("GET", path, {}, 0)]
        try:
            response = self._exchange(request, Deadline(timeout_s))
        except TimeoutError as error:
            self._hang_up()
            raise PredictorUnavailable(f"no answer within {timeout_s * 1000:.0f} ms") from error
        except (OSError, WireError) as error:
            self._hang_up()
            raise PredictorUnavailable(f"{self._path}: {error}") from error
        if response.headers.get(b"connection") == b"close":
            self._hang_up()
        if response.status != 200:
            raise PredictorUnavailable(f"HTTP {response.status}: {_error(response.body)}")
        return response

    def _exchange(self, parts: Sequence[bytes | memoryview], deadline: Deadline) -> Response:
        """See `_ask`."""
        if self._connection is not None:
            with contextlib.suppress(ConnectionError):
                return self._connection.exchange(parts, deadline)
            self._hang_up()
        self._connection = Connection(self._path, deadline)
        return self._connection.exchange(parts, deadline)


def _json(body: memoryview) -> dict[str, Any]:
    try:
        value = from_json(bytes(body))
    except ValueError as error:
        raise PredictorUnavailable(f"the answer is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise PredictorUnavailable("the answer is not a JSON object")
    return value


def _error(body: memoryview) -> str:
    try:
        return str(_json(body).get("error", ""))[:300]
    except PredictorUnavailable:
        return bytes(body[:100]).decode("utf-8", "replace")
