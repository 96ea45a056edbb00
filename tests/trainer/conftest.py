"""Tiny parts, a tiny backbone and a workshop of one's own."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper

from trainer.__main__ import main
from trainer.data.items import Item

SIDE_PX = 64


@pytest.fixture
def make_item() -> Callable[..., Item]:
    """An item that needs no file; everything about it can be set."""

    def make(path: str, **fields: object) -> Item:
        thumb = np.random.default_rng(abs(hash(path)) % 2**32).integers(0, 256, 1024, np.uint8)
        values: dict[str, object] = {
            "path": path,
            "sha256": f"{path:0>64}",
            "label": 0,
            "kind": "",
            "mask": None,
            "mask_sha256": None,
            "part": path,
            "split": None,
            "domain": "",
            "position": "",
            "width_px": 8,
            "height_px": 8,
            "channels": 1,
            "thumb": thumb.tobytes(),
        }
        return Item(**(values | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LINEGATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def workshop(home: Path) -> Callable[..., Result]:
    """Run a command of `linegate-trainer` in a workshop of this test's own."""

    def run(*words: object, code: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result

    return run


def paint(rng: np.random.Generator, defective: bool) -> tuple[np.ndarray, np.ndarray]:
    """A grey part (64, 64) of faint texture, with a dark spot if defective; and its mask."""
    image = 120 + 20 * np.sin(np.arange(SIDE_PX) / 5)[None] + rng.normal(0, 4, (SIDE_PX, SIDE_PX))
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    if defective:
        x, y = (int(v) for v in rng.integers(12, SIDE_PX - 12, 2))
        cv2.circle(mask, (x, y), 5, 255, -1)
    image[mask > 0] -= 60
    return np.clip(image, 0, 255).astype(np.uint8), mask


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A folder with parts.csv: 120 parts, a third of them defective, half of those with a mask."""
    folder = tmp_path / "parts"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rng = np.random.default_rng(7)
    rows = [_write_part(folder, n, n % 3 == 0, rng) for n in range(120)]
    with (folder / "parts.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder


def _write_part(folder: Path, n: int, defective: bool, rng: np.random.Generator) -> dict[str, str]:
    image, mask = paint(rng, defective)
    cv2.imwrite(str(folder / f"images/{n:03}.png"), image)
    drawn = defective and n % 2 == 0
    if drawn:
        cv2.imwrite(str(folder / f"masks/{n:03}.png"), mask)
    return {
        "path": f"images/{n:03}.png",
        "label": str(int(defective)),
        "defect_kind": "spot" if defective else "good",
        "mask_or_box_path": f"masks/{n:03}.png" if drawn else "",
        "group": f"part{n}",
        "note": "columns that nobody knows do not hurt",
    }


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float ONNX net of random weights: stride 8 with 8 channels, stride 16 with 12."""
    path = tmp_path_factory.mktemp("backbone") / "tiny.onnx"
    onnx.save(random_net(((6, 4), (8, 2), (12, 2)), seed=3), str(path))
    return path


def random_net(layers: Sequence[tuple[int, int]], seed: int) -> onnx.ModelProto:
    """Strided convolutions with relu from `picture` [N, 1, 64, 64] to `map{n}`."""
    rng, nodes, weights, name, before = np.random.default_rng(seed), [], [], "picture", 1
    for n, (channels, stride) in enumerate(layers):
        kernel = rng.normal(0, (before * stride**2) ** -0.5, (channels, before, stride, stride))
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f"w{n}"))
        conv = helper.make_node("Conv", [name, f"w{n}"], [f"conv{n}"], strides=[stride] * 2)
        nodes += [conv, helper.make_node("Relu", [f"conv{n}"], [f"map{n}"])]
        name, before = f"map{n}", channels
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["N", 1, 64, 64])
    last = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", before, None, None])
    graph = helper.make_graph(nodes, "tiny", [picture], [last], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model
