"""The disk that stands still: what is started on it waits, everything else does not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from soak.stall import StallingDisk

SYNC = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
began = time.monotonic()
os.{call}(fd)
print(time.monotonic() - began)
"""

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
def test_sync_returns_only_when_the_disk_goes_on(tmp_path: Path, call: str) -> None:
    sync = [sys.executable, "-c", SYNC.format(call=call), str(tmp_path / "file")]
    with StallingDisk(tmp_path) as disk:
        disk.stall(2.0)
        waited_s = float(subprocess.check_output(disk.command(sync), timeout=60))
        beside_s = float(subprocess.check_output(sync, timeout=60))
        disk.stall(0.0)
        after_s = float(subprocess.check_output(disk.command(sync), timeout=60))
    assert waited_s > 0.2  # less than 2 s: an interpreter takes its time to start
    assert beside_s < waited_s and after_s < waited_s


def test_program_without_its_clock_of_the_disk_does_not_start(tmp_path: Path) -> None:
    """A rig that stalls nothing must not look like one that does."""
    with StallingDisk(tmp_path) as disk:
        command = disk.command(["true"])
        (tmp_path / "stall.until").unlink()
        assert subprocess.run(command, timeout=60).returncode != 0
