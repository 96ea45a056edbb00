"""The sick box: what is started on it bears its disk and its clock, everything else does not."""

import errno
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sick_box import SickBox

SYNC = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
began = time.monotonic()
os.{call}(fd)
print(time.monotonic() - began)
"""
WRITE = """
import sys
try:
    with open(sys.argv[1], "w") as file:
        file.write("x")
    print(0)
except OSError as error:
    print(error.errno)
"""
CLOCK = "import time; print(time.time() - time.monotonic())"

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[SickBox]:
    with closing(SickBox(tmp_path, tmp_path / "state")) as made:
        yield made


def said(command: list[str]) -> float:
    return float(subprocess.check_output(command, timeout=60))


@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
def test_sync_returns_only_when_the_disk_goes_on(tmp_path: Path, box: SickBox, call: str) -> None:
    sync = [sys.executable, "-c", SYNC.format(call=call), str(tmp_path / "file")]
    box.becomes(stall_s=2.0)
    waited_s = said(box.around(sync))
    beside_s = said(sync)
    box.becomes()
    after_s = said(box.around(sync))
    assert waited_s > 0.2  # less than 2 s: an interpreter takes its time to start
    assert beside_s < waited_s and after_s < waited_s


def test_every_sync_takes_as_much_longer_as_was_said(tmp_path: Path, box: SickBox) -> None:
    box.becomes(sync_ms=300)
    sync = [sys.executable, "-c", SYNC.format(call="fsync"), str(tmp_path / "file")]
    assert said(box.around(sync)) >= 0.3


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
def test_disk_refuses_writes_below_its_folder_alone(
    tmp_path: Path, box: SickBox, error: int
) -> None:
    (tmp_path / "state").mkdir()
    box.becomes(disk=error)
    write = [sys.executable, "-c", WRITE]
    assert said(box.around([*write, str(tmp_path / "state" / "file")])) == error
    assert said(box.around([*write, str(tmp_path / "file")])) == 0


def test_wall_clock_is_wrong_and_the_monotonic_one_is_not(box: SickBox) -> None:
    box.becomes(clock_s=-1e6)
    apart_s = time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic()
    assert said(box.around([sys.executable, "-c", CLOCK])) == pytest.approx(apart_s - 1e6, abs=60)


def test_program_without_its_control_file_does_not_start(tmp_path: Path, box: SickBox) -> None:
    """A box that is never sick must not look like one that bears it."""
    (tmp_path / "sickness").unlink()
    assert subprocess.run(box.around(["true"]), timeout=60).returncode != 0
