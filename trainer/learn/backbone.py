"""A frozen feature extractor: a float ONNX net, cut at its taps.

Rule for the head's taps: the *last* tensor at stride 8 (fine) and the last at stride 16 (coarse);
of MobileNetV2 these are the wide relu6 expansions before the next stride. `--taps FINE,COARSE`
names others. The memory of good parts wants narrow maps: the last sum (Add) of each width at these
strides; a net without sums gives it fine and coarse. The net's input is float NCHW,
(x - 128) / 128, RGB or grey.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, helper, shape_inference, version_converter
from onnx.checker import ValidationError
from onnx.utils import Extractor

from edge.core.errors import LinegateError
from edge.core.manifest import Face

OPSET = 17
IR_VERSION = 9  # what the boxes' ONNX Runtime surely reads
FINE, COARSE, NARROW = "fine", "coarse", "narrow"
PROCEDURAL = "linegate.procedural"  # in the metadata of a file that `pretrain` wrote


@dataclass(frozen=True, slots=True)
class Backbone:
    """Float net from `image` [1, C, H, W] to `fine`, `coarse` and perhaps `narrow0`, `narrow1`,
    ..., each [1, channels, h, w]."""

    name: str
    model: ModelProto
    height_px: int
    width_px: int
    channels: int
    procedural: bool = False  # from `pretrain`: it has seen no photograph

    @property
    def colour(self) -> Literal["rgb", "grey"]:
        return "rgb" if self.channels == 3 else "grey"

    def shape(self, tap: str) -> tuple[int, int, int]:
        """(channels, rows, columns) of a tap."""
        output = next(o for o in self.model.graph.output if o.name == tap)
        _, channels, rows, columns = _dims(output)
        return channels, rows, columns

    @property
    def narrow(self) -> list[str]:
        """The taps that feed the memory of good parts."""
        names = [o.name for o in self.model.graph.output if o.name.startswith(NARROW)]
        return names or [FINE, COARSE]

    @property
    def ratio(self) -> int:
        """Fine cells along one side of a coarse cell."""
        return self.shape(FINE)[1] // self.shape(COARSE)[1]

    @property
    def face(self) -> Face:
        """The face of a model that is built on this backbone."""
        channels, rows, columns = self.shape(COARSE)
        return Face(
            height_px=self.height_px,
            width_px=self.width_px,
            colour=self.colour,
            heatmap=(rows, columns),
            embedding=channels,
        )


def load(path: Path, taps: tuple[str, str] | None = None) -> Backbone:
    """Cut a float ONNX file at its taps. Raises LinegateError if it is no such net."""
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
        procedural = any(prop.key == PROCEDURAL for prop in model.metadata_props)
        model = version_converter.convert_version(model, OPSET)
    except (OSError, DecodeError, ValidationError, RuntimeError) as error:
        raise LinegateError(f"{path}: not an ONNX file that can be used: {error}") from error
    return replace(cut(model, path.stem, taps), procedural=procedural)


def cut(model: ModelProto, name: str, taps: tuple[str, str] | None = None) -> Backbone:
    """Keep what leads to the taps, with a fixed batch of one. Raises LinegateError."""
    if len(model.graph.input) != 1 or len(_dims(model.graph.input[0])) != 4:
        raise LinegateError(f"backbone {name}: its input must be one picture, float NCHW")
    _, channels, height, width = _dims(model.graph.input[0])
    if channels not in (1, 3) or height % 16 or width % 16 or not height * width:
        raise LinegateError(
            f"backbone {name}: its input is {channels}x{height}x{width}; it must be 1 or 3 "
            "channels and sides that are multiples of 16"
        )
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    inferred = shape_inference.infer_shapes(model, strict_mode=True)
    taps = taps or find_taps(inferred, height, width)
    cut_model = _between(inferred, taps, find_sums(inferred, taps, height, width))
    return Backbone(name, cut_model, height, width, channels)


def find_taps(model: ModelProto, height: int, width: int) -> tuple[str, str]:
    """The last tensors at stride 8 and at stride 16. Raises LinegateError if there are none."""
    shapes = {v.name: _dims(v) for v in [*model.graph.value_info, *model.graph.output]}
    found = {}
    for stride in (8, 16):
        wanted = [height // stride, width // stride]
        names = [o for n in model.graph.node for o in n.output if shapes.get(o, [])[2:] == wanted]
        if not names:
            raise LinegateError(f"the backbone has no map of stride {stride}: name --taps")
        found[stride] = names[-1]
    return found[8], found[16]


def find_sums(model: ModelProto, taps: tuple[str, str], height: int, width: int) -> list[str]:
    """The last sum of each width at stride 8 and 16 before the coarse tap, in the net's order."""
    shapes = {v.name: _dims(v) for v in [*model.graph.value_info, *model.graph.output]}
    strided = ([height // 8, width // 8], [height // 16, width // 16])
    last: dict[tuple[int, ...], str] = {}
    for node in model.graph.node:
        shape = shapes.get(node.output[0], [])
        if node.op_type == "Add" and shape[2:] in strided:
            last[tuple(shape)] = node.output[0]
        if taps[1] in node.output:
            break
    return [name for name in last.values() if name not in taps]


def _between(model: ModelProto, taps: tuple[str, str], sums: list[str]) -> ModelProto:
    known = {v.name: v for v in [*model.graph.value_info, *model.graph.output]}
    for tap in taps:
        if tap not in known:
            raise LinegateError(f"the backbone has no tensor {tap!r}: mend --taps")
    source = model.graph.input[0].name
    extracted = Extractor(model).extract_model([source], [*taps, *sums])
    names = {source: "image", taps[0]: FINE, taps[1]: COARSE}
    names |= {name: f"{NARROW}{n}" for n, name in enumerate(sums)}
    return fresh_model(_rename(extracted, names).graph)


def fresh_model(graph: onnx.GraphProto) -> ModelProto:
    """A model of our opset and IR version around a graph."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    model.producer_name = "linegate"
    return model


def _rename(model: ModelProto, names: dict[str, str]) -> ModelProto:
    for node in model.graph.node:
        node.input[:] = [names.get(i, i) for i in node.input]
        node.output[:] = [names.get(o, o) for o in node.output]
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        value.name = names.get(value.name, value.name)
    return model


def _dims(value: onnx.ValueInfoProto) -> list[int]:
    return [d.dim_value for d in value.type.tensor_type.shape.dim]
