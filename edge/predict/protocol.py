"""The Open Inference Protocol v2 as pure functions: bytes in, values out, and back.

Schemas: github.com/kserve/open-inference-protocol (REST); the binary tensor extension as Triton
defines it (extension_binary_data.md): JSON first, then the tensors, little-endian, in order.
Known clients differ from the text, so the raw body is parsed whatever its Content-Type, and
numbers such as 7.0 are taken for the integers that they are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import to_json

from edge.core.errors import BadPrediction, MessageRefused
from edge.core.manifest import Face, Manifest
from edge.predict.answer import Input, Outputs, output_names

HEADER_LENGTH = "inference-header-content-length"

_DATATYPES = {"uint8": "UINT8", "float32": "FP32"}
_JSON_BYTES_PER_VALUE = 24  # "255.0, " with room for indentation
_JSON_FRAME_BYTES = 65_536  # all that is not pixels


class _Tensor(BaseModel):
    name: str
    shape: Annotated[list[int], Field(max_length=8)]
    datatype: str
    parameters: dict[str, Any] = {}
    data: Any = None


class _Wanted(BaseModel):
    name: str
    parameters: dict[str, Any] = {}


class _Request(BaseModel):
    id: Annotated[str, Field(max_length=256)] | None = None
    parameters: dict[str, Any] = {}
    inputs: Annotated[list[_Tensor], Field(max_length=8)]
    outputs: Annotated[list[_Wanted], Field(max_length=8)] = []


@dataclass(frozen=True, slots=True, eq=False)
class InferRequest:
    """One image and what is wanted of it: output names in order, each binary or not."""

    image: Input
    id: str | None
    outputs: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body, and the length of its JSON part if tensors follow it."""

    body: bytes
    json_bytes: int | None = None


def body_limit(face: Face) -> int:
    """No honest request for this face is longer, JSON or binary; in bytes."""
    return _JSON_FRAME_BYTES + math.prod(face.input_shape) * _JSON_BYTES_PER_VALUE


def parse_infer(body: bytes, header_length: str | None, face: Face) -> InferRequest:
    """Read an inference request. Raises MessageRefused that says what is wrong with it."""
    json_bytes = _json_bytes(header_length, len(body))
    try:
        request = _Request.model_validate_json(body[:json_bytes])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the request"
        raise MessageRefused(f"{where}: {first['msg']}") from error
    tensor = _one_image(request.inputs, face)
    image = _image(tensor, memoryview(body)[json_bytes:], face)
    return InferRequest(image, request.id, _wanted(request, face))


def _json_bytes(header_length: str | None, body_bytes: int) -> int:
    if header_length is None:
        return body_bytes
    size = int(header_length) if header_length.isdecimal() and len(header_length) < 12 else -1
    if not 0 < size <= body_bytes:
        raise MessageRefused(
            f"Inference-Header-Content-Length is {header_length[:20]!r}, the body has "
            f"{body_bytes} bytes"
        )
    return size


def _one_image(inputs: Sequence[_Tensor], face: Face) -> _Tensor:
    if [tensor.name for tensor in inputs] != ["image"]:
        names = [tensor.name[:64] for tensor in inputs]
        raise MessageRefused(f"inputs are {names}, the model takes exactly one: 'image'")
    tensor = inputs[0]
    if tensor.datatype != "UINT8":
        raise MessageRefused(f"input image is {tensor.datatype[:64]}, the model takes UINT8")
    if tuple(tensor.shape) != face.input_shape:
        raise MessageRefused(
            f"input image has shape {tensor.shape}, the model takes {list(face.input_shape)}"
        )
    return tensor


def _image(tensor: _Tensor, binary: memoryview, face: Face) -> Input:
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        if len(binary):
            raise MessageRefused(f"{len(binary)} bytes follow the JSON, no input asks for them")
        return _from_json(tensor.data, face)
    if tensor.data is not None:
        raise MessageRefused("input image has both data and binary_data_size")
    return _from_binary(size, binary, face)


def _from_binary(size: Any, binary: memoryview, face: Face) -> Input:
    wanted = math.prod(face.input_shape)
    if type(size) is not int or size != wanted:
        raise MessageRefused(f"binary_data_size is {str(size)[:20]}, the shape needs {wanted}")
    if len(binary) != wanted:
        raise MessageRefused(f"{len(binary)} bytes follow the JSON, the shape needs {wanted}")
    return np.frombuffer(binary, np.uint8).reshape(face.input_shape)


