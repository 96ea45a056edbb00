"""A backbone made to fit the camera: another input size, one channel for grey pictures.

Both leave the weights as they are: convolutions have no size, and of a grey picture the three
channels are one, so their weights may be added up.
"""

from dataclasses import replace

import numpy as np
from onnx import ModelProto, numpy_helper
from onnx.shape_inference import InferenceError

from edge.core.errors import LinegateError
from trainer.learn.backbone import COARSE, FINE, Backbone, cut

CELL_PX = 16  # of an input, below one cell of the heatmap


def resized(backbone: Backbone, width_px: int, height_px: int) -> Backbone:
    """The same net for pictures of another size. Raises LinegateError if its graph has numbers in
    it that only fit the old one."""
    if width_px % CELL_PX or height_px % CELL_PX:
        raise LinegateError(
            f"an input of {width_px}x{height_px}: both must be multiples of {CELL_PX}"
        )
    model = _copy(backbone.model)
    _set_input(model, backbone.channels, height_px, width_px)
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    refusal = f"backbone {backbone.name} cannot take {width_px}x{height_px} pictures"
    try:
        net = cut(model, backbone.name, (FINE, COARSE))
    except (InferenceError, LinegateError) as error:
        raise LinegateError(f"{refusal}: {error}") from error
    if net.shape(COARSE)[1:] != (height_px // CELL_PX, width_px // CELL_PX):
        raise LinegateError(f"{refusal}: its graph holds the size of its maps as a number")
    return replace(net, procedural=backbone.procedural)


def grey(backbone: Backbone) -> Backbone:
    """The same net for one channel; exact for grey pictures. A grey net stays as it is."""
    if backbone.channels == 1:
        return backbone
    model = _copy(backbone.model)
    (first,) = (node for node in model.graph.node if "image" in node.input)
    if first.op_type != "Conv":
        raise LinegateError(
            f"backbone {backbone.name} begins with {first.op_type}, not with a convolution: it "
            "cannot be made grey"
        )
    weights = next(w for w in model.graph.initializer if w.name == first.input[1])
    summed = numpy_helper.to_array(weights).sum(axis=1, keepdims=True)
    weights.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(summed), weights.name))
    _set_input(model, 1, backbone.height_px, backbone.width_px)
    return replace(backbone, model=model, channels=1)


def _set_input(model: ModelProto, channels: int, height_px: int, width_px: int) -> None:
    shape = model.graph.input[0].type.tensor_type.shape
    for place, size in enumerate((1, channels, height_px, width_px)):
        shape.dim[place].dim_value = size


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy
