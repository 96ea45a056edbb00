"""The shape of our own backbone: a plain net of 3x3 convolutions, and its way to ONNX.

Dense int8 kernels run fast on small boxes, and few wide layers learn in minutes on two cores.
"""

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.learn.backbone import COARSE, FINE, Backbone, fresh_model

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
FINE_CHANNELS, COARSE_CHANNELS = LAYERS[FINE_LAYER][0], LAYERS[COARSE_LAYER][0]
FINE_STRIDE, COARSE_STRIDE = 8, 16
RATIO = COARSE_STRIDE // FINE_STRIDE  # fine cells along one side of a coarse cell


class Layer(nn.Module):  # type: ignore[misc]
    """3x3 convolution, batch norm, relu; plus the input where the shape allows it."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.stride = stride
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
    """Pictures [n, C, H, W], (x - 128) / 128, to maps of stride 8 and of stride 16."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.channels = channels_in
        widths = [channels_in, *(channels for channels, _ in LAYERS)]
        self.layers = nn.ModuleList(
            Layer(before, channels, stride)
            for before, (channels, stride) in zip(widths, LAYERS, strict=False)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(fine, coarse)."""
        fine = x
        for number, layer in enumerate(self.layers):
            x = layer(x)
            fine = x if number == FINE_LAYER else fine
        return fine, x


def export(trunk: Trunk, name: str, height_px: int, width_px: int) -> Backbone:
    """The layers as ONNX, batch norm folded: `image` [1, C, H, W] -> `fine`, `coarse`."""
    nodes: list[NodeProto] = []
    weights: list[TensorProto] = []
    before = "image"
    for number, layer in enumerate(trunk.layers):
        out = {FINE_LAYER: FINE, COARSE_LAYER: COARSE}.get(number, f"map{number}")
        nodes += layer_nodes(number, layer, before, out)
        arrays = zip(("weights", "bias"), layer.folded(), strict=True)
        weights += [numpy_helper.from_array(a, f"{word}{number}") for word, a in arrays]
        before = out
    shapes = {
        "image": [1, trunk.channels, height_px, width_px],
        FINE: [1, FINE_CHANNELS, height_px // FINE_STRIDE, width_px // FINE_STRIDE],
        COARSE: [1, COARSE_CHANNELS, height_px // COARSE_STRIDE, width_px // COARSE_STRIDE],
    }
    image, *taps = [
        helper.make_tensor_value_info(k, TensorProto.FLOAT, s) for k, s in shapes.items()
    ]
    graph = helper.make_graph(nodes, name, [image], taps, weights)
    return Backbone(name, fresh_model(graph), height_px, width_px, trunk.channels)


def layer_nodes(number: int, layer: Layer, name: str, out: str) -> list[NodeProto]:
    """The layer between the tensors `name` and `out`."""
    conv = helper.make_node(
        "Conv",
        [name, f"weights{number}", f"bias{number}"],
        [f"conv{number}"],
        kernel_shape=[3, 3],
        strides=[layer.stride] * 2,
        pads=[1, 1, 1, 1],
    )
    relu = helper.make_node("Relu", [f"conv{number}"], [f"relu{number}" if layer.adds else out])
    add = helper.make_node("Add", [name, f"relu{number}"], [out])
    return [conv, relu, add] if layer.adds else [conv, relu]


def _array(tensor: Tensor) -> np.ndarray:
    array: Any = tensor.detach().float().cpu().numpy()
    return np.array(array)
