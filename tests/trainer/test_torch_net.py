"""A net as torch computes it is the net that ONNX Runtime computes, before training and after."""

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge.core.errors import LinegateError
from trainer.judge.session import open_session
from trainer.learn import backbone, torch_net
from trainer.learn.torch_net import TorchNet

pytestmark = pytest.mark.torch
SIDE_PX = 32


class Builder:
    """Grows a net by one random layer at a time."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.name, self.channels = "image", 3

    def constant(self, array: Any) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def random(self, *shape: int) -> str:
        return self.constant(self.rng.normal(0, 0.4, shape).astype(np.float32))

    def conv(self, stride: int) -> str:
        groups = int(self.rng.choice([1, self.channels]))
        width = self.channels * 2 if groups > 1 else int(self.rng.integers(4, 9))
        kernel = self.random(width, self.channels // groups, 3, 3)
        bias = [self.random(width)] if self.rng.random() < 0.7 else []
        pads = [0, 0, 1, 1] if stride == 2 and self.rng.random() < 0.5 else [1, 1, 1, 1]
        self.channels = width
        return self.add(
            "Conv", self.name, kernel, *bias, strides=[stride] * 2, pads=pads, group=groups
        )

    def layer(self, kind: str) -> str:
        x, zero, six = self.name, np.float32(0), np.float32(6)
        pad = np.asarray([0, 0, 1, 0, 0, 0, 0, 1])
        back = {"kernel_shape": [2, 2], "strides": [1, 1]}
        return {
            "relu": lambda: self.add("Relu", x),
            "relu6": lambda: self.add("Clip", x, self.constant(zero), self.constant(six)),
            "floor": lambda: self.add("Clip", x, self.constant(np.float32(-0.5))),
            "leaky": lambda: self.add("LeakyRelu", x, alpha=0.1),
            "hard": lambda: self.add("HardSwish", x),
            "squeeze": lambda: self.add(
                "Mul", x, self.add("HardSigmoid", self.add("GlobalAveragePool", x), alpha=0.3)
            ),
            "sum": lambda: self.add("Add", x, self.add("Sigmoid", x)),
            "less": lambda: self.add("Sub", x, self.constant(np.float32([[[[0.5]]]]))),
            "norm": lambda: self.norm(x),
            "twice": lambda: self.twice(x),
            "max": lambda: self.add("MaxPool", x, pads=[0, 0, 1, 1], **back),
            "mean": lambda: self.add(
                "AveragePool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]
            ),
            "zeros": lambda: self.add(
                "AveragePool", self.add("Pad", x, self.constant(pad), self.constant(zero)), **back
            ),
            "mirror": lambda: self.add(
                "AveragePool", self.add("Pad", x, self.constant(pad), mode="reflect"), **back
            ),
        }[kind]()

    def norm(self, x: str) -> str:
        spread = self.constant(self.rng.uniform(0.5, 2, self.channels).astype(np.float32))
        gain, shift, mean = (self.random(self.channels) for _ in range(3))
        return self.add("BatchNormalization", x, gain, shift, mean, spread, epsilon=1e-3)

    def twice(self, x: str) -> str:
        self.channels *= 2
        return self.add("Concat", x, self.add("Identity", x), axis=1)

    def model(self) -> onnx.ModelProto:
        picture = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 32, 32])
        last = helper.make_tensor_value_info(self.name, TensorProto.FLOAT, [1, self.channels, 2, 2])
        graph = helper.make_graph(self.nodes, "random", [picture], [last], self.weights)
        return backbone.fresh_model(graph)


KINDS = (
    "relu", "relu6", "floor", "leaky", "hard", "squeeze", "sum", "less", "norm", "twice", "max",
    "mean", "zeros", "mirror",
)  # fmt: skip


def net(seed: int, kinds: list[str]) -> backbone.Backbone:
    """Four strided convolutions, each followed by some of the layers."""
    builder = Builder(seed)
    for place in range(4):
        builder.name = builder.conv(stride=2)
        for kind in kinds[place::4]:
            builder.name = builder.layer(kind)
    return backbone.cut(builder.model(), "random")


def taps(model: onnx.ModelProto, picture: np.ndarray) -> list[np.ndarray]:
    return open_session(model.SerializeToString()).run(["fine", "coarse"], {"image": picture})  # type: ignore[no-any-return]


@given(st.integers(0, 10**6), st.lists(st.sampled_from(KINDS), max_size=10))
@settings(max_examples=20, deadline=None)
def test_torch_computes_what_the_runtime_computes_also_after_training(
    seed: int, kinds: list[str]
) -> None:
    own = net(seed, kinds)
    waist = torch_net.waist(own.model)
    stem, layers = (
        TorchNet(own.model, "image", [waist]),
        TorchNet(own.model, waist, ["fine", "coarse"]),
    )
    picture = np.random.default_rng(seed).normal(0, 0.5, (1, 3, SIDE_PX, SIDE_PX))
    picture = picture.astype(np.float32)

    def compare(model: onnx.ModelProto) -> None:
        with torch.no_grad():
            computed = layers(*stem(torch.from_numpy(picture)))
        for one, other in zip(computed, taps(model, picture), strict=True):
            scale = max(1.0, float(abs(other).max()))
            assert one.numpy() / scale == pytest.approx(other / scale, abs=1e-4)

    compare(own.model)
    with torch.no_grad():
        for weights in layers.parameters():
            weights *= 1.1
    trained = torch_net.rewritten(own.model, layers)
    compare(trained)
    assert trained != own.model
    assert trained.graph.node == own.model.graph.node


def test_stem_ends_before_the_last_convolution_of_stride_8(tiny_backbone: Any) -> None:
    own = backbone.load(tiny_backbone)
    assert torch_net.waist(own.model) == "map0"
    layers = TorchNet(own.model, "map0", ["fine", "coarse"])
    assert layers.names == ["w1", "w2"]
    assert len(list(layers.buffers())) == 0


def test_shorter_stem_ends_before_the_convolution_that_leaves_stride_4() -> None:
    builder, maps = Builder(0), []
    for _ in range(4):
        builder.name = builder.conv(stride=2)
        maps.append(builder.name)
    own = backbone.cut(builder.model(), "plain")
    assert torch_net.waist(own.model, 4) == maps[1]
    assert torch_net.waist(own.model, 8) == maps[1]  # its one map of stride 8 is the tap itself
    layers = TorchNet(own.model, torch_net.waist(own.model, 2), ["fine", "coarse"])
    assert layers.source == maps[0]


def test_layer_beside_a_sum_is_no_place_to_cut() -> None:
    """The sum reads the stem a second time: cut before both."""
    builder = Builder(0)
    for _ in range(3):
        builder.name = builder.conv(stride=2)
    before = builder.name
    kernel = builder.random(builder.channels, builder.channels, 1, 1)
    builder.name = builder.add("Conv", builder.name, kernel)
    builder.name = builder.add("Add", builder.add("Conv", builder.name, kernel), before)
    builder.name = builder.conv(stride=2)
    assert torch_net.waist(backbone.cut(builder.model(), "sums").model) == before


def test_first_op_that_cannot_be_trained_is_named() -> None:
    builder = Builder(0)
    for _ in range(3):
        builder.name = builder.conv(stride=2)
    builder.name = builder.add("Softplus", builder.add("Erf", builder.name))
    builder.name = builder.conv(stride=2)
    own = backbone.cut(builder.model(), "odd")
    with pytest.raises(LinegateError, match=r"node 't3' is a Erf, which cannot be trained"):
        TorchNet(own.model, torch_net.waist(own.model), ["fine", "coarse"])
