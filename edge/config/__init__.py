"""`station.toml` -> one frozen StationConfig, with the only defaults; unknown keys are errors."""

from edge.config.cameras import (
    Camera,
    GigeSettings,
    LinescanSettings,
    PicameraSettings,
    ReplaySettings,
    SimulatorSettings,
    UsbSettings,
)
from edge.config.gpio import Gpio
from edge.config.sections import Gate, Page, Plc, Predict, Station, Store, Sync
from edge.config.station import (
    MAX_SOCKET_BYTES,
    StationConfig,
    frames_socket,
    load_recipes,
    load_station,
)

__all__ = [
    "MAX_SOCKET_BYTES",
    "Camera",
    "Gate",
    "GigeSettings",
    "Gpio",
    "LinescanSettings",
    "Page",
    "PicameraSettings",
    "Plc",
    "Predict",
    "ReplaySettings",
    "SimulatorSettings",
    "Station",
    "StationConfig",
    "Store",
    "Sync",
    "UsbSettings",
    "frames_socket",
    "load_recipes",
    "load_station",
]
