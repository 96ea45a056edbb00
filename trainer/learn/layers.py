"""Which layers of the int8 net lose most: its dequantised maps beside those of the float twin.

Signal to quantisation noise, 10 log10(sum x^2 / sum (x - x')^2) in dB, over whole maps and some
pictures; 6 dB are one bit. Noise that came in with a layer's inputs passes through it, so what the
layer adds is the difference of the relative noise powers after and before it.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    load_model_from_string,
    numpy_helper,
)

from edge.core.errors import LinegateError
from edge.core.preprocess import Image
from edge.core.runtime import ort
from trainer.judge.session import open_session

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layer:
    """One quantised map of the net."""

    name: str  # of its tensor
    made_by: str  # operation
    after_db: float  # all that was lost up to here
    rounding_db: float  # lost by rounding this map to 8 bits alone
    added: float  # relative noise power that this layer adds; below 0: it averages noise away


@dataclass(slots=True)
class _Sums:
    signal: float = 0.0
    noise: float = 0.0
    rounding: float = 0.0


@dataclass(frozen=True, slots=True)
class _Map:
    """A map of the float net (`exact`) and after its way through 8 bits (`kept`)."""

    exact: str
    kept: str
    made_by: NodeProto
    scale: float
    zero_point: int

    def round(self, values: Floats) -> Floats:
        """float -> uint8 -> float."""
        codes = np.clip(np.rint(values / self.scale) + self.zero_point, 0, 255)
        return np.asarray((codes - self.zero_point) * self.scale, np.float32)


def compare(int8: bytes, float32: bytes, inputs: Iterable[Image]) -> list[Layer]:
    """Worst first. Raises LinegateError if the files have no map in common."""
    net, twin = load_model_from_string(int8), load_model_from_string(float32)
    known = {name for node in twin.graph.node for name in node.output}
    maps = list(_quantised(net.graph, known))
    if not maps:
        raise LinegateError("the int8 file and its float twin have no map in common")
    sums = _measure(net, twin, maps, inputs)
    noise = {m.kept: sums[m.exact].noise / sums[m.exact].signal for m in maps if m.exact in sums}
    found = [_layer(m, sums[m.exact], noise) for m in maps if m.exact in sums]
    return sorted(found, key=lambda layer: -layer.added)


def _layer(one: _Map, sums: _Sums, noise: dict[str, float]) -> Layer:
    came_in = max((noise.get(name, 0.0) for name in one.made_by.input), default=0.0)
    return Layer(
        name=one.exact,
        made_by=one.made_by.op_type,
        after_db=_db(sums.signal, sums.noise),
        rounding_db=_db(sums.signal, sums.rounding),
        added=noise[one.kept] - came_in,
    )


def _db(signal: float, noise: float) -> float:
    return 10 * math.log10(signal / noise) if noise else math.inf


def _quantised(graph: GraphProto, known: Collection[str]) -> Iterator[_Map]:
    """Maps that go through QuantizeLinear and DequantizeLinear, in the order of the graph. The
    float net knows them by the name before, its outputs by the name after."""
    makers = {name: node for node in graph.node for name in node.output}
    constants = {c.name: c for c in graph.initializer}
    for node in graph.node:
        quantiser = makers.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if quantiser is not None and quantiser.op_type == "QuantizeLinear":
            before, *grid = quantiser.input
            scale, zero = (numpy_helper.to_array(constants[name]).item() for name in grid)
            for name in [n for n in (node.output[0], before) if n in known][:1]:
                yield _Map(name, node.output[0], makers[before], scale, zero)


def _measure(
    net: ModelProto, twin: ModelProto, maps: Sequence[_Map], inputs: Iterable[Image]
) -> dict[str, _Sums]:
    """By the exact map's name; maps of another shape, or of noughts, are left out."""
    ours, theirs = _showing(net, [m.kept for m in maps]), _showing(twin, [m.exact for m in maps])
    sums: dict[str, _Sums] = {}
    for image in inputs:
        found, wanted = (session.run(None, {"image": image}) for session in (ours, theirs))
        for one, kept, exact in zip(maps, found, wanted, strict=True):
            if kept.shape == exact.shape and exact.any():
                _add(sums.setdefault(one.exact, _Sums()), exact, kept, one.round(exact))
    return sums


def _add(sums: _Sums, exact: Floats, kept: Floats, rounded: Floats) -> None:
    sums.signal += _power(exact)
    sums.noise += _power(exact - kept)
    sums.rounding += _power(exact - rounded)


def _power(values: Floats) -> float:
    return float(np.square(values, dtype=np.float64).sum())


def _showing(model: ModelProto, names: Sequence[str]) -> ort.InferenceSession:
    """The net with some of its inner maps as outputs, in this order."""
    shown = ModelProto()
    shown.CopyFrom(model)
    del shown.graph.output[:]
    shown.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    return open_session(shown.SerializeToString())
