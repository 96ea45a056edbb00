"""The sections of `station.toml` beside the cameras, and the only defaults."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from edge.config.section import Section
from edge.core.messages import Level, Name

Port = Annotated[int, Field(ge=1, le=65_535)]
TopicPart = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[^/+#\s]+$")]
TopicPrefix = Annotated[str, Field(max_length=128, pattern=r"^[^+#\s]*[^/+#\s]$")]


class Station(Section):
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


class Predict(Section):
    """The prediction server and its models."""

    models: Path  # a folder of bundles, each a folder with manifest.json
    socket: Path | None = None  # default: predict.sock in the state directory
    http_host: str = "127.0.0.1"
    http_port: Port | None = None  # None: only the Unix socket
    memory_mb: Annotated[int, Field(ge=256)] = 2048  # the whole job's address space
    threads: Annotated[int, Field(ge=1, le=64)] = 1  # of one ONNX Runtime session
    max_body_mb: Annotated[int, Field(ge=1, le=256)] = 32


class Plc(Section):
    """The broker between the gate and the PLC."""

    host: str = "127.0.0.1"
    port: Port = 1883
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    username: str | None = None
    password_file: Path | None = None
    silent_after: Annotated[int, Field(ge=1)] = 3  # verdicts without echo until `plc_silent`


class Gate(Section):
    """The inspection loop."""

    level: Level = Level.PARTIAL  # at the very first start; later the last ordered one holds
    recipes: Path = Path("recipes")
    recipe: Name  # for triggers that name none
    max_in_flight: Annotated[int, Field(ge=1, le=256)] = 8
    answer_margin_ms: Annotated[int, Field(ge=0, le=1000)] = 15  # answer this long before deadline
    max_waiting: Annotated[int, Field(ge=1, le=10_000)] = 200  # parts that wait for a person
    heartbeat_ms: Annotated[int, Field(ge=50, le=10_000)] = 250


class Store(Section):
    """What is kept, and how much disk it may take."""

    keep_passes: bool = True  # keep the frames of passed parts, too (thinned first)
    images_mb: Annotated[int, Field(ge=16)] = 20_000
    ballast_mb: Annotated[int, Field(ge=0)] = 16
    # Floors of free disk: a share of it would cry wolf on a large one.
    warn_mb: Annotated[int, Field(ge=0)] = 2000
    prune_mb: Annotated[int, Field(ge=0)] = 1000
    stop_images_mb: Annotated[int, Field(ge=0)] = 500
    records_only_mb: Annotated[int, Field(ge=0)] = 200


class Sync(Section):
    """The post to the trainer. Without a broker host the job waits and keeps everything."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 1883
    username: str | None = None
    password_file: Path | None = None


class Page(Section):
    """The technicians' page. It has no users yet: keep it on the box."""

    host: str = "127.0.0.1"
    port: Port = 8090
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1")
