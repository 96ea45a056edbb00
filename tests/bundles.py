"""Small, whole model bundles for tests: a model that looks at brightness, and its faulty sisters.

    make_bundle(folder / "toy-1")                    # score = brightness of the brightest region
    make_bundle(folder / "toy-2", version=2, kind="nan")

The score is a mean over 8x8 px of all colours, in 0..1: black scores 0, a white spot 1.
"""

import hashlib
import json
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edge.core.manifest import Face, Manifest, parse_manifest
from edge.core.runtime import ort

Kind = Literal["good", "nan", "beyond", "slow", "wrong_shape", "shrinking", "bomb", "late_bomb"]
CELL_PX = 8
EMBEDDING = 16
_BRIGHT = 0.9  # from this score on the faulty kinds show their fault


def make_bundle(
    folder: Path,
    name: str = "toy",
    version: int = 1,
    kind: Kind = "good",
    *,
    side_px: int = 64,
    colour: Literal["rgb", "grey"] = "rgb",
    classes: tuple[str, ...] = (),
    pass_below: float = 0.4,
    rework_from: float = 0.6,
    slow_matmuls: int = 8,
) -> Manifest:
    """Write manifest.json, model.onnx, golden/ and card.md into `folder`.

    Kinds: `good`; `nan` and `beyond` (1.5) answer so for bright pictures only, `shrinking` then
    drops part of its embedding, `late_bomb` then asks for 40 GB; `bomb` always does; `slow` takes
    about 5 ms per matrix product; `wrong_shape` has another heatmap than its manifest says.
    """
    cells = side_px // CELL_PX
    face = Face(
        height_px=side_px,
        width_px=side_px,
        colour=colour,
        heatmap=(cells, cells),
        embedding=EMBEDDING,
        classes=classes,
    )
    model = make_model(face, kind, slow_matmuls)
    (folder / "golden").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model)
    quick = make_model(face) if kind == "slow" else model
    golden = [] if kind == "bomb" else _write_golden(folder, face, quick)
    values = _manifest(name, version, model, face, golden, (pass_below, rework_from))
    text = json.dumps(values, indent=1)
    (folder / "manifest.json").write_text(text)
    (folder / "card.md").write_text(f"# {name}-{version}\n\nA toy for tests ({kind}).\n")
    return parse_manifest(text, str(folder))


def picture(face: Face, brightness: float) -> np.ndarray:
    """The uint8 input [1, H, W, C] of a dark part with one spot of that brightness."""
    image = np.full(face.input_shape, 25, np.uint8)
    image[0, CELL_PX : 2 * CELL_PX, CELL_PX : 2 * CELL_PX] = round(brightness * 255)
    return image


