"""Bundles on disk: a folder with manifest.json, model.onnx and golden/ (docs/models.md).

Read, never written. Every file has its size limit before it is read.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.core.errors import ModelRefused
from edge.core.manifest import MAX_MODEL_BYTES, Manifest, parse_manifest

MAX_MANIFEST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model whose bytes are those that its manifest names."""

    folder: Path
    manifest: Manifest
    model: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One bundle of a models folder, its model not yet read."""

    folder: Path
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a models folder holds: the newest version of each name, and what could not be read."""

    newest: Mapping[str, Entry]
    refused: Mapping[Path, str]


def find_bundles(models: Path) -> Shelf:
    """Look through a folder of bundles, or at the one bundle that `models` itself is.

    A broken bundle is reported, never fatal; folders without a manifest and hidden ones are none.
    """
    newest: dict[str, Entry] = {}
    refused: dict[Path, str] = {}
    try:
        folders = _candidates(models)
    except OSError as error:
        return Shelf({}, {models: f"{models}: cannot be read: {error.strerror}"})
    for folder in folders:
        try:
            manifest = read_manifest(folder)
        except ModelRefused as error:
            refused[folder] = str(error)
            continue
        known = newest.get(manifest.name)
        if known is None or known.manifest.version < manifest.version:
            newest[manifest.name] = Entry(folder, manifest)
    return Shelf(newest, refused)


def is_bundle(folder: Path) -> bool:
    return (folder / "manifest.json").is_file()


def _candidates(models: Path) -> list[Path]:
    if is_bundle(models):
        return [models]
    if not models.is_dir():
        return []
    folders = sorted(models.iterdir())
    return [folder for folder in folders if not folder.name.startswith(".") and is_bundle(folder)]


def read_manifest(folder: Path) -> Manifest:
    """Raises ModelRefused if it is missing, too large or wrong."""
    path = folder / "manifest.json"
    text = read_file(path, MAX_MANIFEST_BYTES).decode("utf-8", "replace")
    return parse_manifest(text, str(path))


def read_bundle(folder: Path) -> Bundle:
    """Read manifest and model. Raises ModelRefused unless the model's hash is the manifest's."""
    manifest = read_manifest(folder)
    path = folder / "model.onnx"
    model = read_file(path, MAX_MODEL_BYTES)
    found = hashlib.sha256(model).hexdigest()
    if found != manifest.sha256:
        raise ModelRefused(
            f"{path}: sha256 is {found[:12]}.., the manifest says {manifest.sha256[:12]}..: "
            "the file was damaged or exchanged; install the bundle again"
        )
    return Bundle(folder, manifest, model)


def read_file(path: Path, limit_bytes: int) -> bytes:
    """Raises ModelRefused if it cannot be read or is larger."""
    try:
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as error:
        raise ModelRefused(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > limit_bytes:
        raise ModelRefused(f"{path}: larger than {limit_bytes} bytes")
    return content
