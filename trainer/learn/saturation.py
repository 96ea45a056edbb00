"""Would 16-bit sums saturate on processors without VNNI?

AVX2 and AVX-512 without VNNI multiply unsigned activations by signed weights with VPMADDUBSW: two
neighbouring products are added in 16 bits, and what does not fit is cut off in silence. Neighbours
are rows 2j and 2j+1 of the matrix that ONNX Runtime's QLinearConv and MatMul hand to MLAS: for a
convolution its weights in the order (kernel rows, kernel columns, input channels). Depthwise
convolutions have kernels of their own that widen first, and never saturate.

A pair is safe if no activation of 0..255 can drive it out of 16 bits: weights of one sign add up,
of two signs they do not. With 7-bit weights the worst is 255 x (64 + 64) = 32,640: always safe.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, load_model_from_string, numpy_helper

from edge.core.errors import LinegateError

LOWEST, HIGHEST = -(2**15), 2**15 - 1
TOP_ACTIVATION = 255

Weights = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Saturation:
    """Pairs of weights whose 16-bit sum some activation can drive over its end."""

    may_saturate: int
    pairs: int

    @property
    def target(self) -> str:
        """Processors on which the file computes what it was judged by."""
        return "VNNI or Arm" if self.may_saturate else "any"


def count(model: ModelProto) -> Saturation:
    """Over all int8 convolutions and matrix products of a QDQ net."""
    unsafe = pairs = 0
    for columns in matrices(model.graph):
        unsafe += int(overflowing(columns).sum())
        pairs += (len(columns) + 1) // 2 * columns.shape[1]
    return Saturation(unsafe, pairs)


def of_file(file: bytes) -> Saturation:
    return count(load_model_from_string(file))


def check(model: ModelProto, full_range: bool) -> None:
    """Raises LinegateError if a file for any processor could saturate on some."""
    found = count(model)
    if found.may_saturate and not full_range:
        raise LinegateError(
            f"{found.may_saturate} of {found.pairs} weight pairs may saturate on processors "
            "without VNNI: quantise with 7-bit weights, or ask for --full-range if every box has "
            "VNNI or is an Arm"
        )


def overflowing(columns: Weights) -> NDArray[np.bool_]:
    """Which pairs of rows of a weight matrix (k, n) are unsafe: (ceil(k / 2), n)."""
    first, second = _pairs(columns.astype(np.int32))
    highest = TOP_ACTIVATION * (np.maximum(first, 0) + np.maximum(second, 0))
    lowest = TOP_ACTIVATION * (np.minimum(first, 0) + np.minimum(second, 0))
    return (highest > HIGHEST) | (lowest < LOWEST)


def product(activations: NDArray[np.uint8], columns: Weights) -> NDArray[np.int32]:
    """(m, k) x (k, n) as VPMADDUBSW computes it: pair sums cut off at 16 bits, then added up."""
    left = _pairs(activations.T.astype(np.int32))
    right = _pairs(columns.astype(np.int32))
    sums = left[0][:, :, None] * right[0][:, None, :] + left[1][:, :, None] * right[1][:, None, :]
    total: NDArray[np.int32] = np.clip(sums, LOWEST, HIGHEST).sum(axis=0, dtype=np.int32)
    return total


def _pairs(rows: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Even rows, and odd ones; a last one alone has a zero beside it."""
    even = np.pad(rows, ((0, len(rows) % 2), (0, 0)))
    return even[0::2], even[1::2]


def matrices(graph: GraphProto) -> Iterator[Weights]:
    """The int8 weights of each product (k, n), in the order in which the kernel pairs its rows."""
    weights = _dequantised(graph)
    for node in graph.node:
        for name in node.input[1:2]:
            if name in weights:
                yield from _columns(node, weights[name])


def _dequantised(graph: GraphProto) -> dict[str, Weights]:
    """int8 constants by the name of the DequantizeLinear output that carries them."""
    constants = {c.name: c for c in graph.initializer}
    found = {}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            array = numpy_helper.to_array(constants[node.input[0]])
            if array.dtype == np.int8:
                found[node.output[0]] = array
    return found


def _columns(node: NodeProto, weights: Weights) -> Iterator[Weights]:
    if node.op_type == "Conv":
        yield from _of_convolution(weights, _attribute(node, "group", 1))
    elif node.op_type == "Gemm":
        yield weights.T if _attribute(node, "transB", 0) else weights
    elif node.op_type == "MatMul":
        yield from weights.reshape(-1, *weights.shape[-2:])


def _of_convolution(weights: Weights, groups: int) -> Iterator[Weights]:
    """(out, in / groups, rows, columns) -> one (rows x columns x in, out) per group."""
    if groups > 1 and weights.shape[1] == 1:  # depthwise
        return
    for group in np.split(weights, groups):
        yield np.moveaxis(group, 1, -1).reshape(len(group), -1).T


def _attribute(node: NodeProto, name: str, default: int) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), default)
