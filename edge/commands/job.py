"""`linegate job NAME`: one job of a station, in the foreground."""

from pathlib import Path

import click

from edge import jobs
from edge.config import load_station
from edge.core.errors import ConfigError


@click.command(epilog="Example: linegate job gate --config station.toml")
@click.argument("name", type=click.Choice([job.name for job in jobs.JOBS]))
@click.option("--config", type=click.Path(path_type=Path), help="The station's station.toml.")
@click.option("--model", type=click.Path(path_type=Path), help="predict only: one bundle, alone.")
@click.option("--http", metavar="HOST:PORT", help="predict only: with --model, where to serve it.")
def command(name: str, config: Path | None, model: Path | None, http: str | None) -> None:
    """Run one job until it is told to stop (SIGTERM, Ctrl-C)."""
    if config is not None:
        jobs.run(name, load_station(config))
    elif name == "predict" and model is not None:
        _serve_alone(model, http or "127.0.0.1:8080")
    else:
        raise click.UsageError("give --config station.toml (or, for predict, --model BUNDLE)")


def _serve_alone(model: Path, http: str) -> None:
    from edge.predict.server import serve

    host, _, port = http.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"--http {http}: write it as HOST:PORT, e.g. 127.0.0.1:8080")
    where = f"http://{http}/v2"
    serve(model, None, (host, int(port)), ready=lambda: click.echo(f"serving {model} at {where}"))
