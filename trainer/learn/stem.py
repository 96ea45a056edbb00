"""The first layer of an int8 net, written so that ONNX Runtime has a fast kernel for it.

Its int8 convolutions are fast where the channels are multiples of four, and a picture has three or
one. But four bytes of a row are four bytes: seen as [1, H, W*C/4, 4] (a reshape, which costs
nothing), a 3x3 convolution with stride 2 becomes one with stride (2, C) whose output holds two
neighbouring pixels side by side; another reshape parts them. The same sums of the same integers,
in half the time.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

WORD = 4  # bytes
PIXELS = 2  # of the output, side by side

node = helper.make_node
Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Stem:
    """The first convolution of a net that eats bytes: shapes as in ONNX, pads as (begin, end)."""

    height: int
    width: int
    channels: int
    outputs: int
    kernel: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def left(self) -> int:
        """Words of padding on the left."""
        return ceil(self.columns[0] * self.channels / WORD)

    @property
    def skipped(self) -> int:
        """Bytes between the window's first word and its first pixel."""
        return self.left * WORD - self.columns[0] * self.channels

    @property
    def words(self) -> int:
        """Width of the window that `PIXELS` outputs look through."""
        pixels = self.kernel[1] + 2 * (PIXELS - 1)
        return ceil((self.skipped + pixels * self.channels) / WORD)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        rows = (self.height + sum(self.rows) - self.kernel[0]) // 2 + 1
        return rows, (self.width + sum(self.columns) - self.kernel[1]) // 2 + 1

    @property
    def right(self) -> int:
        """Words of padding on the right; below nought: the last words are of no use."""
        last = (self.size[1] // PIXELS - 1) * self.channels + self.words
        return last - self.left - self.width * self.channels // WORD

    @property
    def fits(self) -> bool:
        whole = self.width * self.channels % WORD == 0 and self.size[1] % PIXELS == 0
        return self.channels % WORD != 0 and whole and self.right >= 0

    def spread(self, weights: Array) -> Array:
        """(outputs, C, kh, kw) -> (PIXELS * outputs, WORD, kh, words)."""
        shape = PIXELS, self.outputs, self.kernel[0], self.words * WORD
        kernel = np.zeros(shape, weights.dtype)
        for pixel in range(PIXELS):
            for x in range(self.kernel[1]):
                first = self.skipped + (x + 2 * pixel) * self.channels
                window = slice(first, first + self.channels)
                kernel[pixel, :, :, window] = weights[:, :, :, x].transpose(0, 2, 1)
        parted = kernel.reshape(PIXELS * self.outputs, self.kernel[0], self.words, WORD)
        return np.ascontiguousarray(parted.transpose(0, 3, 1, 2))


def by_words(model: ModelProto) -> ModelProto:
    """Rewrite the first layer of a QDQ net with input `image` uint8 [1,H,W,C] and a Transpose
    behind it, if it is such a convolution; otherwise return the net as it is."""
    conv = next(n for n in model.graph.node if n.op_type == "Conv")
    stem = _stem(model.graph, conv)
    codes = _codes(model.graph, conv)
    if stem is None or codes is None:
        return model
    return _rewritten(model, conv, codes, stem)


def _stem(graph: GraphProto, conv: NodeProto) -> Stem | None:
    told = {a.name: helper.get_attribute_value(a) for a in conv.attribute}
    front = graph.node[0]
    reads_image = front.op_type == "Transpose" and _source(graph, conv.input[0]) in front.output
    plain = told.get("group", 1) == 1 and "auto_pad" not in told
    if not reads_image or not plain or told.get("strides") != [2, 2] or len(conv.input) < 3:
        return None
    _, height, width, channels = (d.dim_value for d in graph.input[0].type.tensor_type.shape.dim)
    outputs, _, *kernel = _array(graph, _source(graph, conv.input[1])).shape
    top, left, bottom, right = told.get("pads", [0] * 4)
    stem = Stem(
        height, width, channels, outputs, (kernel[0], kernel[1]), (top, bottom), (left, right)
    )
    return stem if stem.fits and set(told.get("dilations", [1])) == {1} else None


def _codes(graph: GraphProto, conv: NodeProto) -> NodeProto | None:
    """The QuantizeLinear behind the layer, if its relu is all there is between."""
    name = conv.output[0]
    while True:
        readers = [n for n in graph.node if name in n.input]
        if len(readers) != 1 or readers[0].op_type not in ("Relu", "Clip", "QuantizeLinear"):
            return None
        reader: NodeProto = readers[0]
        if reader.op_type == "QuantizeLinear":
            return reader
        name = reader.output[0]


def _rewritten(model: ModelProto, conv: NodeProto, codes: NodeProto, stem: Stem) -> ModelProto:
    changed = ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    conv, codes = (graph.node[list(model.graph.node).index(n)] for n in (conv, codes))
    _spread_constants(graph, conv, stem)
    told = {
        "kernel_shape": [stem.kernel[0], stem.words],
        "strides": [2, stem.channels],
        "pads": [stem.rows[0], stem.left, stem.rows[1], stem.right],
    }
    del conv.attribute[:]
    conv.attribute.extend(helper.make_attribute(k, v) for k, v in told.items())
    pixels, codes.output[0] = codes.output[0], "stem_pairs"
    graph.node[0].input[0] = "image_words"
    behind = list(graph.node).index(codes) + 1
    nodes = [
        node("Reshape", ["image", "words_shape"], ["image_words"]),
        *graph.node[:behind],
        node("Transpose", ["stem_pairs"], ["stem_rows"], perm=[0, 2, 3, 1]),
        node("Reshape", ["stem_rows", "stem_shape"], ["stem_pixels"]),
        node("Transpose", ["stem_pixels"], [pixels], perm=[0, 3, 1, 2]),
        *graph.node[behind:],
    ]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    words = [1, stem.height, stem.width * stem.channels // WORD, WORD]
    _add(graph, "words_shape", words)
    _add(graph, "stem_shape", [1, *stem.size, stem.outputs])
    return changed


def _spread_constants(graph: GraphProto, conv: NodeProto, stem: Stem) -> None:
    """Weights, biases, and the scales and zero points of both, for `PIXELS` outputs each."""
    for place in (1, 2):
        name, *grid = _node_of(graph, conv.input[place]).input
        old = _array(graph, name)
        _set(graph, name, stem.spread(old) if place == 1 else np.tile(old, PIXELS))
        for part in grid:
            if _array(graph, part).size == stem.outputs:
                _set(graph, part, np.tile(_array(graph, part), PIXELS))


def _node_of(graph: GraphProto, output: str) -> NodeProto:
    found: NodeProto = next(n for n in graph.node if output in n.output)
    return found


def _source(graph: GraphProto, dequantized: str) -> str:
    return str(_node_of(graph, dequantized).input[0])


def _tensor(graph: GraphProto, name: str) -> TensorProto:
    found: TensorProto = next(t for t in graph.initializer if t.name == name)
    return found


def _array(graph: GraphProto, name: str) -> Array:
    return numpy_helper.to_array(_tensor(graph, name))


def _set(graph: GraphProto, name: str, array: Array) -> None:
    _tensor(graph, name).CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), name))


def _add(graph: GraphProto, name: str, shape: list[int]) -> None:
    graph.initializer.append(numpy_helper.from_array(np.asarray(shape), name))
