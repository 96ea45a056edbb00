import numpy as np
import pytest
from bundles import make_model
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, load_from_string
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

from edge.core.errors import ModelRefused
from edge.core.manifest import MAX_MODEL_BYTES, Face
from edge.predict.onnx_check import check_onnx

FACE = Face(height_px=64, width_px=64, colour="rgb", heatmap=(8, 8), embedding=16)
GOOD = make_model(FACE)


def _float(name, shape=(1,)):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _with_node(node, **extra) -> bytes:
    graph = helper.make_graph([node], "g", [_float("x")], [_float("y")])
    return helper.make_model(graph, **extra).SerializeToString()


def _changed(change) -> bytes:
    model = load_from_string(GOOD)
    change(model)
    return model.SerializeToString()


def _external(model: ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _external_entry_alone(model: ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="weights.bin")


def _external_in_constant(model: ModelProto) -> None:
    tensor = helper.make_tensor("c", TensorProto.FLOAT, [1], [0.0])
    tensor.data_location = TensorProto.EXTERNAL
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def _external_in_sparse(model: ModelProto) -> None:
    sparse = model.graph.sparse_initializer.add()
    sparse.values.data_location = TensorProto.EXTERNAL


def _function(model: ModelProto) -> None:
    opset = [helper.make_opsetid("", 17)]
    body = [helper.make_node("Identity", ["a"], ["b"])]
    model.functions.append(helper.make_function("own", "f", ["a"], ["b"], body, opset))


def _training(model: ModelProto) -> None:
    model.training_info.add().algorithm.name = "sgd"


def _branch() -> bytes:
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["b"])], "b", [], [_float("b")])
    return _with_node(helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))


def test_plain_model_passes():
    check_onnx(GOOD)


def test_static_int8_model_passes_although_it_imports_unused_domains(tmp_path):
    class Reader(CalibrationDataReader):
        left = 2

        def get_next(self):
            self.left -= 1
            return {"x": np.ones((1, 4), np.float32)} if self.left >= 0 else None

    weight = helper.make_tensor("w", TensorProto.FLOAT, [4, 4], np.eye(4).ravel())
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [_float("x", (1, 4))],
        [_float("y", (1, 4))],
        [weight],
    )
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    plain, int8 = tmp_path / "f.onnx", tmp_path / "q.onnx"
    plain.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    )
    quantize_static(plain, int8, Reader(), quant_format=QuantFormat.QDQ)
    content = int8.read_bytes()
    assert b"QuantizeLinear" in content
    check_onnx(content)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (_changed(_external), "external data"),
        (_changed(_external_entry_alone), "external data"),
        (_changed(_external_in_constant), "external data"),
        (_changed(_external_in_sparse), "external data"),
        (_changed(_function), "functions"),
        (_changed(_training), "training"),
        (_branch(), "sub-graph"),
        (_with_node(helper.make_node("Evil", ["x"], ["y"], domain="com.evil")), "com.evil"),
        (_with_node(helper.make_node("FusedConv", ["x"], ["y"], domain="com.microsoft")), "micro"),
        (_with_node(helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml")), "ai.onnx.ml"),
        (b"", "no graph"),
        (b"GIF89a, surely no model", "not an ONNX file"),
        (GOOD[:-1], "not an ONNX file"),
        (GOOD[: len(GOOD) // 2], "not an ONNX file"),
        (b"\x38\x01", "is a number"),
        (b"\xff" * 11, "64 bits"),
        (bytes(MAX_MODEL_BYTES + 1), "more than"),
    ],
)
def test_unsafe_file_is_refused_with_its_reason(model, why):
    with pytest.raises(ModelRefused, match=why):
        check_onnx(model)


def test_external_flag_hidden_behind_a_second_graph_field_is_found():
    """Protobuf merges repeated single messages; so must the check."""
    hidden = load_from_string(GOOD)
    _external(hidden)
    model = ModelProto(graph=hidden.graph).SerializeToString()
    with pytest.raises(ModelRefused, match="external"):
        check_onnx(GOOD + model)


def test_number_of_fields_is_bounded():
    with pytest.raises(ModelRefused, match="too many fields"):
        check_onnx(GOOD, max_fields=50)


@given(st.binary(max_size=400))
def test_random_bytes_raise_nothing_but_model_refused(content):
    with pytest.raises(ModelRefused):
        check_onnx(content)


@settings(max_examples=300)
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=8), st.integers(0, 8))
def test_damaged_model_raises_nothing_but_model_refused(at, inserted, removed):
    damaged = GOOD[:at] + inserted + GOOD[at + removed :]
    try:
        check_onnx(damaged)
    except ModelRefused as refused:
        assert str(refused)
