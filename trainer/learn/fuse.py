"""One file for the box: the int8 backbone and its tails in one graph, with the model's face.

`image: uint8[1,H,W,C]` -> `score: float32[1]`, `heatmap: float32[1,h,w]`,
`embedding: float32[1,D]`. The tails stay in float: they are small, and then the box computes the
very numbers they were fitted to. The gains of the blend are folded into their weights.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from trainer.learn.backbone import COARSE, FINE, Backbone, fresh_model
from trainer.learn.head import HeadWeights
from trainer.learn.memory import Memory
from trainer.learn.tails import Tails

node = helper.make_node
Arrays = dict[str, NDArray[np.generic]]


def fuse(net: ModelProto, backbone: Backbone, tails: Tails) -> ModelProto:
    """`net` maps uint8 `image` to the taps (int8 or float), the tails come behind them."""
    face = backbone.face
    outputs = {
        "score": [1],
        "heatmap": [1, *face.heatmap],
        "embedding": [1, face.embedding],
    }
    nodes, arrays = _tails(backbone, tails)
    constants = [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]
    model = fresh_model(
        helper.make_graph(
            [*net.graph.node, *nodes],
            "linegate",
            list(net.graph.input),
            [_output(name, shape) for name, shape in outputs.items()],
            [*net.graph.initializer, *constants],
        )
    )
    checker.check_model(model, full_check=True)
    return model


def _tails(backbone: Backbone, tails: Tails) -> tuple[list[NodeProto], Arrays]:
    """Whatever tails there are; each adds to what is odd about patches and about the picture."""
    nodes: list[NodeProto] = []
    arrays: Arrays = {
        "offset": np.asarray([tails.blend.offset], np.float32),
        "half": np.asarray([0.5], np.float32),
        "score_shape": np.asarray([1]),
        "heatmap_shape": np.asarray([1, *backbone.face.heatmap]),
        "grid_shape": np.asarray([1, 1, *backbone.face.heatmap]),
    }
    patches, wholes = ["offset"], ["offset"]
    if tails.head is not None:
        nodes += _head_nodes(backbone, tails.head)
        arrays |= _head_arrays(tails.head, tails.blend.head_gain)
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
        node("GlobalAveragePool", [COARSE], ["coarse_mean"]),
        node("Flatten", ["coarse_mean"], ["embedding"]),
    ]
    return nodes, arrays


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


def _head_nodes(backbone: Backbone, head: HeadWeights) -> list[NodeProto]:
    cell, hidden = [backbone.ratio] * 2, len(head.mix_bias)
    return [
        node("AveragePool", [FINE], ["fine_mean"], kernel_shape=cell, strides=cell),
        node("MaxPool", [FINE], ["fine_max"], kernel_shape=cell, strides=cell),
        node("Concat", ["fine_mean", "fine_max", COARSE], ["features"], axis=1),
        node("Conv", ["features", "mix", "mix_bias"], ["mixed"], kernel_shape=[1, 1]),
        node("Relu", ["mixed"], ["own"]),
        node(
            "Conv",
            ["own", "near", "near_bias"],
            ["beside"],
            kernel_shape=[3, 3],
            pads=[1, 1, 1, 1],
            group=hidden,
        ),
        node("Relu", ["beside"], ["neighbours"]),
        node("Add", ["own", "neighbours"], ["seen"]),
        node("Conv", ["seen", "patch", "patch_bias"], ["head_patches"], kernel_shape=[1, 1]),
        *_top("head_patches", "head"),
        node("GlobalAveragePool", ["seen"], ["seen_mean"]),
        node("Flatten", ["seen_mean"], ["seen_list"]),
        node("Gemm", ["seen_list", "whole", "whole_bias"], ["head_whole"], transB=1),
    ]


def _head_arrays(head: HeadWeights, gain: float) -> Arrays:
    scale = np.float32(gain)
    return {
        "mix": head.mix,
        "mix_bias": head.mix_bias,
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
