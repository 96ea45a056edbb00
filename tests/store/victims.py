"""Children that write to a ledger until they are stopped (kill_child.py), and what they leave."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

RECORDS_OF_A_GROUP = 5  # inspection, two images, review, and the frame again as evidence


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


class Victims:
    """One at a time. The script forks them, which spares each the imports."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("kill_child.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def stop_one(
        self, ledger: Path, how: str, after_s: float, stop: Callable[[int], None] = kill
    ) -> int:
        """Let a child write for a while, then `stop` it by its process id; return the last
        group that it acknowledged."""
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
                    stop(pid)
                last = int(value)
            else:
                assert "ledger open" in line, line
        return last

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def half_groups(ledger: Path) -> list[str]:
    """Inspections of which something is there, but not all."""
    db = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    opened = [row[0] for row in db.execute("select inspection_id from inspections")]
    rows = Counter(row[0] for row in db.execute("select inspection_id from records"))
    db.close()
    return [part for part in opened if rows[part] != RECORDS_OF_A_GROUP]


def is_sound(ledger: Path) -> bool:
    db = sqlite3.connect(ledger)
    found = db.execute("pragma integrity_check").fetchone()
    db.close()
    return found == ("ok",)
