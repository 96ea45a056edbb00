"""Faults on demand: what a JSON file says is wrong with the simulator (docs/cameras.md)."""

from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from edge.core.recipe import explain

_log = structlog.get_logger()


Side = Annotated[int, Field(ge=16, le=8192)]
Byte = Annotated[int, Field(ge=0, le=255)]
StuckPixel = tuple[NonNegativeInt, NonNegativeInt, Byte]  # x, y and what it says


class Faults(BaseModel):
    """All at their defaults: nothing is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    lamp: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Brightness of a dying lamp; 0 is black."""
    overexposed: Annotated[float, Field(ge=1, le=20)] = 1.0
    """Too much light by this factor; from about 3 on most of the part is white."""
    smear: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Grease on the lens; 1 hides all detail."""
    moved_px: tuple[int, int] = (0, 0)
    """Someone knocked the camera: the picture is shifted right and down."""
    defocus_px: Annotated[float, Field(ge=0, le=30)] = 0.0
    """Someone turned the lens: everything is blurred by this sigma."""
    size_px: tuple[Side, Side] | None = None
    """The camera forgot its settings: its pictures have this width and height."""
    stuck: Annotated[tuple[StuckPixel, ...], Field(max_length=10_000)] = ()
    """Pixels of the sensor that always say the same: `[x, y, grey]` each."""
    lot: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    """A new lot: good parts, but of another colour and finish than ever before."""
    tag: Annotated[str, Field(max_length=64, pattern=r"^[\x20-\x7e]*$")] | None = None
    """What every part's tag says instead of its own id; empty: the tag is not there."""
    frozen: bool = False
    """The same pixels again and again while the camera's counter runs on."""
    stalled: bool = False
    """The same frame again and again, counter and time of exposure included."""
    lost: bool = False
    """The cable is out: CameraLost until this is removed."""
    drop: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the grabs that get no frame in time."""
    slow_ms: Annotated[float, Field(ge=0, le=60_000)] = 0.0
    """Every frame comes this much later."""


class FaultsFile:
    """Reads the file again whenever it changed. A file that is wrong changes nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._faults = Faults()

    def read(self) -> Faults:
        """The faults of now; none without a file. Costs one `stat` while nothing changes."""
        if self._path is None:
            return self._faults
        try:
            status = self._path.stat()
        except OSError:
            self._seen, self._faults = None, Faults()
            return self._faults
        version = (status.st_mtime_ns, status.st_size)
        if version != self._seen:
            self._seen = version
            self._faults = self._parse(self._path)
        return self._faults

    def _parse(self, path: Path) -> Faults:
        try:
            faults = Faults.model_validate_json(path.read_bytes())
        except ValidationError as error:
            _log.warning("faults_file_ignored", file=str(path), problem=explain(error))
            return self._faults
        except OSError as error:
            _log.warning("faults_file_ignored", file=str(path), problem=str(error))
            return self._faults
        _log.info("faults", **faults.model_dump(exclude_defaults=True))
        return faults
