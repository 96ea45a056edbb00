"""Power cuts at random moments: only what the disk was really given survives.

The ledger lies on an ext4 in a file. The cut copies that file while the writer stands still: all
that the kernel still held back is lost, as it is on a box that loses its power.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from store.victims import RECORDS_OF_A_GROUP, Victims, half_groups, is_sound

from edge.store.images import ImageStore
from edge.store.reader import LedgerReader

CUTS = 20


class Box:
    """A disk that can lose its power, and be switched on again."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "memory" / "disk.img"
        self._mount = folder / "disk"
        self.ledger = self._mount / "ledger.db"

    def build(self) -> None:
        """Raises OSError where that is not allowed."""
        self._image.parent.mkdir()
        self._mount.mkdir()
        must("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(self._image.parent))
        must("truncate", "-s", "48M", str(self._image))
        must("mkfs.ext4", "-q", "-F", str(self._image))
        self._switch_on()

    def cut(self, pid: int) -> None:
        """Take the power from a writer; the disk keeps what it has."""
        os.kill(pid, signal.SIGSTOP)
        while state_of(pid) not in "Tt":
            time.sleep(0.0005)
        kept = self._image.with_suffix(".cut")
        shutil.copyfile(self._image, kept)
        os.kill(pid, signal.SIGKILL)
        while state_of(pid) not in "ZX":
            time.sleep(0.001)
        must("umount", str(self._mount))
        os.replace(kept, self._image)
        self._switch_on()

    def _switch_on(self) -> None:
        must("mount", "-o", "loop", str(self._image), str(self._mount))

    def scrap(self) -> None:
        subprocess.run(["umount", "-l", str(self._mount)], timeout=10, capture_output=True)
        subprocess.run(["umount", "-l", str(self._image.parent)], timeout=10, capture_output=True)


def must(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # reaped before, or between open and read
        return "X"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    try:
        box.build()
    except OSError as error:
        box.scrap()
        pytest.skip(f"loop mounts need root, power cuts are not tested: {error}")
    yield box
    box.scrap()


def lost(ledger: Path, acknowledged: int) -> list[int]:
    reader = LedgerReader(ledger)
    return [n for n in range(1, acknowledged + 1) if reader.inspection(f"i-{n}") is None]


@pytest.mark.system
def test_power_cut_loses_nothing_acknowledged(victims: Victims, box: Box):
    seed = random.randrange(10**6)
    delays = random.Random(seed)
    for _ in range(CUTS):
        acknowledged = victims.stop_one(box.ledger, "whole", delays.uniform(0, 0.1), box.cut)
        assert half_groups(box.ledger) == [], f"seed {seed}"
        assert is_sound(box.ledger)
        reader, store = LedgerReader(box.ledger), ImageStore(box.ledger.parent / "images")
        assert reader.record_count() >= RECORDS_OF_A_GROUP * acknowledged, f"seed {seed}"
        for n in range(max(1, acknowledged - 30), acknowledged + 1):
            for image in reader.images_of(f"i-{n}"):
                store.read(image.sha256)  # every row's file is there, whole


@pytest.mark.system
def test_planted_bug_loses_acknowledged_parts(victims: Victims, box: Box):
    """With synchronous=NORMAL a commit returns before the disk has it; the rig must show that."""
    delays = random.Random(1)
    assert any(
        lost(box.ledger, victims.stop_one(box.ledger, "normal", delays.uniform(0, 0.1), box.cut))
        for _ in range(CUTS)
    )