def raw_run(folder: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    """What plain ONNX Runtime says: the numbers that every way to the model must give."""
    session = ort.InferenceSession(str(folder / "model.onnx"))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


def make_model(face: Face, kind: Kind = "good", slow_matmuls: int = 8) -> bytes:
    """An ONNX file with the face's inputs and outputs."""
    graph = _Graph()
    unit = graph.add("Mul", graph.add("Cast", "image", to=TensorProto.FLOAT), graph.const(1 / 255))
    grey = graph.add(
        "Unsqueeze", graph.add("ReduceMean", unit, axes=[3], keepdims=0), graph.ints(1)
    )
    cell = CELL_PX * 2 if kind == "wrong_shape" else CELL_PX
    pooled = graph.add("AveragePool", grey, kernel_shape=[cell, cell], strides=[cell, cell])
    heatmap = graph.add("Squeeze", pooled, graph.ints(1))
    score = graph.add("Reshape", graph.add("ReduceMax", heatmap, keepdims=0), graph.ints(1))
    quarter = [face.height_px // 4, face.width_px // 4]
    coarse = graph.add("AveragePool", grey, kernel_shape=quarter, strides=quarter)
    embedding = graph.add("Reshape", coarse, graph.ints(1, EMBEDDING))
    score, embedding = _spoil(graph, kind, score, embedding, slow_matmuls)
    outputs = {"score": score, "heatmap": heatmap, "embedding": embedding}
    if face.classes:
        wide = graph.add("Expand", graph.add("Unsqueeze", score, graph.ints(0)),
                         graph.ints(1, len(face.classes)))  # fmt: skip
        outputs["classes"] = wide
    rows, columns = face.heatmap if kind != "wrong_shape" else [side // 2 for side in face.heatmap]
    shapes = {"score": [1], "heatmap": [1, rows, columns], "embedding": [1, EMBEDDING]}
    shapes["classes"] = [1, len(face.classes)]
    return graph.model(face, outputs, shapes)


class _Graph:
    """Adds nodes and returns the names of their outputs."""

    def __init__(self):
        self._nodes, self._constants = [], []

    def add(self, op: str, *inputs: str, **attributes) -> str:
        output = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def const(self, value) -> str:
        return self._constant(np.asarray(value, np.float32))

    def ints(self, *values: int) -> str:
        return self._constant(np.asarray(values, np.int64))

    def _constant(self, array: np.ndarray) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def model(self, face: Face, outputs: dict[str, str], shapes: dict[str, list[int]]) -> bytes:
        nodes = [*self._nodes, *(helper.make_node("Identity", [source], [name])
                                 for name, source in outputs.items())]  # fmt: skip
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, face.input_shape)
        infos = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in outputs
        ]
        graph = helper.make_graph(nodes, "toy", [image], infos, self._constants)
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def _spoil(
    graph: _Graph, kind: Kind, score: str, embedding: str, slow_matmuls: int
) -> tuple[str, str]:
    bright = graph.add("Greater", score, graph.const([_BRIGHT]))
    if kind in ("nan", "beyond"):
        wrong = graph.const([np.nan if kind == "nan" else 1.5])
        score = graph.add("Where", bright, wrong, score)
    if kind == "slow":
        score = _delayed(graph, score, slow_matmuls)
    if kind in ("bomb", "late_bomb"):
        size = graph.add("Where", bright, graph.ints(10**10), graph.ints(1))
        size = size if kind == "late_bomb" else graph.ints(10**10)
        huge = graph.add("ConstantOfShape", size)
        score = graph.add("Add", score, graph.add("ReduceMax", huge, keepdims=1))
    if kind == "shrinking":
        few = graph.add("Where", bright, graph.ints(3), graph.ints(EMBEDDING))
        embedding = graph.add("Slice", embedding, graph.ints(0), few, graph.ints(1))
    return score, embedding


def _delayed(graph: _Graph, score: str, matmuls: int) -> str:
    """A chain of matrix products that depends on the score and adds nothing to it."""
    side = 512
    ones = graph.const(np.full((side, side), 1.0 / side))
    work = graph.add("Mul", ones, score)
    for _ in range(matmuls):
        work = graph.add("MatMul", work, ones)
    nothing = graph.add("Mul", graph.add("ReduceMean", work, keepdims=0), graph.const(0.0))
    return graph.add("Add", score, nothing)


def _write_golden(folder: Path, face: Face, model: bytes) -> list[dict]:
    session = ort.InferenceSession(model)
    golden = []
    for number, brightness in enumerate((0.1, 0.5, 0.8)):
        image = picture(face, brightness)
        png = image[0, ..., ::-1] if face.channels == 3 else image[0]
        file = f"golden/{number}.png"
        cv2.imwrite(str(folder / file), png)
        score = float(session.run(["score"], {"image": image})[0][0])
        golden.append({"file": file, "score": score, "label": int(brightness > 0.6)})
    return golden


def _manifest(
    name: str,
    version: int,
    model: bytes,
    face: Face,
    golden: list[dict],
    cuts: tuple[float, float],
) -> dict:
    return {
        "name": name,
        "version": version,
        "sha256": hashlib.sha256(model).hexdigest(),
        "learner": "supervised",
        "face": face.model_dump(),
        "thresholds": {
            "pass_below": cuts[0],
            "rework_from": cuts[1],
            "no_guarantee": "a toy: no defects were counted",
        },
        "parity": {
            "auroc_float": 1.0,
            "auroc_int8": 1.0,
            "max_score_change": 0.0,
            "n": 3,
            "golden_tolerance": 0.01,
        },
        "golden": golden,
        "provenance": {
            "code": "tests",
            "dataset": "none",
            "run": "none",
            "made_at": "2026-01-01T00:00:00Z",
            "backbone": "none",
        },
    }
