"""`station.toml` -> one frozen StationConfig. The only defaults are here; unknown keys are errors.

Paths in the file are relative to the file.
"""

import hashlib
import os
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.core.errors import ConfigError
from edge.core.messages import Level, Name
from edge.core.recipe import Recipe, Roi, explain, parse_recipe

MAX_SOCKET_BYTES = 107  # Linux: sun_path has 108 with the NUL at its end (unix(7))

Port = Annotated[int, Field(ge=1, le=65_535)]
TopicPart = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[^/+#\s]+$")]
TopicPrefix = Annotated[str, Field(max_length=128, pattern=r"^[^+#\s]*[^/+#\s]$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Station(_Section):
    """Where this box stands. `device` is its name at the trainer."""

    site: TopicPart = "site"
    area: TopicPart = "area"
    line: TopicPart = "line"
    station: TopicPart = "station"
    device: Name
    prefix: TopicPrefix | None = None  # of all topics, instead of site/area/line/station/vision

    @property
    def topic_prefix(self) -> str:
        return self.prefix or f"{self.site}/{self.area}/{self.line}/{self.station}/vision"


class SimulatorSettings(_Section):
    """The virtual conveyor (camera/simulator.py). All cameras of one station share seed, share
    and views. The first view shows the part's top, any other its rim; a defect shows in one."""

    seed: int = 1
    defect_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    width_px: Annotated[int, Field(ge=64, le=4096)] = 640
    height_px: Annotated[int, Field(ge=64, le=4096)] = 480
    views: Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)] = ("main",)
    faults: Path | None = None  # a JSON file, read again whenever it changes: faults on demand


class ReplaySettings(_Section):
    """Recorded frames, in order (camera/replay.py)."""

    frames: Path  # a folder of pictures, or a CSV with a `path` column
    split: str | None = None  # only the rows of this split, where the CSV has one
    loop: bool = False  # begin again at the end instead of being lost


class UsbSettings(_Section):
    """A camera of the system or the network (camera/usb.py). What is None stays as it is."""

    device: str  # /dev/v4l/by-id/...: its name stays the same, unlike /dev/video0; or rtsp://...
    width_px: Annotated[int, Field(ge=16, le=16_384)] | None = None
    height_px: Annotated[int, Field(ge=16, le=16_384)] | None = None
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    fourcc: Annotated[str, Field(min_length=4, max_length=4)] | None = None  # MJPG, YUYV, GREY
    grey: bool = False
    exposure_us: Annotated[float, Field(gt=0)] | None = None  # locked, as are those below
    gain: float | None = None
    white_balance_k: Annotated[int, Field(ge=1000, le=20_000)] | None = None
    focus: float | None = None
    latency_ms: Annotated[float, Field(ge=0, le=10_000)] = 0.0  # from exposure to arrival


class GigeSettings(_Section):
    """A GigE Vision camera (camera/gige.py). What is None stays as the camera has it."""

    id: str | None = None  # address, serial number, or as `arv-tool` lists it; None: the only one
    pixel_format: Literal[
        "Mono8", "Mono10", "Mono12", "Mono12p", "Mono12Packed", "BayerRG8", "BayerGR8",
        "BayerGB8", "BayerBG8", "BayerRG12p", "BayerRG12Packed", "RGB8", "BGR8", "YUV422_8",
    ] = "Mono8"  # fmt: skip
    region: Roi | None = None  # of the sensor; None: all of it
    trigger: Annotated[str, Field(pattern=r"^(Software|Line\d+|free)$")] = "Software"
    exposure_us: Annotated[float, Field(gt=0)] | None = None  # locked; automatic exposure is off
    gain_db: Annotated[float, Field(ge=0)] | None = None
    packet_bytes: Annotated[int, Field(ge=576, le=16_000)] | None = None
    features: dict[str, bool | int | float | str] = {}  # other GenICam features, set in this order


class Camera(_Section):
    """One camera. `kind` says which section below it counts."""

    name: Name = "main"
    kind: Literal["simulator", "replay", "usb", "gige"]
    grab_timeout_ms: Annotated[int, Field(ge=1, le=60_000)] = 150
    simulator: SimulatorSettings = SimulatorSettings()
    replay: ReplaySettings | None = None
    usb: UsbSettings | None = None
    gige: GigeSettings = GigeSettings()

    @model_validator(mode="after")
    def _has_its_section(self) -> Self:
        if self.kind == "replay" and self.replay is None:
            raise ValueError("kind = 'replay' needs [camera.replay] with frames = '...'")
        if self.kind == "usb" and self.usb is None:
            raise ValueError("kind = 'usb' needs [camera.usb] with device = '...'")
        return self


class Predict(_Section):
    """The prediction server and its models."""

    models: Path  # a folder of bundles, each a folder with manifest.json
    socket: Path | None = None  # default: predict.sock in the state directory
    http_host: str = "127.0.0.1"
    http_port: Port | None = None  # None: only the Unix socket
    memory_mb: Annotated[int, Field(ge=256)] = 2048  # the whole job's address space
    threads: Annotated[int, Field(ge=1, le=64)] = 1  # of one ONNX Runtime session
    max_body_mb: Annotated[int, Field(ge=1, le=256)] = 32


class Plc(_Section):
    """The broker between the gate and the PLC."""

    host: str = "127.0.0.1"
    port: Port = 1883
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    username: str | None = None
    password_file: Path | None = None
    silent_after: Annotated[int, Field(ge=1)] = 3  # verdicts without echo until `plc_silent`


class Gate(_Section):
    """The inspection loop."""

    level: Level = Level.PARTIAL  # at the very first start; later the last ordered one holds
    recipes: Path = Path("recipes")
    recipe: Name  # for triggers that name none
    max_in_flight: Annotated[int, Field(ge=1, le=256)] = 8
    answer_margin_ms: Annotated[int, Field(ge=0, le=1000)] = 15  # answer this long before deadline
    max_waiting: Annotated[int, Field(ge=1, le=10_000)] = 200  # parts that wait for a person
    heartbeat_ms: Annotated[int, Field(ge=50, le=10_000)] = 250


class Store(_Section):
    """What is kept, and how much disk it may take."""

    keep_passes: bool = True  # keep the frames of passed parts, too (thinned first)
    images_mb: Annotated[int, Field(ge=16)] = 20_000
    ballast_mb: Annotated[int, Field(ge=0)] = 16
    # Floors of free disk: a share of it would cry wolf on a large one.
    warn_mb: Annotated[int, Field(ge=0)] = 2000
    prune_mb: Annotated[int, Field(ge=0)] = 1000
    stop_images_mb: Annotated[int, Field(ge=0)] = 500
    records_only_mb: Annotated[int, Field(ge=0)] = 200


class Sync(_Section):
    """The post to the trainer. Without a broker host the job waits and keeps everything."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 1883
    username: str | None = None
    password_file: Path | None = None


class Page(_Section):
    """The technicians' page. It has no users yet: keep it on the box."""

    host: str = "127.0.0.1"
    port: Port = 8090
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1")


class StationConfig(_Section):
    state_dir: Path
    station: Station
    camera: Annotated[tuple[Camera, ...], Field(min_length=1, max_length=8)]
    predict: Predict
    gate: Gate
    plc: Plc = Plc()
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
    for socket in (config.control_socket, config.predict_socket):
        size = len(os.fsencode(socket))
        if size > MAX_SOCKET_BYTES:
            key = "predict.socket" if socket == config.predict.socket else "state_dir"
            raise ConfigError(
                f"{path}: {key}: the socket {socket} has a path of {size} bytes, the system "
                f"allows {MAX_SOCKET_BYTES}: choose a shorter {key}"
            )


def _resolve_camera(camera: Camera, base: Path) -> Camera:
    faults = _under(base, camera.simulator.faults)
    simulator = camera.simulator.model_copy(update={"faults": faults})
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
