"""`station.toml` -> one frozen StationConfig, with the only defaults; unknown keys are errors."""

from edge.config.cameras import Camera, GigeSettings, ReplaySettings, SimulatorSettings, UsbSettings
from edge.config.gpio import Gpio
from edge.config.sections import Gate, Page, Plc, Predict, Station, Store, Sync
from edge.config.station import MAX_SOCKET_BYTES, StationConfig, load_recipes, load_station

__all__ = [
    "MAX_SOCKET_BYTES",
    "Camera",
    "Gate",
    "GigeSettings",
    "Gpio",
    "Page",
    "Plc",
    "Predict",
    "ReplaySettings",
    "SimulatorSettings",
    "Station",
    "StationConfig",
    "Store",
    "Sync",
    "UsbSettings",
    "load_recipes",
    "load_station",
]
