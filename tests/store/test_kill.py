"""SIGKILL at random moments: what was acknowledged is there, nothing is there by half."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.store.reader import LedgerReader

ROWS_OF_A_GROUP = 4  # records: inspection, two images, review
KILLS = 25


class Victims:
    """The children of kill_child.py, one at a time."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("kill_child.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def kill_one(self, ledger: Path, how: str, after_s: float) -> int:
        """Let a child write to the ledger for a while, kill it; return the last group it
        acknowledged."""
        process = self._process
        assert process.stdin and process.stdout
        process.stdin.write(f"{ledger} {how}\n")
        process.stdin.flush()
        last = pid = 0
        while (line := process.stdout.readline()) != "gone\n":
            word, _, value = line.strip().partition(" ")
            if word == "pid":
                pid = int(value)
            elif word == "ack":
                if last == 0:
                    time.sleep(after_s)
                    os.kill(pid, signal.SIGKILL)
                last = int(value)
            else:
                assert "ledger open" in line, line
        return last

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture
def victims() -> Iterator[Victims]:
    some = Victims()
    yield some
    some.close()


def half_groups(ledger: Path) -> list[str]:
    """Inspections of which something is there, but not all."""
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as db:
        opened = [row[0] for row in db.execute("select inspection_id from inspections")]
        rows = Counter(row[0] for row in db.execute("select inspection_id from records"))
    db.close()
    return [part for part in opened if rows[part] != ROWS_OF_A_GROUP]


@pytest.mark.system
def test_killed_writer_loses_nothing_acknowledged_and_leaves_nothing_half(victims, path):
    seed = random.randrange(10**6)
    delays = random.Random(seed)
    for _ in range(KILLS):
        acknowledged = victims.kill_one(path, "whole", delays.uniform(0, 0.05))
        assert half_groups(path) == [], f"seed {seed}"
        reader = LedgerReader(path)
        assert reader.inspection(f"i-{acknowledged}") is not None
        assert reader.record_count() == reader.extent().last_seq >= 4 * acknowledged
        foreign = sqlite3.connect(path)
        assert foreign.execute("pragma integrity_check").fetchone() == ("ok",)
        foreign.close()


@pytest.mark.system
def test_planted_bug_leaves_half_groups(victims, path):
    """A ledger whose writes commit one by one must be caught, else the test above proves nothing.
    (That synchronous=FULL is needed, only a power cut can show.)"""
    delays = random.Random(1)
    assert any(
        victims.kill_one(path, "torn", delays.uniform(0, 0.05)) and half_groups(path)
        for _ in range(KILLS)
    )
