"""The gate's way to the prediction server: a Unix socket, tensors as bytes, one hard deadline."""

import contextlib
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from edge.core.errors import BadPrediction, PredictorUnavailable
from edge.core.manifest import Manifest
from edge.predict.answer import Answer, Input, judge
from edge.predict.protocol import HEADER_LENGTH
from edge.predict.wire import Connection, Deadline, Response, WireError, request_head

_HEADER_LENGTH = HEADER_LENGTH.encode()
_DTYPES = {"FP32": np.dtype("<f4")}


class PredictClient:
    """Keeps one connection and reconnects by itself. Not thread-safe: one per thread."""

    def __init__(self, socket: Path) -> None:
        self._path = socket
        self._connection: Connection | None = None

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
        if self._connection is not None:
            self._connection.close()
            self._connection = None

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
        head = _infer_json(image, len(pixels))
        version = "" if manifest is None else f"/versions/{manifest.version}"
        path = f"/v2/models/{quote(model, safe='')}{version}/infer"
        response = self._call("POST", path, [head, pixels], timeout_s, {HEADER_LENGTH: len(head)})
        return _read_answer(response, model, manifest)

    def alive(self, timeout_s: float) -> bool:
        """Whether the server is there and has a model ready."""
        try:
            self._call("GET", "/v2/health/ready", [], timeout_s)
        except PredictorUnavailable:
            return False
        return True

    def loaded(self, model: str, timeout_s: float) -> bool:
        """Whether a version of this model is ready."""
        try:
            self._call("GET", f"/v2/models/{quote(model, safe='')}/ready", [], timeout_s)
        except PredictorUnavailable:
            return False
        return True

    def metadata(self, model: str, timeout_s: float = 1.0) -> dict[str, Any]:
        """The protocol's model metadata; `properties` holds version and model_sha256."""
        path = f"/v2/models/{quote(model, safe='')}"
        return _json(self._call("GET", path, [], timeout_s).body)

    def _call(
        self,
        method: str,
        path: str,
        content: list[bytes | memoryview],
        timeout_s: float,
        headers: dict[str, int] | None = None,
    ) -> Response:
        head = request_head(method, path, headers or {}, sum(map(len, content)))
        try:
            response = self._exchange([head, *content], Deadline(timeout_s))
        except TimeoutError as error:
            self.close()
            raise PredictorUnavailable(f"no answer within {timeout_s * 1000:.0f} ms") from error
        except (OSError, WireError) as error:
            self.close()
            raise PredictorUnavailable(f"{self._path}: {error}") from error
        if response.headers.get(b"connection") == b"close":
            self.close()
        if response.status != 200:
            raise PredictorUnavailable(f"HTTP {response.status}: {_error(response.body)}")
        return response

    def _exchange(self, parts: list[bytes | memoryview], deadline: Deadline) -> Response:
        """An idle connection may have been closed meanwhile: then once more, on a new one."""
        if self._connection is not None:
            with contextlib.suppress(ConnectionError):
                return self._connection.exchange(parts, deadline)
            self.close()
        self._connection = Connection(self._path, deadline)
        return self._connection.exchange(parts, deadline)


def _infer_json(image: Input, size: int) -> bytes:
    tensor = {
        "name": "image",
        "shape": image.shape,
        "datatype": "UINT8",
        "parameters": {"binary_data_size": size},
    }
    return json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()


def _read_answer(response: Response, model: str, manifest: Manifest | None) -> Answer:
    try:
        size = int(response.headers[_HEADER_LENGTH])
        head = from_json(bytes(response.body[:size]))
        outputs = _tensors(head["outputs"], response.body[size:])
        name, version = str(head["model_name"]), int(head["model_version"])
        sha256 = str(head["parameters"]["model_sha256"])
        server_ms = float(head["parameters"]["server_ms"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadPrediction(f"the answer is malformed: {error!r}") from error
    _check_model(model, manifest, name, version, sha256)
    score, heatmap, embedding = judge(outputs, manifest.face if manifest else None)
    return Answer(score, heatmap, embedding, name, version, sha256, server_ms)


def _tensors(described: list[dict[str, Any]], binary: memoryview) -> dict[str, NDArray[Any]]:
    """Views into the body, not copies; the body is this answer's own."""
    outputs, at = {}, 0
    for tensor in described:
        size = int(tensor["parameters"]["binary_data_size"])
        array = np.frombuffer(binary[at : at + size], _DTYPES[tensor["datatype"]])
        outputs[str(tensor["name"])] = array.reshape(tensor["shape"])
        at += size
    return outputs


def _check_model(
    model: str, manifest: Manifest | None, name: str, version: int, sha256: str
) -> None:
    if name != model:
        raise BadPrediction(f"model {name} answered instead of {model}")
    if manifest is not None and (version, sha256) != (manifest.version, manifest.sha256):
        raise BadPrediction(
            f"{name}-{version} ({sha256[:12]}..) answered instead of {manifest.label} "
            f"({manifest.sha256[:12]}..)"
        )


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
