"""On real parts with an outside backbone: the whole way, minutes on two cores."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge.__main__ import main

pytestmark = [pytest.mark.shared, pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(1800)]


STATION = """\
state_dir = "state"
[station]
device = "box"
[[camera]]
kind = "simulator"
[predict]
models = "models"
[gate]
recipe = "plate"
level = "full"
"""


@pytest.fixture
def shared() -> Path:
    default = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("LINEGATE_SHARED", default))
    if not (folder / "data" / "light_guide").is_dir():
        pytest.skip(f"no evaluation data in {folder}: set LINEGATE_SHARED to run this test")
    return folder


def test_light_guides_are_told_apart_on_the_int8_file_and_by_the_gate(
    workshop: Callable[..., Result], shared: Path, tmp_path: Path
) -> None:
    """The frozen features alone reach .91 (one-class) and .85 (linear); the patch head .995."""
    backbone = shared / "weights" / "mobilenet_v2_1.0_224_quant.fp32.onnx"
    workshop("import", shared / "data" / "light_guide", "--name", "light_guide")
    options = ("--backbone", backbone, "--orientation", "mirrored")
    workshop("train", "--data", "light_guide", *options)
    result = workshop("evaluate", "--run", "light_guide-1", "--split", "test", "--json")
    judged = json.loads(result.stdout.splitlines()[-1])
    assert judged["auroc"] >= 0.985
    assert (judged["n_good"], judged["n_defect"]) == (100, 106)
    assert judged["int8"]["mb"] < 3  # two of them the memory's tables
    workshop("release", "--run", "light_guide-1", "--to", tmp_path / "models" / "plate")
    replayed = replay(tmp_path, shared / "data" / "light_guide" / "split.csv")
    assert replayed["parts"] == 206
    assert replayed["auroc"] == pytest.approx(judged["auroc"], abs=1e-6)


def replay(place: Path, frames: Path) -> dict[str, float]:
    """The same pictures through the whole gate: camera, loop, prediction server, ledger."""
    (place / "recipes").mkdir()
    (place / "recipes" / "plate.toml").write_text('name = "plate"\nmodel = "light_guide"\n')
    (place / "station.toml").write_text(STATION)
    config, out = str(place / "station.toml"), place / "out.jsonl"
    options = ["--frames", str(frames), "--split", "test", "--out", str(out), "--json"]
    result = CliRunner().invoke(main, ["replay", "--config", config, *options])
    assert result.exit_code == 0, result.output
    assert len(out.read_text().splitlines()) == 206
    summary: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return summary
