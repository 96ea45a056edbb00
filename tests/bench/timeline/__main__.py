"""`make timeline`: where the time of a part goes, from the PLC's trigger to its verdict.

The station of `linegate bench`, with the gate's job traced (traced.py), under the same load; and
for each step of a part's way, what half of the parts and one in a hundred took.
"""

import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from random import Random

import click
import numpy as np
from bench.timeline import points as at

from edge import jobs, log
from edge.bench import line
from edge.bench.station import PLAIN, lay_out
from edge.clock import SystemClock
from edge.core.topics import LineTopics
from edge.demo.station import shipped_models
from edge.plc.broker import Broker, find_mosquitto
from edge.plc.virtual import VirtualPlc
from edge.predict.bundle import read_bundle
from edge.supervisor import Supervisor, Task

TESTS = Path(__file__).parents[2]
WARM_UP = 20  # parts
Passed = dict[str, dict[str, int]]  # by part and point: monotonic time


@click.command()
@click.option("--seconds", default=30.0, show_default=True, type=click.FloatRange(2))
@click.option(
    "--rate",
    default=20.0,
    show_default=True,
    type=click.FloatRange(1, 150),
    help="Parts per second.",
)
def main(seconds: float, rate: float) -> None:
    """Let nothing else run beside it. The first parts warm up, and are not shown."""
    if seconds * rate < 2 * WARM_UP:
        raise click.UsageError(
            f"{seconds * rate:.0f} parts are too few: at least {2 * WARM_UP}, so a longer --seconds"
        )
    if find_mosquitto() is None:
        raise click.ClickException("mosquitto is not installed: apt install mosquitto")
    log.setup("timeline", "", quiet=True)
    with tempfile.TemporaryDirectory(prefix="lgtime-") as name:
        passed = run(Path(name), seconds, rate)
    for row in table(list(passed.values())[WARM_UP:]):
        click.echo(row)


def run(folder: Path, seconds: float, rate: float) -> Passed:
    """A load of parts on a station in `folder`; when each of them passed which point."""
    out, desk = folder / "passed.json", line.Desk()
    bundle = read_bundle((shipped_models() / "demo").resolve())
    with Broker() as broker:
        config, path = lay_out(folder, bundle.folder, bundle.manifest.name, broker.port)
        supervisor = Supervisor([traced(task, out) for task in jobs.tasks(config, path)], folder)
        supervisor.start()
        topics = LineTopics(config.station.topic_prefix)
        plc = VirtualPlc(config.plc, topics, SystemClock(), Random(1), on_move=desk.moved).start()
        try:
            line.first_pass(plc)
            time.sleep(line.SETTLE_S)
            line.steadily(plc, desk, PLAIN, rate, seconds)
        finally:
            plc.close()
            supervisor.stop()
    return together(json.loads(out.read_text()), desk)


def traced(task: Task, out: Path) -> Task:
    """The gate notes its points; the other jobs are as they are."""
    if task.name != "gate":
        return task
    plain = [sys.executable, "-m", "edge"]
    assert list(task.command[:3]) == plain
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    program = ["env", f"PYTHONPATH={path}", sys.executable, "-m", "bench.timeline.traced"]
    return replace(task, command=[*program, str(out), *task.command[3:]])


def together(noted: list[tuple[str, str, int]], desk: line.Desk) -> Passed:
    found: Passed = defaultdict(dict)
    for part, sent_ns in desk.sent_ns.items():
        found[part][at.SENT] = sent_ns
    for part, came_ns in desk.came_ns.items():
        found[part][at.ARRIVED] = came_ns
    for point, part, at_ns in noted:
        if part in found:
            found[part].setdefault(point, at_ns)
    return found


def table(parts: list[dict[str, int]]) -> list[str]:
    """A line for each step; only parts that came by every point, and how many did not."""
    whole = [part for part in parts if all(point in part for point in at.WAY)]
    if not whole:
        return [f"none of {len(parts)} parts came by every point: is the machine this busy?"]
    times_ms = np.array([[part[point] for point in at.WAY] for part in whole], float) / 1e6
    steps = np.diff(times_ms, axis=1)
    rows = [f"{len(whole)} of {len(parts)} parts; ms", f"{'':50} {'p50':>7} {'p99':>7} {'at':>7}"]
    for n, name in enumerate(at.WAY[1:]):
        p50, p99 = np.percentile(steps[:, n], (50, 99))
        since = np.median(times_ms[:, n + 1] - times_ms[:, 0])
        rows.append(f"{name:50} {p50:7.3f} {p99:7.3f} {since:7.3f}")
    opening = np.array([part[at.OPENED] - part[at.OPENING] for part in whole]) / 1e6
    p50, p99 = np.percentile(opening, (50, 99))
    return [*rows, f"{'beside it: the opening becomes durable':50} {p50:7.3f} {p99:7.3f}"]


if __name__ == "__main__":
    main()
