"""Run as a script: for each line `ledger how` on stdin, fork a child that writes groups to this
ledger until it is killed, and says which are acknowledged. Forking spares each child the imports.

Not a test itself: tests/store/test_kill.py drives it.
"""

import os
import sys
from pathlib import Path

from conftest import HandClock, Make

from edge.core.messages import Verdict
from edge.store.ledger_db import LedgerDb
from edge.store.writes import Write

make = Make()


def group(n: int) -> list[Write]:
    """All that one part writes, together."""
    return [
        make.opening(n),
        make.closing(n, Verdict.PASS),
        make.image(n, Verdict.PASS),
        make.image(n, Verdict.PASS, kind="heatmap"),
        make.review(n),
    ]


def write_until_killed(ledger: Path, how: str) -> None:
    db = LedgerDb.open(ledger, "box", lambda: "epoch", HandClock())
    first = len(db._db.execute("select 1 from inspections").fetchall())
    for n in range(first + 1, first + 100_000):
        if how == "torn":  # the planted bug: each write commits by itself
            for write in group(n):
                db.commit([write])
        else:
            db.commit(group(n))
        os.write(1, f"ack {n}\n".encode())
        db.tick(idle=n % 7 == 0)


def main() -> None:
    for line in sys.stdin:
        ledger, how = line.split()
        child = os.fork()
        if child == 0:
            write_until_killed(Path(ledger), how)
            os._exit(1)
        os.write(1, f"pid {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"gone\n")


if __name__ == "__main__":
    main()
