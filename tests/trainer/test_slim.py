"""Channels that others can speak for, in a net that widens, looks around and narrows."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from trainer.judge.session import open_session
from trainer.learn.slim import blocks, slim

WIDE = 48


def net(doubled: int, tapped: bool = False) -> ModelProto:
    """3 channels -> 48 -> depthwise -> 5; the last `doubled` wide channels repeat the first."""
    rng = np.random.default_rng(8)
    source = np.arange(WIDE) % (WIDE - doubled)
    arrays = {
        "wide": rng.normal(0, 0.5, (WIDE, 3, 1, 1))[source],
        "wide_bias": rng.normal(0, 0.2, WIDE)[source],
        "look": rng.normal(0, 0.5, (WIDE, 1, 3, 3))[source],
        "look_bias": rng.normal(0, 0.2, WIDE)[source],
        "narrow": rng.normal(0, 0.5, (5, WIDE, 1, 1)),
        "narrow_bias": rng.normal(0, 0.2, 5),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "wide", "wide_bias"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "look", "look_bias"], ["c"], group=WIDE, pads=[1] * 4),
        node("Relu", ["c"], ["d"]),
        node("Conv", ["d", "narrow", "narrow_bias"], ["out"]),
    ]
    names = {"out": 5, "b": WIDE} if tapped else {"out": 5}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 16, 16])
            for n, c in names.items()
        ],
        [numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


@pytest.fixture
def inputs() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, 1, (1, 3, 16, 16)).astype(np.float32) for _ in range(12)]


def width(model: ModelProto) -> int:
    return next(int(t.dims[0]) for t in model.graph.initializer if t.name == "look")


def out(model: ModelProto, image: np.ndarray) -> np.ndarray:
    answer: np.ndarray = open_session(model.SerializeToString()).run(["out"], {"image": image})[0]
    return answer


def test_repeated_channels_go_and_no_answer_changes(inputs: list[np.ndarray]) -> None:
    model = net(doubled=16)
    small = slim(model, inputs[:10], loss=1e-6)
    onnx.checker.check_model(small, full_check=True)
    assert width(small) == 32
    assert out(small, inputs[11]) == pytest.approx(out(model, inputs[11]), abs=1e-2)


def test_no_more_is_lost_than_was_allowed(inputs: list[np.ndarray]) -> None:
    model = net(doubled=0)
    small = slim(model, inputs, loss=0.05)
    pairs = [(out(model, image), out(small, image)) for image in inputs]
    before, after = (np.concatenate(side) for side in zip(*pairs, strict=True))
    lost = ((before - after) ** 2).mean() / before.var(axis=(0, 2, 3)).mean()
    assert width(small) < WIDE and 0 < lost <= 0.05


def test_nothing_is_dropped_where_nothing_may_be_lost(inputs: list[np.ndarray]) -> None:
    assert width(slim(net(doubled=0), inputs, loss=0.0)) == WIDE


def test_taps_keep_their_channels() -> None:
    assert blocks(net(doubled=16, tapped=True).graph) == []
