import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from edge.camera.frame_list import _ids
from edge.camera.pictures import Alteration, altered
from edge.camera.replay import ReplayCamera, read_frame_list
from edge.config import ReplaySettings
from edge.core.errors import CameraLost, CameraTimeout, ConfigError
from edge.core.messages import PartId

SHARED = Path(os.environ.get("LINEGATE_SHARED", Path(__file__).parents[3] / "shared"))
SPLIT_HEADER = ["path", "label", "defect_kind", "mask_or_box_path", "group", "split", "domain"]


def picture(path, value=100, colour=False, size=(20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((*size, 3) if colour else size, value, np.uint8)
    cv2.imwrite(str(path), image)


def table(path, rows, header=SPLIT_HEADER):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def folder(tmp_path):
    for n, name in enumerate(("b.png", "a.png", "c.jpg")):
        picture(tmp_path / "frames" / name, value=50 * (n + 1))
    (tmp_path / "frames" / "notes.txt").write_text("not a picture")
    return tmp_path / "frames"


@pytest.fixture
def play(clock):
    def make(frames, **settings):
        return ReplayCamera(ReplaySettings(frames=frames, **settings), clock)

    return make


def test_folder_is_played_in_the_order_of_its_names(folder, play, shot):
    with play(folder) as camera:
        means = [camera.grab(shot(f"live-{n}"), 1).image.mean() for n in range(3)]
    assert means == [100, 50, pytest.approx(150, abs=1)]


def test_end_of_the_list_is_a_lost_camera(folder, play, shot):
    with play(folder) as camera:
        for n in range(3):
            camera.grab(shot(f"live-{n}"), 1)
        with pytest.raises(CameraLost, match=r"all 3 frames.*loop = true"):
            camera.grab(shot("live-3"), 1)


def test_loop_begins_again(folder, play, shot):
    with play(folder, loop=True) as camera:
        frames = [camera.grab(shot(f"live-{n}"), 1) for n in range(5)]
    assert np.array_equal(frames[0].image, frames[3].image)
    assert [frame.seq for frame in frames] == [1, 2, 3, 4, 5]


def test_known_part_gets_its_own_frame_in_any_order(folder, play, shot):
    with play(folder) as camera:
        for part, mean in (("c", 150), ("a", 100), ("c", 150), ("b", 50)):
            assert camera.grab(shot(part), 1).image.mean() == pytest.approx(mean, abs=1)


def test_grey_stays_grey_and_colour_stays_colour(tmp_path, play, shot):
    picture(tmp_path / "f" / "grey.png")
    picture(tmp_path / "f" / "colour.png", colour=True)
    with play(tmp_path / "f") as camera:
        assert camera.grab(shot("grey"), 1).image.shape == (20, 30)
        assert camera.grab(shot("colour"), 1).image.shape == (20, 30, 3)
        assert not camera.live


def test_unreadable_picture_is_named_and_the_rest_goes_on(folder, play, shot):
    (folder / "a.png").write_bytes(b"no picture")
    with play(folder) as camera:
        with pytest.raises(CameraTimeout, match=r"a\.png: not a picture"):
            camera.grab(shot("live-0"), 1)
        assert camera.grab(shot("live-1"), 1).image.mean() == 50
        (folder / "c.jpg").unlink()
        with pytest.raises(CameraTimeout, match=r"c\.jpg: cannot be read"):
            camera.grab(shot("live-2"), 1)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint16), np.zeros((4, 4, 4), np.uint8)])
def test_deep_or_transparent_picture_is_refused(tmp_path, play, shot, image):
    cv2.imwrite(str(tmp_path / "deep.png"), image)
    with play(tmp_path) as camera, pytest.raises(CameraTimeout, match="8-bit grey or colour"):
        camera.grab(shot("deep"), 1)


def test_split_csv_lies_beside_its_pictures(tmp_path):
    picture(tmp_path / "images" / "one.png")
    row = {"path": "images/one.png", "label": 1, "defect_kind": "ng", "split": "test"}
    row |= {"mask_or_box_path": "masks/one.png", "group": "g1", "domain": "dense"}
    other = {"path": "images/two.png", "label": 0, "split": "train"}
    file = table(tmp_path / "split.csv", [other, row])
    (only,) = read_frame_list(ReplaySettings(frames=file, split="test"))
    assert (only.part_id, only.path) == ("one", tmp_path / "images" / "one.png")
    assert (only.label, only.defect_kind, only.group, only.domain) == (1, "ng", "g1", "dense")
    assert only.mask_path == tmp_path / "masks" / "one.png"


