"""`linegate replay`: the whole gate over recorded frames."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundles import make_bundle, raw_run
from click.testing import CliRunner, Result

from edge.__main__ import main
from edge.core.manifest import Face
from edge.core.metrics import auroc
from edge.core.preprocess import to_input
from edge.store.reader import LedgerReader

pytestmark = pytest.mark.system

STATION = """\
state_dir = "state"
[station]
device = "box"
[[camera]]
kind = "simulator"
[predict]
models = "models"
[gate]
recipe = "disc"
level = "full"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A station with a toy model, and twenty pictures of which the bright ones are defective."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "disc.toml").write_text('name = "disc"\nmodel = "toy"\n')
    (tmp_path / "station.toml").write_text(STATION)
    make_bundle(tmp_path / "models" / "toy")
    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(1)
    rows = ["path,label,split"]
    for n in range(20):
        image = rng.integers(40, 90 + 8 * n, (96, 128, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "pictures" / f"p{n:02d}.png"), image)
        rows.append(f"pictures/p{n:02d}.png,{int(n >= 12)},{'test' if n % 2 else 'train'}")
    (tmp_path / "list.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def replay(place: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["replay", "--config", str(place / "station.toml"), *more])


def test_every_frame_has_one_record_and_the_score_of_the_model_itself(place: Path) -> None:
    out, state = place / "out.jsonl", place / "kept"
    result = replay(
        place,
        *("--frames", str(place / "list.csv"), "--out", str(out), "--state", str(state), "--json"),
    )
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    rows = LedgerReader(state / "ledger.db").newest(100)
    assert len(lines) == len(rows) == 20
    assert len({row.part_id for row in rows}) == 20
    face = Face(height_px=64, width_px=64, colour="rgb", heatmap=(8, 8), embedding=16)
    for line in lines:
        image = np.asarray(cv2.imread(line["path"]), np.uint8)
        direct = float(raw_run(place / "models" / "toy", to_input(image, face))["score"][0])
        assert line["score"] == direct
        assert line["verdict"] in ("pass", "rework") and line["latency_ms"] > 0
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["parts"] == 20 and sum(summary["verdicts"].values()) == 20
    good = [line["score"] for line in lines[:12]]
    defect = [line["score"] for line in lines[12:]]
    assert summary["auroc"] == pytest.approx(auroc(good, defect), abs=1e-12)


def test_stations_own_ledger_is_not_touched(place: Path) -> None:
    assert replay(place, "--frames", str(place / "pictures")).exit_code == 0
    assert not (place / "state").exists()


def test_nearly_full_disk_does_not_keep_it_from_judging(place: Path) -> None:
    """The gate is `degraded` then, and decides."""
    with (place / "station.toml").open("a") as station:
        station.write("[store]\nwarn_mb = 1000000000\n")
    result = replay(place, "--frames", str(place / "list.csv"), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["parts"] == 20


def test_split_picks_its_rows_and_a_folder_has_no_truth(place: Path) -> None:
    picked = replay(place, "--frames", str(place / "list.csv"), "--split", "test", "--json")
    assert json.loads(picked.stdout.splitlines()[-1])["parts"] == 10
    folder = replay(place, "--frames", str(place / "pictures"), "--json")
    assert json.loads(folder.stdout.splitlines()[-1])["auroc"] is None


def test_at_level_shadow_every_part_waits_for_a_person_but_is_scored(place: Path) -> None:
    result = replay(place, "--frames", str(place / "list.csv"), "--level", "shadow", "--json")
    assert result.exit_code == 0, repr(result.exception) + result.output
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["verdicts"] == {"pass": 0, "rework": 0, "review": 20}
    assert summary["auroc"] is not None


def test_broken_picture_is_rework_and_the_rest_is_judged(place: Path) -> None:
    (place / "pictures" / "p05.png").write_bytes(b"not a picture")
    out = place / "out.jsonl"
    result = replay(place, "--frames", str(place / "list.csv"), "--out", str(out))
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 20
    (broken,) = [line for line in lines if line["score"] is None]
    assert (broken["part_id"], broken["verdict"], broken["reasons"]) == (
        "p05",
        "rework",
        ["no_frame"],
    )


def test_frames_without_pictures_are_refused_in_one_sentence(place: Path) -> None:
    (place / "empty").mkdir()
    result = replay(place, "--frames", str(place / "empty"))
    assert result.exit_code == 2
    assert "no pictures" in result.output
