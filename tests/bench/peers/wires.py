"""What is sent to a server and what comes back: the bodies that the peers take, the score in their
answers. OIP is the Open Inference Protocol v2, of Linegate, MLServer, KServe and Triton."""

import base64
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.core.preprocess import Image
from edge.predict.protocol import HEADER_LENGTH

CALL_S = 60.0
Body = tuple[bytes, dict[str, str]]  # with its headers


@dataclass(frozen=True, slots=True)
class Answer:
    """`head_bytes`: the JSON before binary tensors, where the server says so."""

    body: bytes
    head_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """`body` makes a request of a picture, `score` finds the score in an answer."""

    name: str
    body: Callable[[Image], Body]
    score: Callable[[Answer], float]


@contextmanager
def asking(port: int, path: str, body: Body) -> Iterator[Callable[[], Answer]]:
    """One connection that is kept, the standard library's client; the request is made once.

    The call raises ConnectionError for any status but 200, OSError or HTTPException for less.
    """
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_S)

    def ask() -> Answer:
        link.request("POST", path, *body)
        response = link.getresponse()
        said = response.read()
        if response.status != 200:
            raise ConnectionError(f"HTTP {response.status}: {said[:200]!r}")
        head_bytes = response.getheader(HEADER_LENGTH)
        return Answer(said, None if head_bytes is None else int(head_bytes))

    try:
        yield ask
    finally:
        link.close()


def _json(content: object) -> Body:
    return json.dumps(content).encode(), {"Content-Type": "application/json"}


def _as_base64(image: Image) -> str:
    return base64.b64encode(image.tobytes()).decode()


def _first_float(numbers: bytes) -> float:
    """The peers' own programs send all outputs one after the other, the score first."""
    return float(np.frombuffer(numbers, np.float32, 1)[0])


def _raw(image: Image) -> Body:
    return image.tobytes(), {"Content-Type": "application/octet-stream"}


def _oip(image: Image, datatype: str, **more: object) -> dict[str, Any]:
    return {"name": "image", "shape": image.shape, "datatype": datatype, **more}


def _oip_numbers(image: Image) -> Body:
    return _json({"inputs": [_oip(image, "UINT8", data=image.ravel().tolist())]})


def _oip_base64(image: Image) -> Body:
    tensor = {"name": "image", "shape": [1, 1], "datatype": "BYTES", "data": [_as_base64(image)]}
    return _json({"inputs": [{**tensor, "parameters": {"content_type": "base64"}}]})


def _oip_binary(image: Image) -> Body:
    tensor = _oip(image, "UINT8", parameters={"binary_data_size": image.nbytes})
    head, _ = _json({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    headers = {HEADER_LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
    return head + image.tobytes(), headers


def _oip_score(answer: Answer) -> float:
    """Of numbers in JSON, or of bytes behind it."""
    offset = len(answer.body) if answer.head_bytes is None else answer.head_bytes
    for output in json.loads(answer.body[:offset])["outputs"]:
        size = (output.get("parameters") or {}).get("binary_data_size")
        if output["name"] == "score":
            return float(output["data"][0]) if size is None else _first_float(answer.body[offset:])
        offset += size or 0
    raise ValueError("the answer has no score")


RAW_BYTES = Wire("raw bytes", _raw, lambda answer: _first_float(answer.body))
BASE64 = Wire(
    "base64",
    lambda image: _json({"image": _as_base64(image)}),
    lambda answer: _first_float(base64.b64decode(json.loads(answer.body)["outputs"])),
)
OIP_BINARY = Wire("binary", _oip_binary, _oip_score)
OIP_BASE64 = Wire("base64", _oip_base64, _oip_score)
OIP_JSON = Wire("JSON numbers", _oip_numbers, _oip_score)
