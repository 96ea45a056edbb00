"""What check-config and replay say of a station that cannot work, before it starts."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundles import make_bundle
from click.testing import CliRunner, Result

from edge.__main__ import main
from edge.clock import SystemClock
from edge.config import MAX_SOCKET_BYTES, load_station
from edge.core.errors import ConfigError
from edge.replay.run import judge_all

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
"""
RECIPE = 'name = "disc"\nmodel = "toy"\n'
REPLAY = 'kind = "replay"\n[camera.replay]\nframes = "{}"\n'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A station without a fault."""
    (tmp_path / "recipes").mkdir()
    write(tmp_path)
    make_bundle(tmp_path / "models" / "toy")
    return tmp_path


def write(place: Path, station: str = STATION, recipe: str = RECIPE) -> None:
    (place / "station.toml").write_text(station)
    (place / "recipes" / "disc.toml").write_text(recipe)


def linegate(command: str, place: Path, *more: str) -> Result:
    return CliRunner().invoke(main, [command, "--config", str(place / "station.toml"), *more])


def found(place: Path) -> list[str]:
    result = linegate("check-config", place, "--json")
    answer = json.loads(result.stdout.splitlines()[-1])
    assert result.exit_code == (1 if answer["problems"] else 0), result.output
    return answer["problems"]  # type: ignore[no-any-return]


GPIO = """
[gpio]
belt_mm_s = 1000
[gpio.diverter]
line = 20
at_mm = {at_mm}
window_mm = 20
min_gap_mm = 60
"""


@pytest.mark.parametrize(("at_mm", "fits"), [(321, True), (320, False)])
def test_part_that_is_at_the_diverter_before_its_deadline_is_told(
    place: Path, at_mm: int, fits: bool
) -> None:
    write(place, STATION + GPIO.format(at_mm=at_mm))
    told = [problem for problem in found(place) if "at the diverter 300 ms after" in problem]
    assert bool(told) is not fits


@pytest.mark.parametrize(
    ("trigger", "more", "asked"),
    [("Line1", "", True), ("Line1", "frame_within_ms = 80\n", False), ("Software", "", False)],
)
def test_camera_that_a_sensor_triggers_needs_a_limit_for_its_frames(
    place: Path, trigger: str, more: str, asked: bool
) -> None:
    gige = f'kind = "gige"\n[camera.gige]\ntrigger = "{trigger}"\n'
    write(place, STATION.replace('kind = "simulator"\n', gige), RECIPE + more)
    assert bool([problem for problem in found(place) if "set frame_within_ms" in problem]) is asked


USB = 'kind = "usb"\n[camera.usb]\ndevice = "/dev/video0"\nfps = 10\n'


@pytest.mark.parametrize(("limit", "told"), [("", False), ("99", True), ("100", False)])
def test_limit_that_the_camera_cannot_keep_is_told_with_one_that_it_can(
    place: Path, limit: str, told: bool
) -> None:
    more = f"frame_within_ms = {limit}\n" if limit else ""
    write(place, STATION.replace('kind = "simulator"\n', USB), RECIPE + more)
    problems = found(place)
    assert bool(problems) is told
    assert all("begin its exposure 100 ms after" in text for text in problems)
    assert all("Set 150, if a part stays" in text for text in problems)


@pytest.mark.parametrize(("limit", "told"), [("", True), ("60", True), ("59", False)])
def test_next_part_that_can_come_within_the_limit_is_told(
    place: Path, limit: str, told: bool
) -> None:
    """Parts are 60 ms apart, the camera alone may take 33 of them, and the box another 50."""
    usb = STATION.replace('kind = "simulator"\n', USB.replace("10", "30"))
    more = f"frame_within_ms = {limit}\n" if limit else ""
    write(place, usb + GPIO.format(at_mm=900), RECIPE + more)
    problems = [text for text in found(place) if "set frame_within_ms below 60" in text]
    assert bool(problems) is told


def test_limits_in_force_are_shown(place: Path) -> None:
    write(place, STATION.replace('kind = "simulator"\n', USB))
    assert "after their trigger: main 150 ms" in linegate("check-config", place).output
    write(place)
    assert "main whenever they come" in linegate("check-config", place).output
    answer = json.loads(linegate("check-config", place, "--json").stdout.splitlines()[-1])
    assert answer["frame_within_ms"] == {"disc": {"main": None}}


def test_station_without_a_fault_has_no_problem(place: Path) -> None:
    (place / "secret").write_text("sesame")
    write(place, STATION + '[plc]\npassword_file = "secret"\n')
    assert found(place) == []
    assert "1 recipes, 1 models" in linegate("check-config", place).output


def test_damaged_model_is_found(place: Path) -> None:
    with (place / "models" / "toy" / "model.onnx").open("ab") as file:
        file.write(b"x")
    (problem,) = found(place)
    assert "recipe 'disc'" in problem and "damaged or exchanged" in problem


def test_missing_model_is_found(place: Path) -> None:
    write(place, recipe=RECIPE.replace("toy", "other"))
    (problem,) = found(place)
    assert "asks for model 'other'" in problem and problem.endswith("holds toy")


def test_broken_manifest_is_said_once(place: Path) -> None:
    (place / "models" / "broken").mkdir()
    (place / "models" / "broken" / "manifest.json").write_text("{")
    (problem,) = found(place)
    assert problem.count("broken/manifest.json") == 1


@pytest.mark.parametrize("frames", ["nowhere.csv", "empty", "n" * 300])
def test_recorded_frames_that_are_not_there_are_found(place: Path, frames: str) -> None:
    (place / "empty").mkdir()
    write(place, STATION.replace('kind = "simulator"\n', REPLAY.format(frames)))
    (problem,) = found(place)
    assert problem.startswith("camera 'main': ") and frames in problem


def test_recorded_frames_that_are_there_are_fine(place: Path) -> None:
    cv2.imwrite(str(place / "a.png"), np.zeros((8, 8), np.uint8))
    write(place, STATION.replace('kind = "simulator"\n', REPLAY.format(".")))
    assert found(place) == []


@pytest.mark.parametrize("section", ["plc", "sync"])
@pytest.mark.parametrize("secret", ["nowhere", "folder", "binary"])
def test_password_file_that_cannot_be_read_is_found(place: Path, section: str, secret: str) -> None:
    (place / "folder").mkdir()
    (place / "binary").write_bytes(b"\xff\xfe\x00")
    write(place, f'{STATION}[{section}]\npassword_file = "{secret}"\n')
    (problem,) = found(place)
    assert problem.startswith(f"{section}.password_file {place / secret}: ")


@pytest.mark.parametrize(("w_px", "h_px", "n"), [(640, 480, 0), (641, 480, 1), (640, 481, 1)])
def test_roi_must_lie_in_the_frame_of_a_simulator(
    place: Path, w_px: int, h_px: int, n: int
) -> None:
    roi = f"[[views]]\n[views.roi]\nx_px = 40\ny_px = 30\nw_px = {w_px - 40}\nh_px = {h_px - 30}\n"
    write(place, recipe=RECIPE + roi)
    problems = found(place)
    assert len(problems) == n
    assert all("roi ends at" in problem and "640 x 480" in problem for problem in problems)


@pytest.mark.parametrize(("x_px", "n"), [(576, 0), (577, 1)])
def test_reference_must_lie_in_the_frame_of_a_simulator(place: Path, x_px: int, n: int) -> None:
    region = f"{{ x_px = {x_px}, y_px = 0, w_px = 64, h_px = 64 }}"
    write(place, recipe=f"{RECIPE}[[views]]\nreference = {region}\n")
    problems = found(place)
    assert len(problems) == n and all("reference ends at" in problem for problem in problems)


@pytest.mark.parametrize("beyond", [0, 1])
@pytest.mark.parametrize("key", ["state_dir", "predict.socket"])
def test_socket_path_must_fit_the_system(place: Path, key: str, beyond: int) -> None:
    """`predict-frames.sock` is the longest name of those in state_dir; ü has two bytes."""
    if key == "state_dir":
        room = MAX_SOCKET_BYTES - len(f"{place}//predict-frames.sock".encode()) + beyond
        text = STATION.replace('"state"', f'"{"ü" + "x" * (room - 2)}"')
    else:
        room = MAX_SOCKET_BYTES - len(f"{place}/-frames".encode()) + beyond
        text = STATION.replace("[gate]", f'socket = "{"s" * room}"\n[gate]')
    write(place, text)
    if not beyond:
        load_station(place / "station.toml")
        return
    with pytest.raises(ConfigError, match=rf"{key}: the socket .* allows 107: choose a shorter"):
        load_station(place / "station.toml")
    assert linegate("check-config", place).exit_code == 2


def test_replay_refuses_at_once_without_the_model(place: Path) -> None:
    write(place, recipe=RECIPE.replace("toy", "other"))
    judged = judge_all(load_station(place / "station.toml"), [], 1000, SystemClock())
    with pytest.raises(ConfigError, match="asks for model 'other'"):
        next(judged)
    assert not (place / "state").exists()  # nothing was started
