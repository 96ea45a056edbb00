"""A box whose disk or clock is sick: what preload.c does to the jobs, by a few bytes in a file."""

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("preload.c")
CONTROL = struct.Struct("=qii")  # as in preload.c


class SickBox:
    """`below` is the folder on the sick disk. Without gcc nothing can be made sick."""

    def __init__(self, folder: Path, below: Path) -> None:
        self._library = folder / "preload.so"
        self._below = below
        self._control = folder / "sickness"
        self._control.write_bytes(bytes(CONTROL.size))
        with self._control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), CONTROL.size)
        if (gcc := shutil.which("gcc")) is not None:
            command = [gcc, "-shared", "-fPIC", "-O2", "-o", str(self._library), str(SOURCE)]
            subprocess.run([*command, "-ldl"], check=True, timeout=60)

    def around(self, command: list[str]) -> list[str]:
        """The same command, on this box."""
        if not self._library.exists():
            return command
        settings = {
            "LD_PRELOAD": self._library,
            "SICK_BOX_CONTROL": self._control,
            "SICK_BOX_BELOW": self._below,
        }
        return ["env", *(f"{key}={value}" for key, value in settings.items()), *command]

    def becomes(self, clock_s: float = 0.0, sync_ms: int = 0, disk: int = 0) -> None:
        """`clock_s`: how wrong the wall clock is; `sync_ms`: how much longer an fsync takes;
        `disk`: the errno of every write. Without arguments the box is well."""
        self._map[: CONTROL.size] = CONTROL.pack(round(clock_s * 1e9), sync_ms, disk)

    def close(self) -> None:
        self._map.close()
