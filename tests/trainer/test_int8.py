"""The hand-written int8 convolution against integer arithmetic."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from trainer.judge.session import open_session
from trainer.learn import int8, saturation

STEP, REACH = 0.02, 5.0


def net(kernel: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    """uint8 codes -> the convolution -> its values."""
    constants = int8.arrays("mix", kernel, bias, STEP, "own", REACH)
    constants |= {"step": np.asarray(STEP, np.float32), "nought": np.asarray(0, np.uint8)}
    front = helper.make_node("DequantizeLinear", ["codes", "step", "nought"], ["features"])
    graph = helper.make_graph(
        [front, *int8.convolution("mix", "features", "own")],
        "net",
        [helper.make_tensor_value_info("codes", TensorProto.UINT8, [1, 24, 5, 5])],
        [helper.make_tensor_value_info("own", TensorProto.FLOAT, [1, 16, 5, 5])],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


def draw() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    kernel = rng.normal(0, 0.1, (16, 24, 1, 1)).astype(np.float32)
    bias = rng.normal(0, 0.5, 16).astype(np.float32)
    return kernel, bias, rng.integers(0, 256, (1, 24, 5, 5), np.uint8)


def test_convolution_is_that_of_integers() -> None:
    kernel, bias, codes = draw()
    scale = np.abs(kernel).max(axis=(1, 2, 3)) / 64
    weights = np.rint(kernel / scale[:, None, None, None])[:, :, 0, 0]
    sums = (
        np.einsum("oc,ncyx->noyx", weights, codes) + np.rint(bias / (scale * STEP))[:, None, None]
    )
    wanted = np.clip(np.rint(sums * (scale * STEP)[:, None, None] / (REACH / 255)), 0, 255)
    (own,) = open_session(net(kernel, bias).SerializeToString()).run(None, {"codes": codes})
    off = np.rint(own / (REACH / 255)) - wanted
    assert abs(off).max() <= 1 and (off != 0).mean() < 0.01  # halves are rounded in float32
    assert own.max() > 0.5 and (own == 0).any()


def test_it_stays_close_to_float() -> None:
    kernel, bias, codes = draw()
    exact = np.einsum("oc,ncyx->noyx", kernel[:, :, 0, 0], codes * STEP) + bias[:, None, None]
    (own,) = open_session(net(kernel, bias).SerializeToString()).run(None, {"codes": codes})
    assert np.abs(own - np.clip(exact, 0, REACH)).max() < 0.1


def test_no_pair_of_weights_saturates_on_any_processor() -> None:
    kernel, bias, _ = draw()
    found = saturation.count(net(kernel, bias))
    assert found.pairs == 12 * 16 and found.may_saturate == 0


def test_channel_without_weights_does_not_divide_by_nought() -> None:
    kernel, bias, codes = draw()
    kernel[3] = 0
    (own,) = open_session(net(kernel, bias).SerializeToString()).run(None, {"codes": codes})
    assert np.isfinite(own).all()
