"""A float ONNX net as a torch module that can be trained, and its new weights in the old graph.

The graph itself is not touched: what cut, quantised and fused the net before does so after.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from onnx import ModelProto, NodeProto, helper, numpy_helper, shape_inference
from torch import Tensor, nn
from torch.nn import functional as F

from edge.core.errors import LinegateError
from trainer.learn.backbone import FINE

Attributes = Mapping[str, Any]
Op = Callable[[Attributes, Sequence[Any]], Tensor]


class TorchNet(nn.Module):  # type: ignore[misc]
    """What lies between tensor `source` and the tensors `outputs` of an ONNX graph.

    Weights of convolutions and batch norms are parameters, all other constants are buffers.
    Batch norm keeps its statistics. Raises LinegateError, naming the first op it does not know.
    """

    def __init__(self, model: ModelProto, source: str, outputs: Sequence[str]) -> None:
        super().__init__()
        self.source, self.outputs = source, list(outputs)
        nodes = _between(model, source, outputs)
        constants = _constants(model)
        self.steps = [_Step(n) for n in nodes if n.op_type != "Constant"]
        trained = {i for n in nodes for i in _weights_of(n) if i in constants}
        needed = sorted({i for step in self.steps for i in step.inputs} & constants.keys())
        self.names = [name for name in needed if name in trained]
        self.weights = nn.ParameterList([nn.Parameter(constants[n]) for n in self.names])
        self.fixed = [name for name in needed if name not in trained]
        for number, name in enumerate(self.fixed):
            self.register_buffer(f"fixed{number}", constants[name], persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """The outputs for `source`, a batch of any size."""
        values: dict[str, Tensor | None] = {"": None, self.source: x}
        values |= zip(self.names, self.weights, strict=True)
        values |= {name: getattr(self, f"fixed{n}") for n, name in enumerate(self.fixed)}
        for step in self.steps:
            values[step.output] = step.op(step.attributes, [values[i] for i in step.inputs])
        return [values[name] for name in self.outputs]


class _Step:
    """One node, read once."""

    def __init__(self, node: NodeProto) -> None:
        if node.op_type not in OPS or node.domain not in ("", "ai.onnx"):
            raise LinegateError(
                f"the backbone's node {node.output[0]!r} is a {node.op_type}, which cannot be "
                f"trained: take another backbone, or the learner supervised; known are "
                f"{', '.join(sorted(OPS))}"
            )
        self.op = OPS[node.op_type]
        self.attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if self.attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            raise LinegateError(
                f"the backbone's node {node.output[0]!r} pads by itself (auto_pad): "
                "export it with explicit pads"
            )
        self.inputs, self.output = list(node.input), str(node.output[0])


def rewritten(model: ModelProto, net: TorchNet) -> ModelProto:
    """A copy of the model with the trained weights; all else is as it was."""
    trained = {n: w.detach().cpu() for n, w in zip(net.names, net.weights, strict=True)}
    copy = ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.name in trained:
            array = trained[tensor.name].contiguous().numpy()
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return copy


def waist(model: ModelProto, stride: int = 8) -> str:
    """Where the stem ends: the input of the last convolution that looks at a map of `stride`, or
    of a smaller one, at or before the tap `fine`, and through which alone the picture reaches all
    that follows."""
    rows = _rows(model)
    least = rows[model.graph.input[0].name] // stride
    behind_fine = _between(model, model.graph.input[0].name, [FINE])
    outputs = [output.name for output in model.graph.output]
    for node in reversed(behind_fine):
        source = str(node.input[0])
        if (
            node.op_type == "Conv"
            and rows.get(source, 0) >= least
            and _is_narrow(model, source, outputs)
        ):
            return source
    raise LinegateError(
        f"the backbone has no convolution at stride {stride} that could be trained: "
        "take the learner supervised"
    )


def _rows(model: ModelProto) -> dict[str, int]:
    """The height of every map."""
    graph = shape_inference.infer_shapes(model).graph
    values = [*graph.input, *graph.value_info, *graph.output]
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    return {name: shape[2] for name, shape in shapes.items() if len(shape) == 4}


def _is_narrow(model: ModelProto, name: str, outputs: Sequence[str]) -> bool:
    after = _between(model, name, [o for o in outputs if o in _reached(model, name)])
    made = {o for n in after for o in n.output} | _constants(model).keys() | {name, ""}
    return all(i in made for n in after for i in n.input)


def _reached(model: ModelProto, source: str) -> set[str]:
    """Every tensor that depends on `source`."""
    reached = {source}
    for node in model.graph.node:
        if reached & set(node.input):
            reached |= set(node.output)
    return reached


def _between(model: ModelProto, source: str, outputs: Sequence[str]) -> list[NodeProto]:
    """The nodes that lead to the outputs, in order, up to `source`."""
    wanted, nodes = set(outputs) - {source}, []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            nodes.append(node)
            wanted |= set(node.input) - {source}
    return nodes[::-1]


def _constants(model: ModelProto) -> dict[str, Tensor]:
    found = {t.name: t for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = node.attribute[0].t
    return {name: torch.from_numpy(numpy_helper.to_array(t).copy()) for name, t in found.items()}


def _weights_of(node: NodeProto) -> list[str]:
    return list(node.input[1:3]) if node.op_type in ("Conv", "BatchNormalization") else []


# ---- the ops, as in the ONNX operator specification, opset 17 ----


def _conv(a: Attributes, x: Sequence[Any]) -> Tensor:
    bias = x[2] if len(x) > 2 else None
    picture, pads = _padded(x[0], a, 0.0)
    return F.conv2d(
        picture, x[1], bias, a.get("strides", 1), pads, a.get("dilations", 1), a.get("group", 1)
    )


def _max_pool(a: Attributes, x: Sequence[Any]) -> Tensor:
    picture, pads = _padded(x[0], a, float("-inf"))
    ceil = bool(a.get("ceil_mode", 0))
    strides = a.get("strides", 1)
    return F.max_pool2d(
        picture, a["kernel_shape"], strides, pads, a.get("dilations", 1), ceil_mode=ceil
    )


def _average_pool(a: Attributes, x: Sequence[Any]) -> Tensor:
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right) and not a.get("count_include_pad", 0):
        raise LinegateError("the backbone pools a mean with uneven pads, which cannot be trained")
    picture, pads = _padded(x[0], a, 0.0)
    ceil, include = bool(a.get("ceil_mode", 0)), bool(a.get("count_include_pad", 0))
    return F.avg_pool2d(picture, a["kernel_shape"], a.get("strides", 1), pads, ceil, include)


def _padded(x: Tensor, a: Attributes, value: float) -> tuple[Tensor, tuple[int, int]]:
    """Even pads are left to the op itself, which is faster."""
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    if (top, left) == (bottom, right):
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=value), (0, 0)


def _pad(a: Attributes, x: Sequence[Any]) -> Tensor:
    if len(x) > 3 and x[3] is not None:
        raise LinegateError("the backbone pads along named axes, which cannot be trained")
    modes = {b"constant": "constant", b"edge": "replicate", b"reflect": "reflect"}
    n_top, c_top, top, left, n_end, c_end, bottom, right = x[1].tolist()
    if any((n_top, c_top, n_end, c_end)):
        raise LinegateError("the backbone pads its channels, which cannot be trained")
    value = float(x[2]) if len(x) > 2 and x[2] is not None else 0.0
    mode = modes[a.get("mode", b"constant")]
    sides = (left, right, top, bottom)
    return F.pad(x[0], sides, mode, value) if mode == "constant" else F.pad(x[0], sides, mode)


def _clip(_: Attributes, x: Sequence[Any]) -> Tensor:
    low, high = (None if limit is None else float(limit) for limit in [*x[1:], None, None][:2])
    if low is None or high is None:
        return torch.clamp(x[0], low, high)
    return F.hardtanh(x[0], low, high)  # as clamp, with a backward pass three times as fast


def _batch_norm(a: Attributes, x: Sequence[Any]) -> Tensor:
    return F.batch_norm(x[0], x[3], x[4], x[1], x[2], training=False, eps=a.get("epsilon", 1e-5))


OPS: dict[str, Op] = {
    "Add": lambda _, x: x[0] + x[1],
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": lambda a, x: torch.cat(list(x), dim=a["axis"]),
    "Conv": _conv,
    "GlobalAveragePool": lambda _, x: x[0].mean(dim=(2, 3), keepdim=True),
    "HardSigmoid": lambda a, x: torch.clamp(
        a.get("alpha", 0.2) * x[0] + a.get("beta", 0.5), 0.0, 1.0
    ),
    "HardSwish": lambda _, x: F.hardswish(x[0]),
    "Identity": lambda _, x: x[0],
    "LeakyRelu": lambda a, x: F.leaky_relu(x[0], a.get("alpha", 0.01)),
    "MaxPool": _max_pool,
    "Mul": lambda _, x: x[0] * x[1],
    "Pad": _pad,
    "Relu": lambda _, x: F.relu(x[0]),
    "Sigmoid": lambda _, x: torch.sigmoid(x[0]),
    "Sub": lambda _, x: x[0] - x[1],
}
