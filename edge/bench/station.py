"""A station to measure: two cameras that replay the same drawn parts, once as plain bitmaps, as a
camera hands them over, once as JPEG."""

from collections.abc import Iterable
from pathlib import Path

import cv2

from edge.camera.parts import part_id
from edge.camera.simulator import Simulator
from edge.camera.source import Shot
from edge.clock import SystemClock
from edge.config import SimulatorSettings, StationConfig, load_station
from edge.plc.broker import free_port

PLAIN, JPEG = "plain", "jpeg"  # recipes, cameras and folders of frames
PICTURES = 24
DEADLINE_MS = 500

_STATION = """\
state_dir = "state"
[station]
device = "bench"
[[camera]]
name = "plain"
kind = "replay"
grab_timeout_ms = 400
[camera.replay]
frames = "plain"
loop = true
[[camera]]
name = "jpeg"
kind = "replay"
grab_timeout_ms = 400
[camera.replay]
frames = "jpeg"
loop = true
[predict]
models = "{models}"
[gate]
recipe = "plain"
level = "full"
[plc]
port = {broker_port}
[sync]
enabled = false
[page]
port = {page_port}
"""
_RECIPE = """\
name = "{name}"
model = "{model}"
deadline_ms = {deadline_ms}
[[views]]
name = "main"
camera = "{name}"
"""


def lay_out(folder: Path, bundle: Path, model: str, broker_port: int) -> tuple[StationConfig, Path]:
    """The station's files in `folder`: its configuration, and where that stands."""
    for name, suffix in ((PLAIN, ".bmp"), (JPEG, ".jpg")):
        _draw(folder / name, suffix)
        (folder / "recipes").mkdir(exist_ok=True)
        recipe = _RECIPE.format(name=name, model=model, deadline_ms=DEADLINE_MS)
        (folder / "recipes" / f"{name}.toml").write_text(recipe)
    path = folder / "station.toml"
    path.write_text(_STATION.format(models=bundle, broker_port=broker_port, page_port=free_port()))
    return load_station(path), path


def _draw(folder: Path, suffix: str) -> None:
    """Pictures of the simulated conveyor: a model needs parts, quality limits a lit scene."""
    folder.mkdir(parents=True)
    for number, image in enumerate(_pictures()):
        cv2.imwrite(str(folder / f"{number:03d}{suffix}"), image)


def _pictures() -> Iterable[cv2.typing.MatLike]:
    clock = SystemClock()
    with Simulator(SimulatorSettings(), clock) as camera:
        for number in range(PICTURES):
            shot = Shot(part_id(number), "main", clock.monotonic_ns())
            yield camera.grab(shot, 5.0).image
