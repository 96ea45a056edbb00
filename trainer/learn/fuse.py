"""One file for the box: the int8 backbone and its tails in one graph, with the model's face.

`image: uint8[1,H,W,C]` -> `score: float32[1]`, `heatmap: float32[1,h,w]`,
`embedding: float32[1,D]`. Behind an int8 net the head's first convolution, by far its largest, is
int8 too; the rest of the tails stays in float. The blend's gains are folded into their weights.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    checker,
    helper,
    numpy_helper,
)

from trainer.learn import int8
from trainer.learn.backbone import COARSE, Backbone, fresh_model
from trainer.learn.head import HeadWeights
from trainer.learn.memory import Memory
from trainer.learn.stacked import FEATURES
from trainer.learn.tails import Tails

node = helper.make_node
Arrays = dict[str, NDArray[np.generic]]


def fuse(net: ModelProto, backbone: Backbone, tails: Tails) -> ModelProto:
    """`net` maps uint8 `image` to features and taps (int8 or float), the tails come behind."""
    face = backbone.face
    outputs = {
        "score": [1],
        "heatmap": [1, *face.heatmap],
        "embedding": [1, face.embedding],
    }
    nodes, arrays = _tails(backbone, tails, _step(net.graph))
    nodes = _needed([*net.graph.node, *nodes], list(outputs))
    read = {name for one in nodes for name in one.input}
    constants = [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]
    model = fresh_model(
        helper.make_graph(
            nodes,
            "linegate",
            list(net.graph.input),
            [_output(name, shape) for name, shape in outputs.items()],
            [one for one in [*net.graph.initializer, *constants] if one.name in read],
        )
    )
    checker.check_model(model, full_check=True)
    return model


def _needed(nodes: list[NodeProto], outputs: list[str]) -> list[NodeProto]:
    """Those that lead to the outputs: a memory alone needs nothing of the head's features."""
    wanted, needed = set(outputs), []
    for one in reversed(nodes):
        if wanted & set(one.output):
            needed.append(one)
            wanted |= set(one.input)
    return needed[::-1]


def _tails(backbone: Backbone, tails: Tails, step: float | None) -> tuple[list[NodeProto], Arrays]:
    """Whatever tails there are; each adds to what is odd about patches and about the picture."""
    rows, columns = backbone.face.heatmap
    nodes: list[NodeProto] = []
    arrays: Arrays = {
        "offset": np.asarray([tails.blend.offset], np.float32),
        "half": np.asarray([0.5], np.float32),
        "score_shape": np.asarray([1]),
        "heatmap_shape": np.asarray([1, *backbone.face.heatmap]),
        "grid_shape": np.asarray([1, 1, *backbone.face.heatmap]),
        "coarse_shape": np.asarray([rows * columns, -1]),
        "coarse_mean": np.full((1, rows * columns), 1 / (rows * columns), np.float32),
    }
    patches, wholes = ["offset"], ["offset"]
    if tails.head is not None:
        nodes += _head_nodes(tails.head, step)
        arrays |= _head_arrays(tails.head, tails.blend.head_gain, step)
        patches, wholes = [*patches, "head_patches"], [*wholes, "head_top", "head_whole"]
    if tails.memory is not None:
        nodes += _memory_nodes(backbone)
        arrays |= _memory_arrays(tails.memory, tails.blend.memory_gain)
        patches, wholes = [*patches, "memory_patches"], [*wholes, "memory_top"]
    nodes += [
        node("Sum", patches, ["odd_patches"]),
        node("Sum", wholes, ["odd"]),
        *_squash("odd_patches", "heatmap"),
        *_squash("odd", "score"),
        node("Transpose", [COARSE], ["coarse_rows"], perm=[0, 2, 3, 1]),
        node("Reshape", ["coarse_rows", "coarse_shape"], ["coarse_places"]),
        node("MatMul", ["coarse_mean", "coarse_places"], ["embedding"]),
    ]
    return nodes, arrays


def _step(graph: GraphProto) -> float | None:
    """The step of the int8 grid that the features lie on; None in a float net."""
    for behind in graph.node:
        if behind.op_type == "DequantizeLinear" and FEATURES in behind.output:
            scale = next(t for t in graph.initializer if t.name == behind.input[1])
            return float(numpy_helper.to_array(scale))
    return None


