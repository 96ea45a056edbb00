"""Run as a script: for each line `ledger how` on stdin, fork a child that writes groups to this
ledger until it is killed, and says which are acknowledged. Forking spares each child the imports.

Not a test itself: tests/store/test_kill.py drives it.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from store.conftest import HandClock, Make

from edge.core.messages import Verdict
from edge.store.images import ImageStore
from edge.store.ledger_db import LedgerDb
from edge.store.writes import Write

make = Make()


def group(n: int, store: ImageStore) -> list[Write]:
    """All that one part writes, together; its image is durable first."""
    pixels = np.frombuffer(n.to_bytes(16, "big"), np.uint8).reshape(4, 4)
    kept = store.keep(pixels)
    return [
        make.opening(n),
        make.closing(n, Verdict.PASS),
        make.image(n, Verdict.PASS, sha256=kept.sha256),
        make.image(n, Verdict.PASS, sha256=kept.sha256, kind="heatmap"),
        make.review(n),
    ]


def write_until_killed(ledger: Path, how: str) -> None:
    """`torn` and `normal` are the planted bugs that the tests must find."""
    db = LedgerDb.open(ledger, "box", lambda: "epoch", HandClock())
    store = ImageStore(ledger.parent / "images")
    if how == "normal":
        db._db.execute("pragma synchronous = normal")
    first = db._db.table("inspections").count + 1
    for n in range(first, first + 100_000):
        writes = group(n, store)
        for together in [[write] for write in writes] if how == "torn" else [writes]:
            db.commit(together)
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
