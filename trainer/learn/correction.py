"""Bias correction: what rounding the weights shifts on average is taken off again.

A rounded weight is off by dw, so its channel's sum is off by dw x; over many pictures by dw E[x],
the same for every picture. Where a layer adds up large values that cancel, as the projections of
MobileNets do, this shift exceeds all other losses of int8 together. The bias takes it back, at no
cost on the box (Nagel et al. 2019, arXiv:1906.04721, 4.2). Padding is neglected.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from trainer.judge.session import open_session

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Convolution:
    """An int8 convolution: names of its int32 bias and of that one's scale, the float map that it
    reads, and by how much its rounded weights are off: (out, in of its group), over the kernel."""

    bias: str
    scale: str
    reads: str
    off: Doubles
    groups: int

    def shift(self, mean: Doubles) -> Doubles:
        """Of each output channel, with the input channels' means (in,)."""
        per_group = mean.reshape(self.groups, -1)
        own = np.repeat(per_group, len(self.off) // self.groups, axis=0)
        return np.asarray((self.off * own).sum(axis=1), np.float64)


def correct(model: ModelProto, exact: ModelProto, inputs: Sequence[Floats]) -> ModelProto:
    """The QDQ `model` with corrected biases. `exact` is the float net that it was made of, and
    `inputs` [1,C,H,W] are what it may see. Convolutions without a bias stay as they are."""
    found = list(_convolutions(model, exact))
    if not found:
        return model
    means = _means(exact, dict.fromkeys(one.reads for one in found), inputs)
    corrected = ModelProto()
    corrected.CopyFrom(model)
    constants = {c.name: c for c in corrected.graph.initializer}
    for one in found:
        bias, scale = (numpy_helper.to_array(constants[name]) for name in (one.bias, one.scale))
        codes = bias - np.rint(one.shift(means[one.reads]) / scale).astype(np.int32)
        constants[one.bias].CopyFrom(numpy_helper.from_array(codes, one.bias))
    return corrected


def _convolutions(model: ModelProto, exact: ModelProto) -> Iterator[_Convolution]:
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    weights = {c.name: numpy_helper.to_array(c) for c in exact.graph.initializer}
    readers = {n.input[1]: n for n in exact.graph.node if n.op_type == "Conv"}
    carriers = {n.output[0]: n for n in model.graph.node if n.op_type == "DequantizeLinear"}
    for node in model.graph.node:
        carried = [carriers.get(name) for name in node.input[1:]]
        if node.op_type != "Conv" or len(carried) != 2 or None in carried:
            continue
        kernel, bias = (one for one in carried if one is not None)
        name = kernel.input[0].removesuffix("_quantized")
        if name in readers and kernel.input[0] in constants:
            codes, scale = (constants[part].astype(np.float64) for part in kernel.input[:2])
            rounded = codes * scale.reshape(-1, *[1] * (codes.ndim - 1))
            off = (rounded - weights[name]).sum(axis=(2, 3))
            groups = _groups(node)
            yield _Convolution(bias.input[0], bias.input[1], readers[name].input[0], off, groups)


def _groups(node: NodeProto) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "group"), 1)


def _means(exact: ModelProto, names: Iterable[str], inputs: Sequence[Floats]) -> dict[str, Doubles]:
    """Of every channel of some maps, over all places and inputs: (channels,) each."""
    source = exact.graph.input[0].name
    inner = [name for name in names if name != source]
    shown = ModelProto()
    shown.CopyFrom(exact)
    outputs = {output.name for output in exact.graph.output}
    shown.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in inner
        if name not in outputs
    )
    session = open_session(shown.SerializeToString(), threads=2)
    total = dict.fromkeys([source, *inner], np.zeros(1))
    for picture in inputs:
        for name, seen in zip(inner, session.run(inner, {source: picture}), strict=False):
            total[name] = total[name] + _channels(seen)
        total[source] = total[source] + _channels(picture)
    return {name: sums / len(inputs) for name, sums in total.items()}


def _channels(values: Floats) -> Doubles:
    """The mean of each channel of one map [1,C,H,W]."""
    return np.asarray(values.mean(axis=(0, 2, 3), dtype=np.float64))
