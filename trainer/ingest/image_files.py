"""Image files: `images/ab/<sha256>.png`, and `partial/` while their pieces come."""

import hashlib
import os
from pathlib import Path
from typing import Protocol

from edge.core.post import CHUNK_BYTES


class ImageBox(Protocol):
    """Where the receiver puts pieces and gets whole images."""

    def has(self, sha256: str) -> bool: ...

    def write(self, device: str, sha256: str, index: int, data: bytes) -> None: ...

    def finish(self, device: str, sha256: str) -> bool:
        """True: all pieces together have this hash, and the file is durable under its name.
        False: they do not; they were thrown away."""
        ...


class ImageFiles:
    def __init__(self, folder: Path) -> None:
        self._whole = folder / "images"
        self._partial = folder / "partial"
        self._partial.mkdir(parents=True, exist_ok=True)
        self._whole.mkdir(exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the whole image is, or will be."""
        return self._whole / sha256[:2] / f"{sha256}.png"

    def has(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def write(self, device: str, sha256: str, index: int, data: bytes) -> None:
        """Put one piece at its place. Not durable: the hash at the end tells whether all are."""
        fd = os.open(self._partial_path(device, sha256), os.O_WRONLY | os.O_CREAT, 0o640)
        try:
            os.pwrite(fd, data, index * CHUNK_BYTES)
        finally:
            os.close(fd)

    def finish(self, device: str, sha256: str) -> bool:
        partial, whole = self._partial_path(device, sha256), self.path(sha256)
        if not partial.exists():
            return False
        with partial.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                partial.unlink()
                return False
            os.fsync(file.fileno())
        whole.parent.mkdir(exist_ok=True)
        partial.replace(whole)
        _fsync_folder(whole.parent)
        _fsync_folder(self._whole)
        return True

    def _partial_path(self, device: str, sha256: str) -> Path:
        # A device's name has no slash and does not begin with a dot (core.messages.Name).
        return self._partial / f"{device}~{sha256}"


def _fsync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
