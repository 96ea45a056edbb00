"""Biases that take back what rounding the weights shifts, on a net of two convolutions."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trainer.judge.session import open_session
from trainer.learn.correction import correct

pytestmark = pytest.mark.torch

STEP = 0.05  # of the rounded weights: coarse


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """A full convolution 3 -> 4, and a depthwise one."""
    rng = np.random.default_rng(seed)
    return {
        "w0": rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
        "b0": rng.normal(0, 1, 4).astype(np.float32),
        "w1": rng.normal(0, 0.3, (4, 1, 3, 3)).astype(np.float32),
        "b1": rng.normal(0, 1, 4).astype(np.float32),
    }


def model(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 24, 24])
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("y0", "y1")]
    arrays = [numpy_helper.from_array(a, name) for name, a in constants.items()]
    graph = helper.make_graph(nodes, "net", [image], outputs, arrays)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    return made


def exact(net: dict[str, np.ndarray]) -> onnx.ModelProto:
    return model(
        [
            helper.make_node("Conv", ["image", "w0", "b0"], ["y0"]),
            helper.make_node("Conv", ["y0", "w1", "b1"], ["y1"], group=4),
        ],
        net,
    )


def rounded(net: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The same in QDQ form: weights on a coarse grid, biases as int32 on a fine one."""
    constants: dict[str, np.ndarray] = {}
    nodes = []
    for n, (reads, group) in enumerate([("image", 1), ("y0", 4)]):
        for name, step, kind in ((f"w{n}", STEP, np.int8), (f"b{n}", 1e-4, np.int32)):
            constants[f"{name}_quantized"] = np.rint(net[name] / step).astype(kind)
            constants[f"{name}_scale"] = np.full(4, step, np.float32)
            constants[f"{name}_zero"] = np.zeros(4, kind)
            parts = [f"{name}_{part}" for part in ("quantized", "scale", "zero")]
            nodes.append(helper.make_node("DequantizeLinear", parts, [f"{name}_back"], axis=0))
        inputs = [reads, f"w{n}_back", f"b{n}_back"]
        nodes.append(helper.make_node("Conv", inputs, [f"y{n}"], group=group))
    return model(nodes, constants)


def pictures(seed: int, n: int = 12) -> list[np.ndarray]:
    """Bright ones, so that what is off by little adds up."""
    rng = np.random.default_rng(seed)
    return [(2 + rng.normal(0, 0.5, (1, 3, 24, 24))).astype(np.float32) for _ in range(n)]


def shifts(ours: onnx.ModelProto, theirs: onnx.ModelProto) -> list[float]:
    """The largest mean error of a channel, after each layer, on pictures of another draw."""
    sessions = [open_session(m.SerializeToString()) for m in (ours, theirs)]
    errors = [
        [a - b for a, b in zip(*(s.run(None, {"image": x}) for s in sessions), strict=True)]
        for x in pictures(seed=2)
    ]
    return [
        float(np.abs(np.mean(layer, axis=0).mean(axis=(0, 2, 3))).max())
        for layer in zip(*errors, strict=True)
    ]


def test_corrected_biases_take_the_shift_away() -> None:
    net = weights()
    before = shifts(rounded(net), exact(net))
    after = shifts(correct(rounded(net), exact(net), pictures(seed=1)), exact(net))
    assert before[0] > 0.1 and before[1] > 0.1
    assert after[0] < before[0] / 10 and after[1] < before[1] / 10


def test_weights_and_the_net_that_was_given_stay_as_they_are() -> None:
    net = weights()
    given = rounded(net)
    kept = given.SerializeToString()
    corrected = correct(given, exact(net), pictures(seed=1))
    assert given.SerializeToString() == kept
    for old, new in zip(given.graph.initializer, corrected.graph.initializer, strict=True):
        assert (old == new) == (not old.name.startswith("b") or not old.name.endswith("quantized"))


def test_weights_that_are_exact_need_no_correction() -> None:
    net = {name: (np.rint(w / STEP) * STEP).astype(np.float32) for name, w in weights().items()}
    given = rounded(net)
    corrected = correct(given, exact(net), pictures(seed=1))
    for old, new in zip(given.graph.initializer, corrected.graph.initializer, strict=True):
        difference = numpy_helper.to_array(old) - numpy_helper.to_array(new)
        assert np.abs(difference.astype(float)).max() <= 1
