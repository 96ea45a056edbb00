"""The first layer seen as words: the very numbers of the layer as it was."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from trainer.judge.session import open_session
from trainer.learn.stem import by_words

HEIGHT, WIDTH = 32, 48


def constant(name: str, array: Any) -> TensorProto:
    return numpy_helper.from_array(np.asarray(array), name)


def net(
    channels: int, pads: Sequence[int], stride: int = 2, width: int = WIDTH, kernel: int = 3
) -> ModelProto:
    """uint8 picture -> 3x3 convolution to 6 channels, relu -> pointwise to 2, as QDQ."""
    rng = np.random.default_rng(channels)
    node = helper.make_node
    nodes = [node("Transpose", ["image"], ["nchw"], perm=[0, 3, 1, 2])]
    weights: list[TensorProto] = []

    def grid(name: str, *values: Any) -> list[str]:
        weights.extend(
            constant(f"{name}_{n}", v)
            for n, v in zip(("codes", "scale", "zero"), values, strict=False)
        )
        return [f"{name}_{n}" for n, _ in zip(("codes", "scale", "zero"), values, strict=False)]

    def layer(source: str, n: int, shape: tuple[int, ...], step: float, **told: Any) -> str:
        scale = rng.uniform(0.001, 0.003, shape[0]).astype(np.float32)
        codes = rng.integers(-64, 65, shape).astype(np.int8)
        w = grid(f"w{n}", codes, scale, np.zeros(shape[0], np.int8))
        bias = rng.integers(-500, 500, shape[0]).astype(np.int32)
        b = grid(f"b{n}", bias, scale * np.float32(step), np.zeros(shape[0], np.int32))
        nodes.append(node("DequantizeLinear", w, [f"w{n}"], axis=0))
        nodes.append(node("DequantizeLinear", b, [f"b{n}"], axis=0))
        nodes.append(node("Conv", [source, f"w{n}", f"b{n}"], [f"y{n}"], **told))
        nodes.append(node("Relu", [f"y{n}"], [f"r{n}"]))
        out = grid(f"q{n}", np.float32(0.01), np.uint8(0))
        nodes.append(node("QuantizeLinear", [f"r{n}", *out], [f"c{n}"]))
        nodes.append(node("DequantizeLinear", [f"c{n}", *out], [f"d{n}"]))
        return f"d{n}"

    front = grid("image", np.float32(1 / 128), np.uint8(128))
    nodes.append(node("DequantizeLinear", ["nchw", *front], ["d"]))
    shape = (6, channels, kernel, kernel)
    one = layer("d", 1, shape, 1 / 128, strides=[stride] * 2, pads=list(pads))
    two = layer(one, 2, (2, 6, 1, 1), 0.01)
    size = [(HEIGHT + pads[0] + pads[2] - kernel) // stride + 1]
    size += [(width + pads[1] + pads[3] - kernel) // stride + 1]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, HEIGHT, width, channels])],
        [helper.make_tensor_value_info(two, TensorProto.FLOAT, [1, 2, *size])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


def answers(model: ModelProto, pictures: np.ndarray) -> list[np.ndarray]:
    session = open_session(model.SerializeToString())
    return [session.run(None, {"image": picture[None]})[0] for picture in pictures]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pads", [(0, 0, 1, 1), (1, 1, 1, 1), (1, 1, 0, 0)])
def test_layer_of_words_answers_to_the_bit(channels: int, pads: tuple[int, ...]) -> None:
    old = net(channels, pads)
    new = by_words(old)
    assert [n.op_type for n in new.graph.node].count("Reshape") == 2
    onnx.checker.check_model(new, full_check=True)
    rng = np.random.default_rng(9)
    pictures = rng.integers(0, 256, (4, HEIGHT, WIDTH, channels), np.uint8)
    for one, other in zip(answers(old, pictures), answers(new, pictures), strict=True):
        assert np.array_equal(one, other) and np.ptp(one) > 0


@pytest.mark.parametrize(
    "other",
    [
        net(3, (1, 1, 1, 1), stride=1),
        net(3, (1, 1, 1, 1), width=42),  # a row is no whole number of words
        net(4, (1, 1, 1, 1)),  # fast as it is
    ],
)
def test_other_first_layers_are_left_alone(other: ModelProto) -> None:
    assert by_words(other) is other


def test_five_by_five_window_with_wide_pads() -> None:
    old = net(3, (2, 2, 2, 2), kernel=5)
    new = by_words(old)
    assert new is not old
    pictures = np.random.default_rng(2).integers(0, 256, (2, HEIGHT, WIDTH, 3), np.uint8)
    for one, other in zip(answers(old, pictures), answers(new, pictures), strict=True):
        assert np.array_equal(one, other)


def test_the_first_layer_must_eat_the_picture() -> None:
    model = net(3, (1, 1, 1, 1))
    model.graph.node[0].op_type = "Identity"
    assert isinstance(by_words(model), ModelProto) and by_words(model) is model
