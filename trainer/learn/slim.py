"""Leave out the inner channels of a net that these pictures do not need.

Nets of the MobileNet kind widen (pointwise), look around (depthwise) and narrow again (pointwise),
and much of what the wide channels say is said twice. They are dropped one at a time, always the one
whose part the others can best take over in the narrowing layer (least squares; the optimal brain
surgeon of Hassibi and Stork 1993, on one layer), while the block keeps all but `LOSS` of the
variance of its output. What is left comes in sixteens, as the kernels take them. The taps keep
their channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from trainer.judge.session import open_session

LOSS = 0.005  # of the variance of a block's output
LANE = 16  # channels of one step of a kernel
RIDGE = 1e-9  # of the mean square of a channel
RELUS = ("Relu", "Clip")

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Block:
    """Weights and biases by name, and the tensor [1, C, h, w] that the narrowing layer reads."""

    wide: tuple[str, str]
    look: tuple[str, str]
    narrow: tuple[str, str]
    seen: str


def slim(model: ModelProto, inputs: Sequence[Floats], loss: float = LOSS) -> ModelProto:
    """The float net without the channels that the `inputs` [1,C,H,W] of `image` do not need."""
    changed = ModelProto()
    changed.CopyFrom(model)
    found = blocks(model.graph)
    constants = {t.name: t for t in changed.graph.initializer}
    seen = moments(model, [block.seen for block in found], inputs)
    for block in found:
        weights = numpy_helper.to_array(constants[block.narrow[0]])[:, :, 0, 0].astype(np.float64)
        kept = choose(seen[block.seen], weights, loss)
        narrow, shift = take_over(seen[block.seen], weights, kept)
        bias = numpy_helper.to_array(constants[block.narrow[1]]) + shift
        for name in (*block.wide, *block.look):
            _set(constants[name], numpy_helper.to_array(constants[name])[kept])
        _set(constants[block.narrow[0]], narrow[:, :, None, None])
        _set(constants[block.narrow[1]], bias)
        _regroup(changed.graph, block.look[0], len(kept))
    del changed.graph.value_info[:]
    return changed


def blocks(graph: GraphProto) -> list[Block]:
    """Widen, look, narrow: one reader each, biases, no tap between."""
    constants = {t.name: list(t.dims) for t in graph.initializer}
    found = []
    for wide in graph.node:
        look = _next_conv(graph, wide, constants)
        narrow = look and _next_conv(graph, look, constants)
        if look is None or narrow is None or not _fit(wide, look, narrow, constants):
            continue
        names = [(node.input[1], node.input[2]) for node in (wide, look, narrow)]
        found.append(Block(names[0], names[1], names[2], narrow.input[0]))
    return found


def _next_conv(
    graph: GraphProto, node: NodeProto, constants: Mapping[str, list[int]]
) -> NodeProto | None:
    """The convolution that alone reads a convolution's relu."""
    taps = {o.name for o in graph.output}
    while node.op_type in ("Conv", *RELUS):
        readers = [n for n in graph.node if node.output[0] in n.input]
        if len(readers) != 1 or node.output[0] in taps:
            return None
        node = readers[0]
        if node.op_type == "Conv":
            known = len(node.input) == 3 and {node.input[1], node.input[2]} <= constants.keys()
            return node if known else None
    return None


def _fit(
    wide: NodeProto, look: NodeProto, narrow: NodeProto, constants: Mapping[str, list[int]]
) -> bool:
    if wide.op_type != "Conv" or len(wide.input) != 3 or wide.input[1] not in constants:
        return False
    channels = constants[wide.input[1]][0]
    depthwise = _group(look) == channels == constants[look.input[1]][0]
    pointwise = constants[narrow.input[1]][2:] == [1, 1] and _group(narrow) == 1
    shared = [name for n in (wide, look, narrow) for name in n.input[1:]]
    return _group(wide) == 1 and depthwise and pointwise and len(set(shared)) == len(shared)


def moments(
    model: ModelProto, names: Sequence[str], inputs: Sequence[Floats]
) -> dict[str, Doubles]:
    """Mean products of the channels of each tensor [1, C, h, w] and of a constant 1: (C+1, C+1)."""
    shown = ModelProto()
    shown.CopyFrom(model)
    del shown.graph.output[:]
    shown.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    total: dict[str, Doubles] = {}
    session = open_session(shown.SerializeToString())
    for image in inputs:
        for name, layer in zip(names, session.run(list(names), {"image": image}), strict=True):
            flat = layer[0].reshape(layer.shape[1], -1).astype(np.float64)
            flat = np.vstack([flat, np.ones(flat.shape[1])])
            total[name] = total.get(name, 0.0) + flat @ flat.T / flat.shape[1]
    return {name: sums / len(inputs) for name, sums in total.items()}


def choose(seen: Doubles, weights: Doubles, loss: float) -> NDArray[np.int64]:
    """The channels to keep, a multiple of `LANE` or all, for `weights` (outputs, C)."""
    channels = weights.shape[1]
    dropped = order(seen, weights, loss)
    n = min(channels, ceil(max(1, channels - len(dropped)) / LANE) * LANE)
    return np.setdiff1d(np.arange(channels), dropped[: channels - n])


def order(seen: Doubles, weights: Doubles, loss: float) -> list[int]:
    """Channels in the order in which they are dropped, until more than this share of the output's
    variance would be lost; the constant stays."""
    channels = weights.shape[1]
    spread = seen - np.outer(seen[:, -1], seen[:, -1])
    whole = np.hstack([weights, np.zeros((len(weights), 1))])
    left = loss * float(np.trace(whole @ spread @ whole.T))
    inverse = np.linalg.inv(_ridged(seen))
    alive = np.append(np.ones(channels, bool), False)
    dropped: list[int] = []
    while alive.any():
        price = np.where(alive, (whole**2).sum(axis=0) / np.diag(inverse), np.inf)
        worst = int(price.argmin())
        left -= float(price[worst])
        if left < 0:
            break
        row = inverse[worst] / inverse[worst, worst]
        whole -= np.outer(whole[:, worst], row)
        inverse -= np.outer(inverse[:, worst], row)
        inverse[worst, worst], alive[worst] = 1.0, False
        dropped.append(worst)
    return dropped


def take_over(seen: Doubles, weights: Doubles, kept: NDArray[np.int64]) -> tuple[Doubles, Doubles]:
    """(weights (outputs, kept), shift (outputs,)) closest to what all channels said."""
    places = np.append(kept, len(seen) - 1)
    wanted = weights @ seen[:-1][:, places]
    solved = np.linalg.solve(_ridged(seen[np.ix_(places, places)]), wanted.T).T
    return solved[:, :-1].astype(np.float64), solved[:, -1].astype(np.float64)


def _ridged(seen: Doubles) -> Doubles:
    ridged: Doubles = seen + RIDGE * np.trace(seen) / len(seen) * np.eye(len(seen))
    return ridged


def _group(node: NodeProto) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "group"), 1)


def _regroup(graph: GraphProto, weights: str, groups: int) -> None:
    for node in graph.node:
        if weights in node.input:
            next(a for a in node.attribute if a.name == "group").i = groups


def _set(constant: TensorProto, array: NDArray[np.floating]) -> None:
    fresh = np.ascontiguousarray(array, dtype=np.float32)
    constant.CopyFrom(numpy_helper.from_array(fresh, constant.name))
