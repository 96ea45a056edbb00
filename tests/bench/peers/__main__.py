"""`make bench-peers`: Linegate's prediction server beside others, all in one run.

Each peer is installed into a virtual environment of its own below `build/peers`, at the first run.
"""

import argparse
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from random import Random

from bench.peers import bench, table
from bench.peers.peers import PEERS, Peer

from edge import log
from edge.predict.bundle import read_bundle

REPO = Path(__file__).parents[3]
BUILD = REPO / "build" / "peers"
REPORT = REPO / "build" / "bench-peers.md"


def main() -> None:
    asked = _arguments()
    log.setup("bench", "", quiet=True)
    bundle = read_bundle(asked.model.resolve())
    BUILD.mkdir(parents=True, exist_ok=True)
    load, rng = bench.Load(asked.rounds, asked.seconds), Random(asked.seed)
    lines, left_out = bench.measure(bundle, _wanted(asked), BUILD, load, rng, _say)
    left_out |= {peer.name: "gigabytes to fetch (--large)" for peer in _too_large(asked)}
    words = "\n".join(table.in_words(lines, left_out, bench.CLIENTS))
    print(words)
    REPORT.write_text(f"{_setting(bundle.manifest.label, asked.rounds)}\n\n```\n{words}\n```\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--model", type=Path, default=REPO / "models" / "demo", help="a bundle")
    parser.add_argument("--rounds", type=int, default=300, help="calls of each way")
    parser.add_argument("--seconds", type=float, default=3.0, help="several clients, each way")
    parser.add_argument("--only", nargs="+", choices=[peer.key for peer in PEERS], help="peers")
    parser.add_argument("--large", action="store_true", help="also peers of gigabytes")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _wanted(asked: argparse.Namespace) -> list[Peer]:
    if asked.only:
        return [peer for peer in PEERS if peer.key in asked.only]
    return [peer for peer in PEERS if peer not in _too_large(asked)]


def _too_large(asked: argparse.Namespace) -> list[Peer]:
    return [] if asked.only or asked.large else [peer for peer in PEERS if peer.large]


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _setting(model: str, rounds: int) -> str:
    """When, what and where, as docs/benchmarks.md has it above its tables."""
    now = datetime.now(UTC).date()
    load = os.getloadavg()[0]
    arguments = f' ARGS="{shlex.join(sys.argv[1:])}"' if sys.argv[1:] else ""
    return (
        f"{now}, `make bench-peers{arguments}`, model {model}, "
        f"{rounds} rounds; {os.cpu_count()} cores, {platform.machine()}, "
        f"CPython {platform.python_version()}, onnxruntime {version('onnxruntime')}; "
        f"load at the end {load:.1f}."
    )


if __name__ == "__main__":
    main()
