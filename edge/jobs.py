"""READ FIRST: the jobs of the box, one row each.

Each is a process of its own: systemd starts them one by one (`linegate job NAME`), `linegate run`
and `demo` start all. What a job needs is imported when it runs, so that none carries the weight
of the others.
"""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from edge import log
from edge.clock import SystemClock
from edge.config import StationConfig, load_recipes
from edge.core.cli import on_signal
from edge.core.errors import LinegateError
from edge.core.orders import StatusOrder
from edge.garbage import spare_what_lasts
from edge.lock import job_lock
from edge.supervisor import Task, own_command

ALIVE_TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    """`writes`: its files, which no other job writes. `alive`: a quick look from outside."""

    name: str
    does: str
    writes: str
    run: Callable[[StationConfig], None]
    alive: Callable[[StationConfig], bool]


def run_predict(config: StationConfig) -> None:
    from edge.predict.server import serve

    port = config.predict.http_port
    serve(
        config.predict.models,
        config.predict_socket,
        None if port is None else (config.predict.http_host, port),
        config.predict.memory_mb,
        config.predict.threads,
        config.predict.max_body_mb,
        ready=spare_what_lasts,
    )


def predict_alive(config: StationConfig) -> bool:
    from edge.predict.client import PredictClient

    with PredictClient(config.predict_socket) as client:
        return client.alive(ALIVE_TIMEOUT_S)


def run_gate(config: StationConfig) -> None:
    from edge.build import gate

    with gate(config, SystemClock()) as loop:
        on_signal(loop.stop)
        spare_what_lasts()
        loop.run()


def gate_alive(config: StationConfig) -> bool:
    from edge.gate.control import send_order

    try:
        return send_order(config.control_socket, StatusOrder(), ALIVE_TIMEOUT_S).ok
    except LinegateError:
        return False


def run_sync(config: StationConfig) -> None:
    from edge.sync.job import run_sync as run

    stop = threading.Event()
    on_signal(stop.set)
    run(config, SystemClock(), stop, signal.alarm)


def run_page(config: StationConfig) -> None:
    from edge.gate.control import send_order
    from edge.page.serve import run_page as run
    from edge.sync.sync_db import DeliveredReader

    run(
        config,
        load_recipes(config),
        lambda order: send_order(config.control_socket, order),
        SystemClock(),
        DeliveredReader(config.sync_path).up_to,
    )


def page_alive(config: StationConfig) -> bool:
    import http.client

    connection = http.client.HTTPConnection(
        config.page.host, config.page.port, timeout=ALIVE_TIMEOUT_S
    )
    try:
        connection.request("GET", "/api/status")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def always(config: StationConfig) -> bool:
    """A job that nobody waits for: it ends when it hangs (sync/job.py)."""
    return True


JOBS = (
    Job("predict", "loads models, answers inference calls", "nothing", run_predict, predict_alive),
    Job(
        "gate",
        "trigger, frame, predict, decide, record, answer the PLC",
        "ledger.db, images",
        run_gate,
        gate_alive,
    ),
    Job("sync", "records and images up to the trainer", "sync.db", run_sync, always),
    Job("page", "the technicians' page and its API", "nothing", run_page, page_alive),
)


def job(name: str) -> Job:
    return next(job for job in JOBS if job.name == name)


def run(name: str, config: StationConfig) -> None:
    """Run one job until SIGTERM or SIGINT. Raises LinegateError if it runs already."""
    log.setup(name, version("linegate"))
    with job_lock(config.state_dir, name):
        job(name).run(config)


def tasks(config: StationConfig, path: Path) -> list[Task]:
    """All jobs of the station whose configuration stands at `path`, in the order of start."""
    return [_task(job, config, path) for job in JOBS]


def _task(job: Job, config: StationConfig, path: Path) -> Task:
    command = own_command("job", job.name, "--config", str(path))
    return Task(job.name, command, lambda: job.alive(config))
