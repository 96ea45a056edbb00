"""The int8 backbone and its graph edit, on a net of three layers."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.core.errors import LinegateError
from trainer import training
from trainer.judge.session import open_session
from trainer.learn import backbone
from trainer.learn.backbone import Backbone
from trainer.learn.quantize import as_float, eat_bytes, float_twin, quantize

pytestmark = pytest.mark.torch


@pytest.fixture
def net(tiny_backbone: Path) -> Backbone:
    return backbone.load(tiny_backbone)


@pytest.fixture
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (1, 64, 64, 1), np.uint8) for _ in range(20)]


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    return open_session(model.SerializeToString())


def test_taps_are_the_last_maps_at_stride_8_and_16(net: Backbone) -> None:
    assert net.shape("fine") == (8, 8, 8) and net.shape("coarse") == (12, 4, 4)
    assert net.face.input_shape == (1, 64, 64, 1) and net.ratio == 2


def test_unknown_tap_is_refused_by_name(tiny_backbone: Path) -> None:
    with pytest.raises(LinegateError, match="no tensor 't95'"):
        backbone.load(tiny_backbone, ("t95", "map2"))


def test_file_that_is_no_net_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"not a net")
    with pytest.raises(LinegateError, match="not an ONNX file"):
        backbone.load(tmp_path / "net.onnx")


def test_int8_net_eats_bytes_and_stays_close_to_float(
    net: Backbone, pictures: list[np.ndarray]
) -> None:
    int8 = session(quantize(net, pictures, full_range=False))
    twin = session(float_twin(net))
    assert int8.get_inputs()[0].type == "tensor(uint8)"
    for picture in pictures[:3]:
        for ours, exact in zip(
            int8.run(None, {"image": picture}), twin.run(None, {"image": picture}), strict=True
        ):
            assert np.corrcoef(ours.ravel(), exact.ravel())[0, 1] > 0.98


def test_every_bias_lies_on_the_grid_of_its_sums_whatever_the_pictures_reach(
    pictures: list[np.ndarray],
) -> None:
    """What is calibrated on grey pictures is sent bytes from 0 to 255 all the same."""
    ours = training.backbone(training.Options(size_px=(64, 64), grey=True))
    model = quantize(ours, [60 + picture // 4 for picture in pictures[:4]], full_range=False)
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    carriers = {n.output[0]: n for n in model.graph.node if n.op_type == "DequantizeLinear"}
    biased = [n for n in model.graph.node if n.op_type == "Conv" and len(n.input) == 3]
    assert any(carriers[n.input[0]].input[1] == "bytes_scale" for n in biased)
    for node in biased:
        picture, kernel, bias = (constants[carriers[name].input[1]] for name in node.input)
        np.testing.assert_allclose(bias, picture * kernel, rtol=1e-6)


def test_graph_edit_changes_no_answer(net: Backbone, pictures: list[np.ndarray]) -> None:
    """Bytes in = floats (x - 128)/128 in, through the QuantizeLinear that was cut out."""
    bytes_in = quantize(net, pictures, full_range=False)
    floats_in = onnx.ModelProto()
    floats_in.CopyFrom(bytes_in)
    front = floats_in.graph.node[0]
    assert front.op_type == "Transpose"
    front.CopyFrom(
        helper.make_node("QuantizeLinear", ["image", "bytes_scale", "bytes_zero"], front.output)
    )
    floats_in.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 64, 64])
    )
    ours, theirs = session(bytes_in), session(floats_in)
    for picture in pictures[:5]:
        for one, other in zip(
            ours.run(None, {"image": picture}),
            theirs.run(None, {"image": as_float(picture)}),
            strict=True,
        ):
            assert np.array_equal(one, other)


def test_normalisation_is_that_of_the_backbones() -> None:
    grey = np.array([[[[0]], [[128]], [[255]]]], np.uint8)
    assert as_float(grey).ravel().tolist() == [-1.0, 0.0, 127 / 128]


def test_weights_keep_one_bit_free_unless_the_full_range_is_asked_for(
    net: Backbone, pictures: list[np.ndarray]
) -> None:
    def widest(full_range: bool) -> int:
        model = quantize(net, pictures, full_range)
        arrays = [onnx.numpy_helper.to_array(i) for i in model.graph.initializer]
        return max(int(abs(a.astype(int)).max()) for a in arrays if a.dtype == np.int8 and a.ndim)

    assert widest(full_range=False) <= 64
    assert widest(full_range=True) == 127


def test_net_without_a_quantised_input_is_refused(net: Backbone) -> None:
    with pytest.raises(LinegateError, match="does not begin with one QuantizeLinear"):
        eat_bytes(net.model, net)
