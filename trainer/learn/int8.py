"""A convolution on the int8 grid, written by hand: for layers that are fitted after the backbone
was quantised.

As in the backbone: uint8 in and out, weights symmetric and per output channel, with one bit left
free so that no processor saturates, bias on the grid of the sums.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[np.generic]]

TOP_WEIGHT, TOP_CODE = 64, 255

node = helper.make_node


def convolution(name: str, source: str, output: str) -> list[NodeProto]:
    """1x1 convolution and relu of `source`, on the grid of `arrays`; `source` lies on a uint8
    grid already."""
    weights, bias, raw = f"{name}_weights", f"{name}_bias", f"{name}_raw"
    codes, *grid = _grid(output)
    return [
        node("DequantizeLinear", _grid(weights), [weights], axis=0),
        node("DequantizeLinear", _grid(bias), [bias], axis=0),
        node("Conv", [source, weights, bias], [raw], kernel_shape=[1, 1]),
        node("Relu", [raw], [f"{name}_relu"]),
        node("QuantizeLinear", [f"{name}_relu", *grid], [codes]),
        node("DequantizeLinear", [codes, *grid], [output]),
    ]


def arrays(
    name: str, kernel: Floats, bias: Floats, step: float, output: str, reach: float
) -> Arrays:
    """The constants of `convolution`: `step` of the source's grid, `reach` of the output's."""
    most = np.abs(kernel).max(axis=(1, 2, 3))
    scale = np.where(most > 0, most, np.float32(1)) / np.float32(TOP_WEIGHT)
    weights = np.rint(kernel / scale[:, None, None, None]).astype(np.int8)
    sums = np.rint(bias / (scale * step)).astype(np.int32)
    return {
        **_constants(f"{name}_weights", weights, scale),
        **_constants(f"{name}_bias", sums, scale * step),
        f"{output}_scale": np.asarray(reach / TOP_CODE, np.float32),
        f"{output}_zero": np.asarray(0, np.uint8),
    }


def _constants(name: str, codes: NDArray[np.generic], scale: NDArray[np.floating]) -> Arrays:
    zero = np.zeros(np.shape(scale), codes.dtype)
    return dict(zip(_grid(name), (codes, scale.astype(np.float32), zero), strict=True))


def _grid(name: str) -> list[str]:
    return [f"{name}_codes", f"{name}_scale", f"{name}_zero"]
