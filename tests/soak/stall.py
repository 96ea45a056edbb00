"""A disk that can be made to stand still, for the processes that are started on it (stall.c)."""

import mmap
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

SOURCE = Path(__file__).with_name("stall.c")


class StallingDisk:
    """`with StallingDisk(folder) as disk`: start `disk.command(...)`, then `disk.stall(0.3)`."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "stall.so"
        self._until = folder / "stall.until"

    def __enter__(self) -> Self:
        build = ["gcc", "-Wall", "-Werror", "-O2", "-shared", "-fPIC", "-o", str(self._library)]
        subprocess.run([*build, str(SOURCE), "-ldl"], check=True, timeout=60)
        self._until.write_bytes(bytes(8))
        with self._until.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)
        return self

    def __exit__(self, *exc: object) -> None:
        self._shared.close()

    def command(self, command: Sequence[str]) -> list[str]:
        """The same command with this disk under it; `env` becomes the command, so its pid is."""
        preload = [f"LD_PRELOAD={self._library}", f"LINEGATE_STALL={self._until}"]
        return ["env", *preload, *command]

    def stall(self, seconds: float) -> None:
        """From now on so long nothing becomes durable. Returns at once."""
        until_ns = time.monotonic_ns() + round(seconds * 1e9)
        self._shared[:] = struct.pack("q", until_ns)