def _from_json(data: Any, face: Face) -> Input:
    """Flat or nested numbers. A flat list of integers, the usual case, has a short cut."""
    if not isinstance(data, list):
        raise MessageRefused("input image has neither a list of data nor binary_data_size")
    try:
        flat = np.frombuffer(bytes(data), np.uint8)
    except (TypeError, ValueError):  # nested, or written as floats, or not fit at all
        flat = _integers(data)
    if flat.size != math.prod(face.input_shape):
        raise MessageRefused(
            f"input image has {flat.size} values, shape {list(face.input_shape)} needs "
            f"{math.prod(face.input_shape)}"
        )
    return flat.reshape(face.input_shape)


def _integers(data: list[Any]) -> NDArray[np.uint8]:
    try:
        values = np.array(data)
    except (ValueError, OverflowError) as error:
        raise MessageRefused("input image: data is not a regular array of numbers") from error
    if values.dtype.kind not in "iuf":
        raise MessageRefused("input image: data is not a regular array of numbers")
    whole = values.astype(np.uint8, casting="unsafe") if _fits(values) else None
    if whole is None or not np.array_equal(whole, values):
        raise MessageRefused("input image: data holds values that are not integers in 0..255")
    return whole.ravel()


def _fits(values: NDArray[Any]) -> bool:
    """Whether all lie in 0..255; NaN does not."""
    return bool(values.size and values.min() >= 0 and values.max() <= 255)


def _wanted(request: _Request, face: Face) -> tuple[tuple[str, bool], ...]:
    """What was asked for, else everything. `binary_data` of an output beats the request's flag."""
    known = output_names(face)
    default = request.parameters.get("binary_data_output") is True
    if not request.outputs:
        return tuple((name, default) for name in known)
    names = [output.name for output in request.outputs]
    if len(set(names)) != len(names) or not set(names) <= set(known):
        raise MessageRefused(
            f"outputs are {[name[:64] for name in names]}, the model has {list(known)}"
        )
    return tuple(
        (output.name, output.parameters.get("binary_data", default) is True)
        for output in request.outputs
    )


def encode_answer(
    request: InferRequest, outputs: Outputs, manifest: Manifest, server_ms: float
) -> Encoded:
    """The response. Raises BadPrediction for NaN in an output that is wanted as JSON numbers,
    which have no word for it."""
    tensors, described = [], []
    for name, binary in request.outputs:
        array = outputs[name]
        tensor: dict[str, Any] = {
            "name": name,
            "shape": array.shape,
            "datatype": _DATATYPES[str(array.dtype)],
        }
        if binary:
            tensors.append(array.tobytes())
            tensor["parameters"] = {"binary_data_size": array.nbytes}
        else:
            tensor["data"] = _numbers(name, array)
        described.append(tensor)
    head = {
        "model_name": manifest.name,
        "model_version": str(manifest.version),
        "parameters": {"model_sha256": manifest.sha256, "server_ms": round(server_ms, 3)},
        "outputs": described,
    }
    if request.id:
        head["id"] = request.id
    text = to_json(head)
    return Encoded(b"".join((text, *tensors)), len(text)) if tensors else Encoded(text)


def _numbers(name: str, array: NDArray[Any]) -> list[Any]:
    if not np.isfinite(array).all():
        raise BadPrediction(
            f"output {name} holds NaN or infinity, which JSON cannot carry: ask for binary_data"
        )
    numbers: list[Any] = array.ravel().tolist()
    return numbers


def server_metadata(version: str) -> dict[str, Any]:
    extensions = ["binary_tensor_data", "model_repository"]
    return {"name": "linegate", "version": version, "extensions": extensions}


def model_metadata(manifest: Manifest, versions: Sequence[str]) -> dict[str, Any]:
    face = manifest.face
    shapes = {"score": [1], "heatmap": [1, *face.heatmap], "embedding": [1, face.embedding]}
    shapes["classes"] = [1, len(face.classes)]
    return {
        "name": manifest.name,
        "versions": list(versions),
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": list(face.input_shape)}],
        "outputs": [
            {"name": name, "datatype": "FP32", "shape": shapes[name]} for name in output_names(face)
        ],
        "properties": {"version": str(manifest.version), "model_sha256": manifest.sha256},
    }
