"""From a float backbone to static int8 that eats the camera's bytes.

QDQ, uint8 activations, int8 weights per channel, MinMax over training pictures; biases take back
what the rounding shifts (`correction`). Then a graph edit: the float input and its QuantizeLinear
make way for uint8 NHWC -> Transpose -> the existing DequantizeLinear with scale 1/128 and zero
point 128, which *is* (x - 128) / 128: normalisation costs nothing, and the box sends bytes. See
`stem` for the first layer's form.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from edge.core.errors import LinegateError
from edge.core.preprocess import Image
from trainer.learn import saturation
from trainer.learn.backbone import Backbone, fresh_model
from trainer.learn.correction import correct
from trainer.learn.stacked import stacked
from trainer.learn.stem import by_words

SCALE, ZERO_POINT = 1 / 128, 128  # of the input: (x - 128) / 128
# Told, not calibrated: the first bias must lie on the grid of the sums over what the box sends, or
# ONNX Runtime computes it wrongly, or leaves the layer in float.
INPUT_GRID = {"scale": np.array(SCALE, np.float32), "zero_point": np.array(ZERO_POINT, np.uint8)}


def quantize(backbone: Backbone, pictures: Iterable[Image], full_range: bool) -> ModelProto:
    """Return the int8 net `image` uint8 [1,H,W,C] -> `features` and taps (see `stacked`; float, on
    the int8 grid).

    `pictures` are some 100 inputs [1,H,W,C] for calibration. `full_range` uses all 8 bits of the
    weights: only for processors with VNNI or Arm; elsewhere 16-bit sums of the kernels saturate.
    Raises LinegateError if they could though it was not asked for.
    """
    inputs = [as_float(picture) for picture in pictures]
    with tempfile.TemporaryDirectory() as folder:
        source, ready, result = (Path(folder) / f"{n}.onnx" for n in ("float", "ready", "int8"))
        onnx.save(stacked(backbone), str(source))
        quant_pre_process(str(source), str(ready))
        quantize_static(
            str(ready),
            str(result),
            _Calibration(inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=not full_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"TensorQuantOverrides": {"image": [INPUT_GRID]}},
        )
        model = correct(onnx.load(str(result)), onnx.load(str(ready)), inputs)
    model = by_words(eat_bytes(model, backbone))
    saturation.check(model, full_range)
    return model


def float_twin(backbone: Backbone) -> ModelProto:
    """The float net behind the same face, to compare with."""
    model = stacked(backbone)
    nodes = [
        helper.make_node("Transpose", ["image"], ["image_nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["image_nchw"], ["bytes_float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["bytes_float", "bytes_zero"], ["bytes_centred"]),
        helper.make_node("Mul", ["bytes_centred", "bytes_scale"], ["bytes_normal"]),
    ]
    constants = {"bytes_zero": np.float32(ZERO_POINT), "bytes_scale": np.float32(SCALE)}
    return _with_front(model.graph, backbone, nodes, constants, {"image": "bytes_normal"})


def eat_bytes(model: ModelProto, backbone: Backbone) -> ModelProto:
    """The graph edit: uint8 NHWC in front of a QDQ net with the float input `image`."""
    quantizers = [
        n for n in model.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == "image"
    ]
    if len(quantizers) != 1 or _readers(model.graph, "image") != 1:
        raise LinegateError("the quantised net does not begin with one QuantizeLinear")
    codes = quantizers[0].output[0]
    model.graph.node.remove(quantizers[0])
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] == codes:
            node.input[1:] = ["bytes_scale", "bytes_zero"]
    nodes = [helper.make_node("Transpose", ["image"], ["image_nchw"], perm=[0, 3, 1, 2])]
    constants: dict[str, np.generic] = {
        "bytes_scale": np.float32(SCALE),
        "bytes_zero": np.uint8(ZERO_POINT),
    }
    return _with_front(model.graph, backbone, nodes, constants, {codes: "image_nchw"})


def _with_front(
    graph: GraphProto,
    backbone: Backbone,
    nodes: list[onnx.NodeProto],
    constants: Mapping[str, np.generic],
    rewire: dict[str, str],
) -> ModelProto:
    """Put nodes that read uint8 `image` in front of a graph, and rewire its old input."""
    for node in graph.node:
        node.input[:] = [rewire.get(name, name) for name in node.input]
    shape = list(backbone.face.input_shape)
    return fresh_model(
        helper.make_graph(
            [*nodes, *graph.node],
            "linegate",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
            list(graph.output),
            [*graph.initializer, *(_constant(k, v) for k, v in constants.items())],
        )
    )


def _constant(name: str, value: np.generic) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def _readers(graph: GraphProto, name: str) -> int:
    return sum(name in node.input for node in graph.node)


def as_float(image: Image) -> NDArray[np.float32]:
    """uint8 [1,H,W,C] as the float backbone's input [1,C,H,W]."""
    centred = (image.astype(np.float32) - np.float32(ZERO_POINT)) * np.float32(SCALE)
    return np.ascontiguousarray(centred.transpose(0, 3, 1, 2))


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    """ONNX Runtime's way to be handed pictures."""

    def __init__(self, inputs: Iterable[NDArray[np.float32]]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        image = next(self._inputs, None)
        return None if image is None else {"image": image}
