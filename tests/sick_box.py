"""A box whose disk or clock is sick, for the processes that are started on it: what sick_box.c
does to them, by a few bytes in a file."""

import mmap
import shutil
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
CONTROL = struct.Struct("=qqii")  # as in sick_box.c


class SickBox:
    """`below` is the folder on the sick disk. Without gcc nothing can be made sick."""

    def __init__(self, folder: Path, below: Path) -> None:
        self._library = folder / "sick_box.so"
        self._below = below
        self._control = folder / "sickness"
        self._control.write_bytes(bytes(CONTROL.size))
        with self._control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), CONTROL.size)
        if (gcc := shutil.which("gcc")) is not None:
            command = [gcc, "-Wall", "-Werror", "-O2", "-shared", "-fPIC", str(SOURCE), "-ldl"]
            subprocess.run([*command, "-o", str(self._library)], check=True, timeout=60)

    def around(self, command: Sequence[str]) -> list[str]:
        """The same command, on this box; `env` becomes the command, so its pid is."""
        if not self._library.exists():
            return list(command)
        settings = {
            "LD_PRELOAD": self._library,
            "SICK_BOX_CONTROL": self._control,
            "SICK_BOX_BELOW": self._below,
        }
        return ["env", *(f"{key}={value}" for key, value in settings.items()), *command]

    def becomes(
        self, clock_s: float = 0.0, stall_s: float = 0.0, sync_ms: int = 0, disk: int = 0
    ) -> None:
        """`clock_s`: how wrong the wall clock is; `stall_s`: from now on so long nothing becomes
        durable; `sync_ms`: how much longer an fsync takes; `disk`: the errno of every write.
        Without arguments the box is well. Returns at once."""
        still_ns = time.monotonic_ns() + round(stall_s * 1e9)
        self._map[:] = CONTROL.pack(round(clock_s * 1e9), still_ns, sync_ms, disk)

    def close(self) -> None:
        self._map.close()
