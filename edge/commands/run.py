"""`linegate run`: all jobs of a station, kept alive."""

import threading
from pathlib import Path

import click

from edge import jobs
from edge.config import load_recipes, load_station
from edge.core.cli import on_signal
from edge.supervisor import Supervisor


@click.command(epilog="Example: linegate run --config station.toml")
@click.option("--config", type=click.Path(path_type=Path), default=Path("station.toml"))
def command(config: Path) -> None:
    """Run gate, predict, sync and page; restart what dies. On the box systemd does this."""
    station = load_station(config)
    load_recipes(station)  # refuse before anything starts
    stop = threading.Event()
    on_signal(stop.set)
    supervisor = Supervisor(jobs.tasks(station, config))
    supervisor.start()
    click.echo(f"page: http://{station.page.host}:{station.page.port}/  (Ctrl-C stops)")
    stop.wait()
    supervisor.stop()