def _squash(odd: str, output: str) -> list[NodeProto]:
    """See `tails.squash`."""
    return [
        node("Softsign", [odd], [f"{output}_signed"]),
        node("Mul", [f"{output}_signed", "half"], [f"{output}_halved"]),
        node("Add", [f"{output}_halved", "half"], [f"{output}_free"]),
        node("Reshape", [f"{output}_free", f"{output}_shape"], [output]),
    ]


def _top(patches: str, tail: str) -> list[NodeProto]:
    """Mean of the highest patches [1, 1, h, w], as [1, 1]."""
    return [
        node("Flatten", [patches], [f"{tail}_list"]),
        node("TopK", [f"{tail}_list", f"{tail}_k"], [f"{tail}_highest", f"{tail}_place"], axis=1),
        node("ReduceMean", [f"{tail}_highest"], [f"{tail}_top"], axes=[1], keepdims=1),
    ]


def _head_nodes(head: HeadWeights, step: float | None) -> list[NodeProto]:
    return [
        *(_mix_nodes() if step is None else int8.convolution("mix", FEATURES, "own")),
        node(
            "Conv",
            ["own", "near", "near_bias"],
            ["beside"],
            kernel_shape=[3, 3],
            pads=[1, 1, 1, 1],
            group=len(head.mix_bias),
        ),
        node("Relu", ["beside"], ["neighbours"]),
        node("Add", ["own", "neighbours"], ["seen"]),
        node("Conv", ["seen", "patch", "patch_bias"], ["head_patches"], kernel_shape=[1, 1]),
        *_top("head_patches", "head"),
        node("GlobalAveragePool", ["seen"], ["seen_mean"]),
        node("Flatten", ["seen_mean"], ["seen_list"]),
        node("Gemm", ["seen_list", "whole", "whole_bias"], ["head_whole"], transB=1),
    ]


def _mix_nodes() -> list[NodeProto]:
    return [
        node("Conv", [FEATURES, "mix", "mix_bias"], ["mixed"], kernel_shape=[1, 1]),
        node("Relu", ["mixed"], ["own"]),
    ]


def _head_arrays(head: HeadWeights, gain: float, step: float | None) -> Arrays:
    scale = np.float32(gain)
    mix: Arrays = {"mix": head.mix, "mix_bias": head.mix_bias}
    if step is not None:
        mix = int8.arrays("mix", head.mix, head.mix_bias, step, "own", head.reach)
    return {
        **mix,
        "near": head.near,
        "near_bias": head.near_bias,
        "patch": head.patch * scale,
        "patch_bias": head.patch_bias * scale,
        "whole": head.whole * scale,
        "whole_bias": head.whole_bias * scale,
        "head_k": np.asarray([head.top]),
    }


def _memory_nodes(backbone: Backbone) -> list[NodeProto]:
    """Every place has a matrix of its own: one batched MatMul."""
    layers, nodes = [], []
    for tap in backbone.narrow:
        cell = backbone.shape(tap)[1] // backbone.face.heatmap[0]
        layers.append(f"memory_{tap}" if cell > 1 else tap)
        if cell > 1:
            size = [cell, cell]
            nodes.append(node("AveragePool", [tap], layers[-1:], kernel_shape=size, strides=size))
    return [
        *nodes,
        node("Concat", layers, ["narrow"], axis=1),
        node("Conv", ["narrow", "project", "shift"], ["reduced"], kernel_shape=[1, 1]),
        node("Transpose", ["reduced"], ["by_place"], perm=[0, 2, 3, 1]),
        node("Reshape", ["by_place", "places_shape"], ["places"]),
        node("MatMul", ["places", "whiten"], ["white"]),
        node("Sub", ["white", "centre"], ["off"]),
        node("ReduceL2", ["off"], ["distance"], axes=[2], keepdims=1),
        node("Reshape", ["distance", "grid_shape"], ["memory_patches"]),
        *_top("memory_patches", "memory"),
    ]


def _memory_arrays(memory: Memory, gain: float) -> Arrays:
    places, dims, scale = *memory.centre.shape, np.float32(gain)
    return {
        "project": memory.project[:, :, None, None],
        "shift": memory.shift,
        "whiten": np.ascontiguousarray(memory.whiten.transpose(0, 2, 1)) * scale,
        "centre": memory.centre[:, None] * scale,
        "places_shape": np.asarray([places, 1, dims]),
        "memory_k": np.asarray([memory.top]),
    }


def _output(name: str, shape: list[int]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
