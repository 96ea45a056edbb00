"""The demo's station: a folder with station.toml, a recipe and the shipped model."""

import sys
from dataclasses import dataclass
from pathlib import Path

from edge.config import StationConfig, load_station
from edge.core.errors import ConfigError
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

[predict]
models = "{models}"

[gate]
recipe = "flange"
level = "partial"

[plc]
port = {broker_port}

[sync]
port = {broker_port}

[page]
port = {page_port}
"""

_RECIPE = """\
name = "flange"
model = "demo"
deadline_ms = {deadline_ms}
review_s = 60

[[views]]
roi = {{ x_px = 80, y_px = 0, w_px = 640, h_px = 480 }}
reference = {{ x_px = 2, y_px = 2, w_px = 72, h_px = 72 }}

[quality]
mean_min = 25
saturated_max = 0.10
sharpness_min = 60
"""


@dataclass(frozen=True, slots=True)
class DemoStation:
    folder: Path
    config_path: Path
    config: StationConfig
    trainer_home: Path


def lay_out(
    folder: Path, models: Path, broker_port: int, seed: int, defect_share: float
) -> DemoStation:
    """Write the station's files into `folder` and read them back as any station's."""
    (folder / "recipes").mkdir(parents=True, exist_ok=True)
    (folder / "recipes" / "flange.toml").write_text(_RECIPE.format(deadline_ms=DEADLINE_MS))
    path = folder / "station.toml"
    path.write_text(
        _STATION.format(
            seed=seed,
            defect_share=defect_share,
            models=models,
            broker_port=broker_port,
            page_port=page_port(),
        )
    )
    return DemoStation(folder, path, load_station(path), folder / "trainer")


def shipped_models() -> Path:
    """The folder of bundles that comes with Linegate: in a checkout, or beside a wheel."""
    here = Path(__file__).resolve().parents[2] / "models"
    installed = Path(sys.prefix) / "share" / "linegate" / "models"
    for folder in (here, installed):
        if (folder / "demo" / "manifest.json").is_file():
            return folder
    raise ConfigError(f"the demo's model is neither in {here} nor in {installed}")


def page_port() -> int:
    """The page's usual port, or a free one if something else has it."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PAGE_PORT))
        except OSError:
            return free_port()
    return PAGE_PORT
