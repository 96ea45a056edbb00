"""The record of every run: what went in, what came out, what it cost; files by their content."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from edge.core.clock import Clock, ms
from edge.core.errors import LinegateError
from trainer.config import Home

_COLUMNS = {
    "id": str,
    "state": str,  # running, done, failed
    "dataset": str,
    "revision": str,
    "learner": str,
    "code": str,
    "command": str,
    "params": str,  # JSON, as are the next two
    "results": str,
    "artifacts": str,  # name -> sha256
    "started_at": str,
    "finished_at": str,
    "seconds": float,
    "peak_mb": float,
}


@dataclass(slots=True)
class Run:
    """One training run. `results` and `artifacts` grow while it is judged and released."""

    id: str
    dataset: str
    revision: str
    learner: str
    command: str
    params: dict[str, Any]
    code: str
    started_at: str
    state: str = "running"
    finished_at: str = ""
    seconds: float = 0.0
    peak_mb: float = 0.0
    results: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)


class Runs:
    """The table of runs and the folder of what they made."""

    def __init__(self, db: Database, home: Home, clock: Clock) -> None:
        self._db, self._home, self._clock = db, home, clock
        with db.atomic():
            db.table("runs").create(_COLUMNS, pk="id", strict=True, if_not_exists=True)

    @contextmanager
    def begin(
        self, dataset: str, revision: str, learner: str, command: str, params: dict[str, Any]
    ) -> Iterator[Run]:
        """A run that is recorded from its first second; as failed if it does not reach its end."""
        run = Run(
            id=self._next_id(dataset),
            dataset=dataset,
            revision=revision,
            learner=learner,
            command=command,
            params=params,
            code=code_version(),
            started_at=self._now(),
        )
        with self._under_way(run):
            yield run

    @contextmanager
    def resume(
        self, dataset: str, revision: str, learner: str, params: dict[str, Any]
    ) -> Iterator[Run]:
        """Go on with the last run of this that did not reach its end; its seconds add up.

        Raises LinegateError if there is none, or only one of another code.
        """
        asked = dataset, revision, learner, _cell(params)
        same = [
            r for r in self.all() if asked == (r.dataset, r.revision, r.learner, _cell(r.params))
        ]
        run = next((r for r in reversed(same) if r.state != "done"), None)
        if run is None:
            raise LinegateError(
                f"no run on {dataset!r} with these very options was interrupted: `linegate-trainer "
                "runs` lists them; leave out --resume to begin one"
            )
        if run.code != code_version():
            raise LinegateError(
                f"run {run.id} was begun by {run.code}, this is {code_version()}, which may learn "
                "otherwise: leave out --resume to begin anew"
            )
        with self._under_way(run):
            yield run

    @contextmanager
    def _under_way(self, run: Run) -> Iterator[None]:
        run.state = "running"
        self.save(run)
        begun_ns = self._clock.monotonic_ns()
        try:
            yield
            run.state = "done"
        except BaseException:
            run.state = "failed"
            raise
        finally:
            run.finished_at, run.peak_mb = self._now(), max(run.peak_mb, peak_mb())
            seconds = ms(self._clock.monotonic_ns() - begun_ns) / 1000
            run.seconds = round(run.seconds + seconds, 1)
            self.save(run)

    def save(self, run: Run) -> None:
        row = {name: _cell(getattr(run, name)) for name in _COLUMNS}
        with self._db.atomic():
            self._db.table("runs").upsert(row, pk="id")

    def get(self, run_id: str) -> Run:
        """A finished run. Raises LinegateError if there is none of this name."""
        row = next(self._db.query("SELECT * FROM runs WHERE id = ?", [run_id]), None)
        if row is None:
            raise LinegateError(f"no run {run_id!r}: `linegate-trainer runs` lists them")
        if row["state"] != "done":
            raise LinegateError(f"run {run_id!r} is {row['state']}; it has no model")
        return _run(row)

    def all(self) -> list[Run]:
        return [_run(row) for row in self._db.query("SELECT * FROM runs ORDER BY started_at, id")]

    def keep(self, run: Run, name: str, data: bytes) -> None:
        """Store what a run made under its content's name."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._home.artifacts / sha256
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_bytes(data)
            os.replace(part, path)
        run.artifacts[name] = sha256

    def artifact(self, run: Run, name: str) -> bytes:
        """Raises LinegateError if the file is gone or is no longer what was written."""
        try:
            data = (self._home.artifacts / run.artifacts[name]).read_bytes()
        except (KeyError, OSError) as error:
            raise LinegateError(f"run {run.id}: its {name} is missing; train again") from error
        if hashlib.sha256(data).hexdigest() != run.artifacts[name]:
            raise LinegateError(f"run {run.id}: its {name} is damaged; train again")
        return data

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="seconds")

    def _next_id(self, dataset: str) -> str:
        known = {row["id"] for row in self._db.query("SELECT id FROM runs")}
        n = 1
        while f"{dataset}-{n}" in known:
            n += 1
        return f"{dataset}-{n}"


def code_version() -> str:
    """The package's version, and in a checkout what git calls the code."""
    package = f"linegate {version('linegate')}"
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return package
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return package
    return f"{package} ({done.stdout.strip()})"


def peak_mb() -> float:
    """The most memory this process ever held; macOS counts in bytes, Linux in kilobytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def _cell(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


def _run(row: dict[str, Any]) -> Run:
    parsed = {name: json.loads(row[name]) for name in ("params", "results", "artifacts")}
    return Run(**{**row, **parsed})
