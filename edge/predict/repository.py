"""The models that are loaded, by name and version, and how one becomes so.

Models come from one folder only; a caller names a bundle, never a path. A new version is loaded
beside the old one, which stays for a rollback until the version after.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from edge.core.errors import ModelRefused
from edge.predict.bundle import Bundle, find_bundles, read_bundle
from edge.predict.session import ModelSession

KEPT_VERSIONS = 2  # the newest and the one to go back to

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ModelState:
    """One line of the repository index."""

    name: str
    version: str
    ready: bool
    reason: str = ""


class Repository:
    """Safe to use from several threads: its lock is held for an exchange, never for a trial."""

    def __init__(self, models: Path, threads: int, trial: Callable[[Bundle], None]) -> None:
        """`trial` raises ModelRefused for a bundle that must not be loaded (probation.py)."""
        self._models = models
        self._threads = threads
        self._trial = trial
        self._lock = threading.Lock()
        self._loaded: Mapping[str, Mapping[int, ModelSession]] = {}  # replaced, never changed
        self._refused: Mapping[str, str] = {}  # name of bundle or folder -> why
        self._settled = False

    @property
    def is_ready(self) -> bool:
        """Whether the first loading is over and left at least one model."""
        return self._settled and bool(self._loaded)

    @property
    def refused(self) -> Mapping[str, str]:
        """What could not be loaded, and why, by bundle or folder."""
        return self._refused

    @property
    def sessions(self) -> list[ModelSession]:
        """All that is loaded."""
        return [session for versions in self._loaded.values() for session in versions.values()]

    def get(self, name: str, version: str | None = None) -> ModelSession | None:
        """The loaded model; without a version the newest."""
        versions = self._loaded.get(name, {})
        if version is None:
            return versions[max(versions)] if versions else None
        return versions.get(int(version)) if version.isdecimal() and len(version) < 10 else None

    def versions(self, name: str) -> list[str]:
        return [str(version) for version in sorted(self._loaded.get(name, {}))]

    def load_all(self) -> None:
        """Load the newest version of every name. One that is refused does not stop the others."""
        shelf = find_bundles(self._models)
        for folder, reason in shelf.refused.items():
            self._refuse(folder.name, reason)
        for name in shelf.newest:
            try:
                self.load(name)
            except ModelRefused as error:
                _log.error("model refused", model=name, why=str(error))
        self._settled = True

    def load(self, name: str) -> None:
        """Load the newest version of a name after its trial. Raises ModelRefused with the reason;
        whatever was loaded before still is."""
        shelf = find_bundles(self._models)
        entry = shelf.newest.get(name)
        if entry is None:
            known = ", ".join(sorted(shelf.newest)) or "none"
            raise ModelRefused(f"no model {name!r} in the models folder; there are: {known}")
        loaded = self._loaded.get(name, {}).get(entry.manifest.version)
        if loaded is None or loaded.manifest.sha256 != entry.manifest.sha256:
            self._admit(entry.folder, entry.manifest.label)

    def unload(self, name: str) -> bool:
        """Forget every version of a name; requests under way are still answered."""
        with self._lock:
            was_loaded = name in self._loaded
            self._loaded = {key: value for key, value in self._loaded.items() if key != name}
            return was_loaded

    def index(self) -> list[ModelState]:
        """What lies in the models folder and what is loaded, by name and version."""
        states = {
            (session.manifest.name, session.manifest.version): "" for session in self.sessions
        }
        lines = [ModelState(name, str(version), True) for name, version in sorted(states)]
        shelf = find_bundles(self._models)
        for name, entry in sorted(shelf.newest.items()):
            if (name, entry.manifest.version) not in states:
                why = self._refused.get(entry.manifest.label, "not loaded")
                lines.append(ModelState(name, str(entry.manifest.version), False, why))
        broken = sorted((folder.name, why) for folder, why in shelf.refused.items())
        return lines + [ModelState(name, "", False, why) for name, why in broken]

    def _admit(self, folder: Path, label: str) -> None:
        try:
            bundle = read_bundle(folder)
            self._trial(bundle)
            session = ModelSession(bundle.model, bundle.manifest, self._threads)
        except ModelRefused as error:
            self._refuse(label, str(error))
            raise
        self._publish(session)
        self._refused = {key: why for key, why in self._refused.items() if key != label}
        _log.info("model loaded", model=label, sha256=bundle.manifest.sha256)

    def _publish(self, session: ModelSession) -> None:
        name, version = session.manifest.name, session.manifest.version
        with self._lock:
            versions = {**self._loaded.get(name, {}), version: session}
            kept = sorted(versions)[-KEPT_VERSIONS:]
            self._loaded = {**self._loaded, name: {number: versions[number] for number in kept}}

    def _refuse(self, label: str, reason: str) -> None:
        self._refused = {**self._refused, label: reason}
