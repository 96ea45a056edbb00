"""Refuse dangerous ONNX files before ONNX Runtime sees a byte of them.

A walk over the protobuf wire format with limits of its own. It looks only for what could reach
outside the file or run without end: external data, sub-graphs (If, Loop, Scan), local functions,
operators that are not ONNX's own. Whether the rest is a sound model is for ONNX Runtime to say,
in a process that may die (probation.py).

Field numbers: onnx/onnx.proto; wire format: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Callable, Iterator

from edge.core.errors import ModelRefused
from edge.core.manifest import MAX_MODEL_BYTES

MAX_FIELDS = 1_000_000  # a MobileNetV2 has 10 000
DOMAINS = ("", "ai.onnx")  # ONNX Runtime's own operators (com.microsoft) are not needed for QDQ

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EXTERNAL = 1  # TensorProto.DataLocation.EXTERNAL

Field = tuple[int, int | memoryview]  # number; an integer, or the bytes of text or a message
Walk = Callable[["Walker", memoryview], None]


def check_onnx(model: bytes, max_fields: int = MAX_FIELDS) -> None:
    """Raises ModelRefused, and nothing else, unless the file is self-contained and plain."""
    if len(model) > MAX_MODEL_BYTES:
        raise ModelRefused(f"the file has {len(model)} bytes, more than {MAX_MODEL_BYTES}")
    walker = Walker(max_fields)
    _model(walker, memoryview(model))
    if walker.nodes == 0:
        raise ModelRefused("not an ONNX file: it has no graph with operators")


class Walker:
    """Reads fields and counts them over the whole file."""

    def __init__(self, max_fields: int) -> None:
        self.nodes = 0
        self._left = max_fields

    def fields(self, data: memoryview) -> Iterator[Field]:
        """The fields of one message, in order."""
        at = 0
        while at < len(data):
            self._left -= 1
            if self._left < 0:
                raise ModelRefused("the file has too many fields")
            key, at = _varint(data, at)
            value, at = _value(data, at, key & 7)
            yield key >> 3, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ModelRefused("not an ONNX file: it ends in the middle of a number")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
    raise ModelRefused("not an ONNX file: a number is longer than 64 bits")


def _value(data: memoryview, at: int, wire: int) -> tuple[int | memoryview, int]:
    if wire == _VARINT:
        return _varint(data, at)
    if wire == _BYTES:
        size, at = _varint(data, at)
    elif wire in (_FIXED32, _FIXED64):
        size = 4 if wire == _FIXED32 else 8
    else:
        raise ModelRefused(f"not an ONNX file: wire type {wire}")
    if at + size > len(data):
        raise ModelRefused("not an ONNX file: it ends in the middle of a field")
    return data[at : at + size], at + size


def _model(walker: Walker, data: memoryview) -> None:
    _walk(walker, data, {7: _graph, 20: _training, 25: _function})


def _graph(walker: Walker, data: memoryview) -> None:
    _walk(walker, data, {1: _node, 5: _tensor, 15: _sparse_tensor})


def _node(walker: Walker, data: memoryview) -> None:
    walker.nodes += 1
    _walk(walker, data, {5: _attribute, 7: _domain})


def _attribute(walker: Walker, data: memoryview) -> None:
    inside = {5: _tensor, 6: _subgraph, 10: _tensor, 11: _subgraph}
    _walk(walker, data, {**inside, 22: _sparse_tensor, 23: _sparse_tensor})


def _sparse_tensor(walker: Walker, data: memoryview) -> None:
    _walk(walker, data, {1: _tensor, 2: _tensor})


def _tensor(walker: Walker, data: memoryview) -> None:
    for number, value in walker.fields(data):
        if number == 13 or (number == 14 and value == _EXTERNAL):
            raise ModelRefused("a tensor lies in another file (external data)")


def _domain(walker: Walker, data: memoryview) -> None:
    domain = bytes(data[:64]).decode("utf-8", "replace")
    if domain not in DOMAINS:
        raise ModelRefused(f"an operator comes from the foreign domain {domain!r}")


def _subgraph(walker: Walker, data: memoryview) -> None:
    raise ModelRefused("an operator holds a sub-graph (If, Loop, Scan): it may run without end")


def _function(walker: Walker, data: memoryview) -> None:
    raise ModelRefused("the file defines functions of its own")


def _training(walker: Walker, data: memoryview) -> None:
    raise ModelRefused("the file carries a training graph")


def _walk(walker: Walker, data: memoryview, inside: dict[int, Walk]) -> None:
    """Visit the fields that matter; their depth is that of the calls above, at most seven."""
    for number, value in walker.fields(data):
        visit = inside.get(number)
        if visit is None:
            continue
        if isinstance(value, int):
            raise ModelRefused(f"not an ONNX file: field {number} is a number")
        visit(walker, value)
