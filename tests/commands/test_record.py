import csv
import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edge.__main__ import main
from edge.camera.replay import read_frame_list
from edge.config import ReplaySettings

COLUMNS = ("path", "label", "defect_kind", "mask_or_box_path", "group", "split", "domain", "order")
STATION = """
state_dir = "state"
[station]
device = "box-1"
[predict]
models = "models"
[gate]
recipe = "flange"
"""
SIMULATOR = """
[[camera]]
name = "{name}"
kind = "simulator"
[camera.simulator]
width_px = 160
height_px = 120
defect_share = 0.5
views = ["main", "side"]
"""


@pytest.fixture
def station(tmp_path):
    def write(*cameras):
        file = tmp_path / "station.toml"
        file.write_text(STATION + "".join(cameras))
        return file

    return write


@pytest.fixture
def record(tmp_path):
    def run(config, *options, to="out"):
        arguments = ["record", "--config", str(config), "--to", str(tmp_path / to), *options]
        result = CliRunner().invoke(main, arguments)
        return result, tmp_path / to

    return run


def rows(folder):
    with (folder / "parts.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_simulated_parts_come_with_label_kind_and_mask(station, record):
    result, folder = record(station(SIMULATOR.format(name="main")), "--parts", "20", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout.splitlines()[-1])
    assert answer["pictures"] == 20 == sum(answer["kinds"].values())
    found = rows(folder)
    assert tuple(found[0]) == COLUMNS
    for row in found:
        assert cv2.imread(str(folder / row["path"])).shape == (120, 160, 3)
        assert (row["label"] == "1") == (row["defect_kind"] != "good")
        assert (row["label"] == "1") == bool(row["mask_or_box_path"])
    masks = [row["mask_or_box_path"] for row in found if row["mask_or_box_path"]]
    mask = cv2.imread(str(folder / masks[0]), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(mask)) == {0, 255}
    assert (folder / masks[0]).read_bytes()[24] == 1  # bits per pixel in the PNG's header


def test_views_of_one_part_share_its_group(station, record):
    config = station(SIMULATOR.format(name="main"), SIMULATOR.format(name="side"))
    result, folder = record(config, "--parts", "5")
    assert result.exit_code == 0, result.output
    found = rows(folder)
    assert [row["group"] for row in found[:4]] == ["SIM-000000"] * 2 + ["SIM-000001"] * 2
    assert len({row["path"] for row in found}) == 10


def test_one_camera_can_be_chosen(station, record):
    config = station(SIMULATOR.format(name="main"), SIMULATOR.format(name="side"))
    _, folder = record(config, "--parts", "2", "--camera", "side")
    assert {row["path"] for row in rows(folder)} == {
        "images/SIM-000000_side.png",
        "images/SIM-000001_side.png",
    }


def test_region_of_the_recipe_cuts_pictures_and_masks(station, record):
    config = station(SIMULATOR.format(name="main"))
    _, whole = record(config, "--parts", "9", to="whole")
    _, cut = record(config, "--parts", "9", "--roi", "30,10,100,90", to="cut")
    for row in rows(whole):
        for name in filter(None, (row["path"], row["mask_or_box_path"])):
            before, after = (cv2.imread(str(folder / name)) for folder in (whole, cut))
            assert np.array_equal(after, before[10:100, 30:130])


@pytest.mark.parametrize(("share", "label"), [("0", "0"), ("1", "1")])
def test_share_of_defects_can_be_overridden(station, record, share, label):
    camera = SIMULATOR.format(name="main").replace('["main", "side"]', '["main"]')
    _, folder = record(station(camera), "--parts", "6", "--defect-share", share)
    assert {row["label"] for row in rows(folder)} == {label}


def test_another_seed_gives_other_parts(station, record):
    config = station(SIMULATOR.format(name="main"))
    _, one = record(config, "--parts", "1", to="one")
    _, two = record(config, "--parts", "1", "--seed", "99", to="two")
    name = "images/SIM-000000_main.png"
    assert (one / name).read_bytes() != (two / name).read_bytes()


def test_recorded_set_can_be_replayed_with_its_truth(station, record):
    _, folder = record(station(SIMULATOR.format(name="main")), "--parts", "8")
    replay = f'[[camera]]\nkind = "replay"\n[camera.replay]\nframes = "{folder}/parts.csv"\n'
    result, again = record(station(replay), "--parts", "100", to="again")
    assert result.exit_code == 0, result.output
    for before, after in zip(rows(folder), rows(again), strict=True):
        for column in ("label", "defect_kind", "group", "domain", "order"):
            assert before[column] == after[column]
        first = read_frame_list(ReplaySettings(frames=folder / "parts.csv"))[0]
        assert first.part_id == "SIM-000000_main"


def test_folder_that_holds_something_is_left_alone(station, record, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    result, _ = record(station(SIMULATOR.format(name="main")), "--parts", "1")
    assert result.exit_code == 2
    assert "not an empty folder" in result.output
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--camera", "top"], "no camera named 'top'; the station has main"),
        (["--defect-share", "2"], "2.0 is not in the range"),
        (["--parts", "0"], "0 is not in the range"),
        (["--roi", "1,2,3"], "give x,y,w,h in pixels"),
        (["--roi", "0,0,0,9"], "give x,y,w,h in pixels"),
    ],
)
def test_wrong_use_is_explained(station, record, options, problem):
    config = station(SIMULATOR.format(name="main"))
    result, folder = record(config, "--parts", "1", *options)
    assert result.exit_code == 2
    assert problem in " ".join(result.output.replace("│", " ").split())
    assert not folder.exists()


def test_simulator_options_do_not_fit_other_cameras(station, record, tmp_path):
    (tmp_path / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "frames" / "a.png"), np.zeros((8, 8), np.uint8))
    replay = '[[camera]]\nkind = "replay"\n[camera.replay]\nframes = "frames"\n'
    result, _ = record(station(replay), "--parts", "1", "--seed", "3")
    assert result.exit_code == 2
    assert "are for simulators" in result.output


def test_camera_that_is_lost_ends_with_one_sentence(station, record, tmp_path):
    (tmp_path / "faults.json").write_text('{"lost": true}')
    camera = SIMULATOR.format(name="main") + 'faults = "faults.json"\n'
    result, _ = record(station(camera), "--parts", "1")
    assert result.exit_code == 1
    assert "unplugged" in result.output
