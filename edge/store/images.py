"""Image files: lossless PNG, named by the sha256 of their bytes, durable before any row names them.

images/ab/abcd...png
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from edge.core.errors import NotDurable, StoreError
from edge.core.preprocess import Image

_TEMP = ".tmp"
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
SWEEP_GRACE_S = 3600.0  # younger files may just be waiting for their row


def durable_write(path: Path, data: bytes) -> None:
    """Create or replace a file such that a power cut leaves the old one, the new one, never half.

    The only way Linegate creates data files. Raises OSError; then nothing was replaced.
    """
    _make_durable_dir(path.parent)
    temp = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{_TEMP}")
    try:
        with open(temp, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temp, path)
    except BaseException:
        with suppress(OSError):
            temp.unlink()
        raise
    sync_dir(path.parent)


def sync_dir(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _make_durable_dir(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_durable_dir(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_dir(folder.parent)


@dataclass(frozen=True, slots=True)
class Kept:
    """A durable image file."""

    sha256: str
    bytes: int
    path: Path


@dataclass(frozen=True, slots=True)
class Swept:
    """What was cleared away: half-written files, and images that no row names."""

    temps: int
    orphans: int


class ImageStore:
    """One thread keeps and removes; any thread or process may read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256}.png"

    def keep(self, image: Image) -> Kept:
        """Store an image, BGR (H, W, 3) or grey (H, W), uint8; the same image again is free.

        Raises NotDurable if the disk does not take it.
        """
        data = encode(image)
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        try:
            if path.exists():
                sync_dir(path.parent)  # whoever wrote it may have died before this
            else:
                durable_write(path, data)
        except OSError as error:
            raise NotDurable(f"{path} cannot be written: {error.strerror}") from error
        return Kept(sha256, len(data), path)

    def read(self, sha256: str) -> bytes:
        """The file's bytes. Raises StoreError if it is missing or damaged."""
        path = self.path(sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise StoreError(f"image {sha256} is gone: pruned, or never kept") from error
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(f"{path} is damaged: its bytes do not hash to its name")
        return data

    def load(self, sha256: str) -> Image:
        """The pixels, exactly as kept. Raises StoreError if the file is missing or damaged."""
        data = np.frombuffer(self.read(sha256), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        return np.asarray(image, dtype=np.uint8)

    def remove(self, sha256s: Iterable[str]) -> int:
        """Delete files whose rows are pruned, durably; return how many there were. What cannot
        be deleted now, the next sweep finds."""
        return sum(_unlink(self.path(sha256)) for sha256 in sha256s)

    def sweep(
        self, named: Callable[[Iterable[str]], frozenset[str]], since: datetime, now: datetime
    ) -> Swept:
        """Clear away half-written files and the images that `named` does not return.

        Files from before `since` (when this ledger began) belong to an earlier ledger and are
        left alone, as are those younger than SWEEP_GRACE_S.
        """
        temps = orphans = 0
        for files in self._folders():
            old = [file for file in files if _is_between(file, since, now)]
            temps += sum(_unlink(file) for file in old if file.suffix == _TEMP)
            images = {file.stem: file for file in old if file.suffix == ".png"}
            kept = named(images)
            orphans += sum(_unlink(file) for sha256, file in images.items() if sha256 not in kept)
        return Swept(temps, orphans)

    def _folders(self) -> Iterator[list[Path]]:
        if self.folder.is_dir():
            for folder in sorted(path for path in self.folder.iterdir() if path.is_dir()):
                yield list(folder.iterdir())


def encode(image: Image) -> bytes:
    """As PNG: the fastest lossless one (640x480 colour: 15 ms, half its raw size)."""
    ok, data = cv2.imencode(".png", image, _PNG)
    if not ok:
        raise StoreError(f"an image of shape {image.shape} cannot be encoded as PNG")
    return bytes(data)


def _is_between(file: Path, since: datetime, now: datetime) -> bool:
    try:
        changed_s = file.stat().st_mtime
    except OSError:
        return False
    return since.timestamp() <= changed_s <= now.timestamp() - SWEEP_GRACE_S


def _unlink(file: Path) -> bool:
    try:
        file.unlink()
    except OSError:
        return False
    return True
