"""Trigger to verdict, stage by stage, beside the raw model in the same run. Nothing is asserted by
time; `make bench` prints, and docs/benchmarks.md keeps what was seen."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundles import make_bundle

from edge.camera.frame_list import read_frame_list
from edge.clock import SystemClock
from edge.config import ReplaySettings, load_station
from edge.core.records import InspectionRecord
from edge.predict.bundle import read_bundle
from edge.predict.session import ModelSession
from edge.replay.run import judge_all, over_frames
from edge.store.reader import LedgerReader

pytestmark = [pytest.mark.system, pytest.mark.slow]

FRAMES = 400
STATION = """\
state_dir = "state"
[station]
device = "box"
[[camera]]
kind = "simulator"
[predict]
models = "{models}"
[gate]
recipe = "disc"
level = "full"
"""


def test_hot_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = Path(__file__).resolve().parents[2] / "models" / "demo"
    if not shipped.is_dir():
        shipped = tmp_path / "models" / "toy"
        make_bundle(shipped, side_px=224)
    config, settings = lay_out(tmp_path, shipped)
    rows = read_frame_list(settings)
    station = over_frames(config, settings, tmp_path / "s")
    (tmp_path / "s").mkdir()
    raw_before = raw_model_ms(shipped)
    verdicts = [one.verdict for one in judge_all(station, rows, 10_000, SystemClock())]
    raw_after = raw_model_ms(shipped)
    records = [
        InspectionRecord.model_validate_json(row.body)
        for row in LedgerReader(station.ledger_path).newest(FRAMES)
    ]
    stages = {
        name: [record.stages_ms[name] for record in records]
        for name in ("grab", "quality", "predict")
    }
    told = [verdict.latency_ms for verdict in verdicts]
    stages["without grab"] = [
        t - g for t, g in zip(sorted(told), sorted(stages["grab"]), strict=True)
    ]
    with capsys.disabled():
        print(f"\nraw model           p50 {np.median(raw_before + raw_after):7.2f} ms")
        for name, values in {**stages, "decided (all)": told}.items():
            p50, p99 = np.percentile(values, (50, 99))
            print(f"{name:18}  p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   n {len(values)}")


def lay_out(folder: Path, bundle: Path):
    pictures = folder / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(1)
    for n in range(FRAMES):
        image = rng.integers(40, 200, (480, 640, 3), dtype=np.uint8)
        cv2.imwrite(str(pictures / f"f{n:03d}.jpg"), image)
    (folder / "recipes").mkdir()
    name = read_bundle(bundle).manifest.name
    (folder / "recipes" / "disc.toml").write_text(f'name = "disc"\nmodel = "{name}"\n')
    (folder / "station.toml").write_text(STATION.format(models=bundle.parent))
    return load_station(folder / "station.toml"), ReplaySettings(frames=pictures)


def raw_model_ms(bundle: Path) -> list[float]:
    loaded = read_bundle(bundle)
    session = ModelSession(loaded.model, loaded.manifest)
    image = np.zeros(loaded.manifest.face.input_shape, np.uint8)
    spent = []
    for _ in range(300):
        began = time.perf_counter()
        session.run(image)
        spent.append((time.perf_counter() - began) * 1000)
    return spent[50:]
