"""The shape of our own backbone: a plain net of 3x3 convolutions, and its way to ONNX.

Dense int8 kernels run fast on small boxes, and few wide layers learn in minutes on two cores.
"""

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.learn.backbone import COARSE, FINE, NARROW, PROCEDURAL, Backbone, fresh_model

# (channels, stride) of each layer; a layer that keeps its shape adds its input to its output.
LAYERS = (
    (16, 2),
    (32, 2),
    (32, 1),
    (64, 2),
    (64, 1),
    (64, 1),
    (160, 2),
    (160, 1),
    (160, 1),
)
FINE_LAYER, COARSE_LAYER = 5, 8  # the last ones at stride 8 and at stride 16
WIDE_FINE, WIDE_COARSE = 160, 480  # channels a head reads: many simple questions, 1x1 and cheap
NARROW_FINE, NARROW_COARSE = f"{NARROW}0", f"{NARROW}1"


class Layer(nn.Module):  # type: ignore[misc]
    """Convolution, batch norm, relu; plus the input where the shape allows it."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1, side: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, side, stride, side // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.stride, self.side = stride, side
        self.adds = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.conv(x)))
        return x + y if self.adds else y

    def folded(self) -> tuple[np.ndarray, np.ndarray]:
        """(weights, bias) of the convolution with the batch norm's running statistics in it."""
        gain = self.norm.weight.double() / (self.norm.running_var.double() + self.norm.eps).sqrt()
        weights = self.conv.weight.double() * gain.view(-1, 1, 1, 1)
        bias = self.norm.bias.double() - self.norm.running_mean.double() * gain
        return _array(weights), _array(bias)


class Trunk(nn.Module):  # type: ignore[misc]
    """Pictures [n, C, H, W], (x - 128) / 128, to wide maps of stride 8 and of stride 16. The
    narrow maps that these are made of feed the memory of good parts."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.channels = channels_in
        widths = [channels_in, *(channels for channels, _ in LAYERS)]
        self.layers = nn.ModuleList(
            Layer(before, channels, stride)
            for before, (channels, stride) in zip(widths, LAYERS, strict=False)
        )
        self.wide_fine = Layer(LAYERS[FINE_LAYER][0], WIDE_FINE, side=1)
        self.wide_coarse = Layer(LAYERS[COARSE_LAYER][0], WIDE_COARSE, side=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(fine, coarse)."""
        fine = x
        for number, layer in enumerate(self.layers):
            x = layer(x)
            fine = x if number == FINE_LAYER else fine
        return self.wide_fine(fine), self.wide_coarse(x)


def export(trunk: Trunk, name: str, height_px: int, width_px: int) -> Backbone:
    """The layers as ONNX, batch norm folded: `image` [1, C, H, W] -> `fine`, `coarse` and the two
    narrow maps."""
    maps = ["image", *(f"map{number}" for number in range(len(LAYERS)))]
    maps[FINE_LAYER + 1], maps[COARSE_LAYER + 1] = NARROW_FINE, NARROW_COARSE
    steps = list(zip(trunk.layers, maps, maps[1:], strict=False))
    steps += [(trunk.wide_fine, NARROW_FINE, FINE), (trunk.wide_coarse, NARROW_COARSE, COARSE)]
    nodes: list[NodeProto] = []
    weights: list[TensorProto] = []
    for number, (layer, before, out) in enumerate(steps):
        nodes += layer_nodes(number, layer, before, out)
        arrays = zip(("weights", "bias"), layer.folded(), strict=True)
        weights += [numpy_helper.from_array(a, f"{word}{number}") for word, a in arrays]
    image = _value("image", trunk.channels, height_px, width_px)
    fine, coarse = (height_px // 8, width_px // 8), (height_px // 16, width_px // 16)
    taps = [
        _value(FINE, WIDE_FINE, *fine),
        _value(COARSE, WIDE_COARSE, *coarse),
        _value(NARROW_FINE, LAYERS[FINE_LAYER][0], *fine),
        _value(NARROW_COARSE, LAYERS[COARSE_LAYER][0], *coarse),
    ]
    graph = helper.make_graph(nodes, name, [image], taps, weights)
    model = fresh_model(graph)
    helper.set_model_props(model, {PROCEDURAL: name})
    return Backbone(name, model, height_px, width_px, trunk.channels, procedural=True)


def _value(name: str, channels: int, rows: int, columns: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, rows, columns])


def layer_nodes(number: int, layer: Layer, name: str, out: str) -> list[NodeProto]:
    """The layer between the tensors `name` and `out`."""
    conv = helper.make_node(
        "Conv",
        [name, f"weights{number}", f"bias{number}"],
        [f"conv{number}"],
        kernel_shape=[layer.side] * 2,
        strides=[layer.stride] * 2,
        pads=[layer.side // 2] * 4,
    )
    relu = helper.make_node("Relu", [f"conv{number}"], [f"relu{number}" if layer.adds else out])
    add = helper.make_node("Add", [name, f"relu{number}"], [out])
    return [conv, relu, add] if layer.adds else [conv, relu]


def _array(tensor: Tensor) -> np.ndarray:
    array: Any = tensor.detach().float().cpu().numpy()
    return np.array(array)
