"""Reading `station.toml` and its recipes. Paths in the file are relative to the file."""

import hashlib
import os
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from edge.config.cameras import Camera
from edge.config.gpio import Gpio
from edge.config.section import Section
from edge.config.sections import Gate, Page, Plc, Predict, Station, Store, Sync
from edge.core.errors import ConfigError
from edge.core.recipe import Recipe, explain, parse_recipe

MAX_SOCKET_BYTES = 107  # Linux: sun_path has 108 with the NUL at its end (unix(7))


class StationConfig(Section):
    state_dir: Path
    station: Station
    camera: Annotated[tuple[Camera, ...], Field(min_length=1, max_length=8)]
    predict: Predict
    gate: Gate
    plc: Plc = Plc()
    gpio: Gpio | None = None
    store: Store = Store()
    sync: Sync = Sync()
    page: Page = Page()

    @model_validator(mode="after")
    def _camera_names_differ(self) -> Self:
        names = [camera.name for camera in self.camera]
        if len(set(names)) != len(names):
            raise ValueError(f"two cameras have the same name: {', '.join(names)}")
        return self

    @cached_property
    def sha256(self) -> str:
        """Hash of the effective configuration, defaults included."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def ledger_path(self) -> Path:
        return self.state_dir / "ledger.db"

    @property
    def images_dir(self) -> Path:
        return self.state_dir / "images"

    @property
    def sync_path(self) -> Path:
        return self.state_dir / "sync.db"

    @property
    def control_socket(self) -> Path:
        return self.state_dir / "gate.sock"

    @property
    def predict_socket(self) -> Path:
        return self.predict.socket or self.state_dir / "predict.sock"


def frames_socket(predict_socket: Path) -> Path:
    """Beside the prediction server's socket for HTTP, the one for the gate's own way."""
    return predict_socket.with_name(f"{predict_socket.stem}-frames{predict_socket.suffix}")


def load_station(path: Path) -> StationConfig:
    """Read `station.toml`. Raises ConfigError with file, key and what is wrong."""
    try:
        values = tomllib.loads(_read(path))
        config = StationConfig.model_validate(values)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from error
    config = _resolve(config, path.resolve().parent)
    _check_sockets(path, config)
    return config


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: save it as UTF-8") from error


def _resolve(config: StationConfig, base: Path) -> StationConfig:
    """Make every path absolute, once, so that no job depends on where it was started."""
    cameras = tuple(_resolve_camera(camera, base) for camera in config.camera)
    predict = config.predict.model_copy(
        update={
            "models": base / config.predict.models,
            "socket": _under(base, config.predict.socket),
        }
    )
    gate = config.gate.model_copy(update={"recipes": base / config.gate.recipes})
    plc = config.plc.model_copy(update={"password_file": _under(base, config.plc.password_file)})
    sync = config.sync.model_copy(update={"password_file": _under(base, config.sync.password_file)})
    return config.model_copy(
        update={
            "state_dir": base / config.state_dir,
            "camera": cameras,
            "predict": predict,
            "gate": gate,
            "plc": plc,
            "sync": sync,
        }
    )


def _check_sockets(path: Path, config: StationConfig) -> None:
    """Said here, with its key, not by a job that cannot open its socket later."""
    for socket in (config.control_socket, frames_socket(config.predict_socket)):
        size = len(os.fsencode(socket))
        if size > MAX_SOCKET_BYTES:
            of_state = config.predict.socket is None or socket == config.control_socket
            key = "state_dir" if of_state else "predict.socket"
            raise ConfigError(
                f"{path}: {key}: the socket {socket} has a path of {size} bytes, the system "
                f"allows {MAX_SOCKET_BYTES}: choose a shorter {key}"
            )


def _resolve_camera(camera: Camera, base: Path) -> Camera:
    faults = _under(base, camera.simulator.faults)
    belt = _under(base, camera.simulator.belt)
    simulator = camera.simulator.model_copy(update={"faults": faults, "belt": belt})
    replay = camera.replay
    if replay is not None:
        replay = replay.model_copy(update={"frames": base / replay.frames})
    return camera.model_copy(update={"simulator": simulator, "replay": replay})


def _under(base: Path, path: Path | None) -> Path | None:
    return None if path is None else base / path


def load_recipes(config: StationConfig) -> dict[str, Recipe]:
    """All recipes of the station by name. Raises ConfigError if one is wrong, none is there, the
    default is missing, or one names a camera that the station lacks."""
    folder = config.gate.recipes
    recipes = {}
    for file in sorted(folder.glob("*.toml")):
        recipe = parse_recipe(_read(file), str(file))
        if recipe.name in recipes:
            raise ConfigError(f"{file}: a second recipe is named {recipe.name!r}")
        recipes[recipe.name] = recipe
    if config.gate.recipe not in recipes:
        raise ConfigError(
            f"gate.recipe is {config.gate.recipe!r}, but {folder} holds "
            f"{', '.join(sorted(recipes)) or 'no *.toml'}"
        )
    cameras = {camera.name for camera in config.camera}
    for recipe in recipes.values():
        missing = {view.camera for view in recipe.views} - cameras
        if missing:
            raise ConfigError(
                f"recipe {recipe.name!r} looks through camera {', '.join(sorted(missing))}, "
                f"the station has {', '.join(sorted(cameras))}"
            )
    return recipes
