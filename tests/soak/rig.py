"""The run: a real station on simulated parts, and everything that is done to it meanwhile."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

from sick_box import SickBox

from edge import jobs
from edge.config import load_station
from edge.core.errors import LinegateError
from edge.core.messages import Level
from edge.demo import run as demo
from edge.demo.station import DemoStation, Wanted, lay_out, shipped_models
from edge.plc.broker import Broker, find_mosquitto
from edge.supervisor import Supervisor
from soak.books import Evidence
from soak.plan import Plan, Spell
from soak.plc import plc_process
from soak.rejudge import records_of, rejudge
from soak.usage import Sampler

NAMES = tuple(job.name for job in jobs.JOBS)
IMAGES_MB = 500  # soon full: the pruning of images belongs to the run


def lacking() -> str | None:
    """What the machine needs for a run, and does not have."""
    if find_mosquitto() is None:
        return "mosquitto is not installed"
    missing = (tool for tool in ("stress-ng", "gcc") if shutil.which(tool) is None)
    return next((f"{tool} is not installed" for tool in missing), None)


def soak(plan: Plan, folder: Path, sample_s: float) -> Evidence:
    """Carry the plan out in `folder`. Raises LinegateError if the station does not come up."""
    with ExitStack() as stack:
        broker = stack.enter_context(Broker())
        station = _station(folder, plan.seed, broker.port)
        box = stack.enter_context(closing(SickBox(folder, station.config.state_dir)))
        supervisor = stack.enter_context(_running(station, box))
        plc = stack.enter_context(plc_process(station.config_path, plan))
        plc.wait_ready()
        demo.take_reference(station)
        sampler = Sampler(supervisor, NAMES, sample_s)
        stack.callback(sampler.close)
        sampler.start()
        with _stress(plan.seconds), _trouble(plan, supervisor, box):
            plc.begin()
            outcome = plc.wait_end(plan.seconds)
        sampler.close()
        supervisor.end("gate")
        post = demo.wait_until_delivered(station)
    records, model = records_of(station)
    return Evidence(
        outcome=outcome,
        records=records,
        rejudged=rejudge(station, model, records, Random(plan.seed)),
        cut=model.manifest.thresholds.pass_below,
        samples=tuple(sampler.samples),
        left_over=post.records - post.delivered,
    )


def _station(folder: Path, seed: int, broker_port: int) -> DemoStation:
    """The demo's, deciding alone, with little room for pictures."""
    wanted = Wanted(broker_port, seed=seed, level=Level.FULL)
    station = lay_out(folder, shipped_models(), wanted)
    text = station.config_path.read_text()
    station.config_path.write_text(f"{text}\n[store]\nimages_mb = {IMAGES_MB}\n")
    return replace(station, config=load_station(station.config_path))


@contextmanager
def _running(station: DemoStation, box: SickBox) -> Iterator[Supervisor]:
    """The four jobs on the box whose disk stalls, and the trainer's ingest on another machine's."""
    logs = station.folder / "logs"
    logs.mkdir()
    tasks = [
        replace(task, command=box.around(task.command))
        for task in jobs.tasks(station.config, station.config_path)
    ]
    supervisor = Supervisor([*tasks, demo.ingest(station)], logs)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


@contextmanager
def _stress(seconds: float) -> Iterator[None]:
    """Every core busy, with a program of another session: the kernel shares the time out between
    sessions, as it does between the services of a box."""
    load = subprocess.Popen(
        ["stress-ng", "--cpu", "0", "--timeout", f"{seconds + 120:.0f}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
        if load.poll() is not None:
            raise LinegateError("stress-ng ended before the run did")
    finally:
        load.terminate()
        load.wait(10)


@contextmanager
def _trouble(plan: Plan, supervisor: Supervisor, box: SickBox) -> Iterator[None]:
    over = threading.Event()
    makers = [
        (plan.predictor, lambda spell: _stop_predictor(supervisor, spell.lasts_s, over)),
        (plan.disk, lambda spell: box.becomes(stall_s=spell.lasts_s)),
    ]
    began_s = time.monotonic()
    threads = [
        threading.Thread(target=_follow, args=(spells, make, began_s, over), daemon=True)
        for spells, make in makers
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(10)
        box.becomes()


def _follow(
    spells: Sequence[Spell], make: Callable[[Spell], None], began_s: float, over: threading.Event
) -> None:
    for spell in spells:
        if over.wait(max(0.0, began_s + spell.at_s - time.monotonic())):
            return
        make(spell)


def _stop_predictor(supervisor: Supervisor, seconds: float, over: threading.Event) -> None:
    """The supervisor may lose patience and start another one meanwhile."""
    pid = supervisor.pid("predict")
    assert pid is not None
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        over.wait(seconds)
        if supervisor.pid("predict") == pid:
            os.kill(pid, signal.SIGCONT)
