"""Where the workshop keeps what it has. The only place that reads the environment."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The workshop's folder (`LINEGATE_HOME`), made on first use."""

    path: Path

    @property
    def catalog(self) -> Path:
        """Data sets and runs (SQLite)."""
        return self.path / "catalog.db"

    @property
    def artifacts(self) -> Path:
        """What runs made, each file named by its sha256."""
        return self.path / "artifacts"

    @property
    def work(self) -> Path:
        """Scratch space of runs; may be deleted whenever none is running."""
        return self.path / "work"

    @property
    def searches(self) -> Path:
        """Journals of searches for better settings, which go on where they stopped."""
        return self.path / "searches"


def find_home(environ: Mapping[str, str] = os.environ) -> Home:
    """`LINEGATE_HOME`, or the platform's folder for a user's data."""
    path = Path(environ["LINEGATE_HOME"]) if environ.get("LINEGATE_HOME") else _user_data(environ)
    path.mkdir(parents=True, exist_ok=True)
    return Home(path.resolve())


def find_shared(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of real parts to measure on: `LINEGATE_SHARED`, or `../shared`."""
    return Path(environ.get("LINEGATE_SHARED") or "../shared")


def environment() -> dict[str, str]:
    """What a process of our own inherits."""
    return dict(os.environ)


def _user_data(environ: Mapping[str, str]) -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Linegate"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "Linegate"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "linegate"