def test_shift_csv_lies_in_a_folder_beside_the_sets(tmp_path):
    picture(tmp_path / "tiles" / "images" / "x.png")
    header = ["seq", "clock", "path", "label", "phase", "gain", "blur_sigma", "dx", "dy"]
    row = {"clock": "06:00:22", "path": "tiles/images/x.png", "phase": "smear", "label": "0"}
    row |= {"gain": "1.1", "blur_sigma": "0.50", "dx": "3", "dy": "-2"}
    file = table(tmp_path / "line_day" / "tiles.csv", [row, row], header)
    first, second = read_frame_list(ReplaySettings(frames=file))
    assert first.path == tmp_path / "tiles" / "images" / "x.png"
    assert first.alteration == Alteration(dx_px=3, dy_px=-2, gain=1.1, blur_sigma_px=0.5)
    assert (first.clock, first.phase, first.label) == ("06:00:22", "smear", 0)
    assert (first.part_id, second.part_id) == ("x@0", "x@1")


def test_empty_label_is_not_good(tmp_path):
    picture(tmp_path / "x.png")
    file = table(tmp_path / "split.csv", [{"path": "x.png"}])
    assert read_frame_list(ReplaySettings(frames=file))[0].label is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("path\nnowhere.png\n", "none of its pictures is there"),
        ("file\nx.png\n", "no column `path`"),
        ("", "no rows"),
        ("path,gain\nx.png,much\n", "the row of x.png"),
        ("path,gain\nx.png,nan\n", "the row of x.png"),
        ("path,split\nx.png,train\n", "no pictures with split = 'test'"),
        ("path\nx.png\n", "no column `split`"),
    ],
)
def test_wrong_list_is_refused_with_its_name(tmp_path, text, problem):
    picture(tmp_path / "x.png")
    file = tmp_path / "list.csv"
    file.write_text(text)
    split = "test" if "split" in problem else None
    with pytest.raises(ConfigError, match=problem) as refusal:
        read_frame_list(ReplaySettings(frames=file, split=split))
    assert str(file) in str(refusal.value)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such folder or CSV"):
        read_frame_list(ReplaySettings(frames=tmp_path / "nowhere"))


def test_shift_repeats_the_edge():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    moved = altered(image, Alteration(dx_px=1, dy_px=-1))
    assert moved.tolist() == [[4, 4, 5, 6], [8, 8, 9, 10], [8, 8, 9, 10]]


def test_gain_comes_before_blur():
    """A white dot that the gain saturates: blurring first would have spread it before."""
    image = np.zeros((21, 21), np.uint8)
    image[10, 10] = 200
    both = altered(image, Alteration(gain=2.0, blur_sigma_px=1.0))
    saturated = np.minimum(image.astype(int) * 2, 255).astype(np.uint8)
    assert np.array_equal(both, cv2.GaussianBlur(saturated, (0, 0), 1.0))
    assert both.sum() < cv2.GaussianBlur(image, (0, 0), 1.0).astype(int).sum() * 1.5


def test_unaltered_picture_is_the_file(tmp_path, play, shot):
    noise = np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "n.png"), noise)
    with play(tmp_path) as camera:
        assert np.array_equal(camera.grab(shot("n"), 1).image, noise)


@given(st.lists(st.text(max_size=80), min_size=1, max_size=30))
def test_any_file_names_give_valid_ids_without_repeats(stems):
    ids = _ids(stems)
    assert len(set(ids)) == len(ids)
    for part_id in ids:
        TypeAdapter(PartId).validate_python(part_id)


def test_truth_stays_beside_the_frame(tmp_path, play, shot):
    picture(tmp_path / "x.png")
    mask = np.zeros((20, 30), np.uint8)
    mask[5:8, 10:12] = 255
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    row = {"path": "x.png", "label": 1, "defect_kind": "ng", "mask_or_box_path": "m.png", "dx": 2}
    file = table(tmp_path / "split.csv", [row], [*SPLIT_HEADER, "dx"])
    with play(file) as camera:
        truth = camera.truth(shot("x"))
        assert (truth.label, truth.defect_kind, truth.group) == (1, "ng", "x")
        assert np.argwhere(truth.mask).min(axis=0).tolist() == [5, 12]
        assert camera.truth(shot("unknown")).label is None


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("light_guide/split.csv", 822),
        ("magnetic_tile/split.csv", 1344),
        ("line_day/magnetic_tile.csv", 1350),
        ("line_day/elpv_supplier_change.csv", 709),
        ("line_day/light_guide_new_variant.csv", 150),
    ],
)
def test_real_lists_are_read_in_full(name, rows, play, shot):
    file = SHARED / "data" / name
    if not file.is_file():
        pytest.skip(f"{file} is not there; set LINEGATE_SHARED")
    found = read_frame_list(ReplaySettings(frames=file))
    assert len(found) == rows == len({row.part_id for row in found})
    assert all(row.path.is_file() and row.label in (0, 1) for row in found)
    with play(file) as camera:
        assert camera.grab(shot(found[-1].part_id), 1).image.ndim == 2
