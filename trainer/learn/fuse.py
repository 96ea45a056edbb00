"""One file for the box: the int8 backbone and the head in one graph, with the model's face.

`image: uint8[1,H,W,C]` -> `score: float32[1]`, `heatmap: float32[1,h,w]`,
`embedding: float32[1,D]`. The head stays in float: it is small, and then the box computes the
very numbers it was fitted to. A memory of good parts will be a second tail beside it.
"""

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from trainer.learn.backbone import COARSE, FINE, Backbone, fresh_model
from trainer.learn.head import HeadWeights


def fuse(net: ModelProto, backbone: Backbone, head: HeadWeights) -> ModelProto:
    """`net` maps uint8 `image` to the taps (int8 or float), `head` comes behind them."""
    face = backbone.face
    outputs = {
        "score": [1],
        "heatmap": [1, *face.heatmap],
        "embedding": [1, face.embedding],
    }
    model = fresh_model(
        helper.make_graph(
            [*net.graph.node, *_head_nodes(backbone, head)],
            "linegate",
            list(net.graph.input),
            [_output(name, shape) for name, shape in outputs.items()],
            [*net.graph.initializer, *_head_constants(backbone, head)],
        )
    )
    checker.check_model(model, full_check=True)
    return model


def _head_nodes(backbone: Backbone, head: HeadWeights) -> list[NodeProto]:
    node, cell = helper.make_node, [backbone.ratio] * 2
    hidden = len(head.mix_bias)
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
        node("Conv", ["seen", "patch", "patch_bias"], ["patch_logits"], kernel_shape=[1, 1]),
        *_score_nodes(),
        *_heatmap_nodes(),
        node("GlobalAveragePool", [COARSE], ["coarse_mean"]),
        node("Flatten", ["coarse_mean"], ["embedding"]),
    ]


def _score_nodes() -> list[NodeProto]:
    node = helper.make_node
    return [
        node("Flatten", ["patch_logits"], ["patch_list"]),
        node("TopK", ["patch_list", "top"], ["highest", "highest_place"], axis=1),
        node("ReduceMean", ["highest"], ["highest_mean"], axes=[1], keepdims=1),
        node("GlobalAveragePool", ["seen"], ["seen_mean"]),
        node("Flatten", ["seen_mean"], ["seen_list"]),
        node("Gemm", ["seen_list", "whole", "whole_bias"], ["whole_logit"], transB=1),
        node("Add", ["highest_mean", "whole_logit"], ["logit"]),
        node("Div", ["logit", "temperature"], ["logit_cooled"]),
        node("Sigmoid", ["logit_cooled"], ["score_column"]),
        node("Reshape", ["score_column", "score_shape"], ["score"]),
    ]


def _heatmap_nodes() -> list[NodeProto]:
    node = helper.make_node
    return [
        node("Sigmoid", ["patch_logits"], ["patch_scores"]),
        node("Reshape", ["patch_scores", "heatmap_shape"], ["heatmap"]),
    ]


def _head_constants(backbone: Backbone, head: HeadWeights) -> list[TensorProto]:
    arrays = {
        "mix": head.mix,
        "mix_bias": head.mix_bias,
        "near": head.near,
        "near_bias": head.near_bias,
        "patch": head.patch,
        "patch_bias": head.patch_bias,
        "whole": head.whole,
        "whole_bias": head.whole_bias,
        "top": np.asarray([head.top], dtype=np.int64),
        "temperature": np.float32(head.temperature),
        "score_shape": np.asarray([1], dtype=np.int64),
        "heatmap_shape": np.asarray([1, *backbone.face.heatmap], dtype=np.int64),
    }
    return [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]


def _output(name: str, shape: list[int]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
