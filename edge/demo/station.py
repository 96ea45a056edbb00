"""The demo's station: a folder with station.toml, a recipe and the shipped model."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from edge.config import StationConfig, load_station
from edge.core.errors import ConfigError
from edge.core.messages import Level
from edge.plc.broker import free_port

DEADLINE_MS = 500  # a busy laptop is no real-time box; a station sets its own
PAGE_PORT = 8090

_STATION = """\
state_dir = "state"

[station]
site = "demo"
area = "hall1"
line = "line1"
station = "gate1"
device = "demo-box"
{prefix}

[[camera]]
name = "main"
kind = "simulator"
grab_timeout_ms = 400
[camera.simulator]
seed = {seed}
defect_share = {defect_share}
width_px = 800
mark = true
faults = "faults.json"
{belt}

[predict]
models = "{models}"

[gate]
recipe = "flange"
level = "{level}"

[plc]
host = "{broker_host}"
port = {broker_port}

[sync]
host = "{broker_host}"
port = {broker_port}

[page]
port = {page_port}
"""

_RECIPE = """\
name = "flange"
model = "demo"
deadline_ms = {deadline_ms}
review_s = 60
{within}

[[views]]
roi = {{ x_px = 80, y_px = 0, w_px = 640, h_px = 480 }}
reference = {{ x_px = 2, y_px = 2, w_px = 72, h_px = 72 }}

[quality]
mean_min = 25
contrast_min = 15
saturated_max = 0.10
sharpness_min = 60
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What differs from one simulated station to the other."""

    broker_port: int
    broker_host: str = "127.0.0.1"
    seed: int = 1
    defect_share: float = 0.1
    level: Level = Level.PARTIAL
    topics: str | None = None  # another prefix of the line's topics
    belt: str | None = None  # a file in the folder: who stands before the camera when
    frame_within_ms: float | None = None  # so long a part stays before the camera


@dataclass(frozen=True, slots=True)
class DemoStation:
    folder: Path
    config_path: Path
    config: StationConfig
    trainer_home: Path


def lay_out(folder: Path, models: Path, wanted: Wanted) -> DemoStation:
    """Write the station's files into `folder` and read them back as any station's."""
    (folder / "recipes").mkdir(parents=True, exist_ok=True)
    (folder / "recipes" / "flange.toml").write_text(
        _RECIPE.format(
            deadline_ms=DEADLINE_MS, within=_line("frame_within_ms", wanted.frame_within_ms)
        )
    )
    path = folder / "station.toml"
    path.write_text(
        _STATION.format(
            seed=wanted.seed,
            defect_share=wanted.defect_share,
            belt=_line("belt", wanted.belt),
            models=models,
            level=wanted.level,
            prefix=_line("prefix", wanted.topics),
            broker_host=wanted.broker_host,
            broker_port=wanted.broker_port,
            page_port=usual_or_free_port(PAGE_PORT),
        )
    )
    return DemoStation(folder, path, load_station(path), folder / "trainer")


def _line(key: str, value: str | float | None) -> str:
    """A line of TOML, or none: the file's defaults are the station's."""
    return "" if value is None else f"{key} = {json.dumps(value)}"


def shipped_models() -> Path:
    """The folder of bundles that comes with Linegate: in a checkout, or beside a wheel."""
    here = Path(__file__).resolve().parents[2] / "models"
    installed = Path(sys.prefix) / "share" / "linegate" / "models"
    for folder in (here, installed):
        if (folder / "demo" / "manifest.json").is_file():
            return folder
    raise ConfigError(f"the demo's model is neither in {here} nor in {installed}")


def usual_or_free_port(port: int) -> int:
    """This port, or a free one if something else has it."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
    return port
