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
@click.option("--http", metavar="HOST:PORT", help="predict --model: where to serve it.")
@click.option("--socket", type=click.Path(path_type=Path), help="predict --model: Unix socket.")
def command(
    name: str, config: Path | None, model: Path | None, http: str | None, socket: Path | None
) -> None:
    """Run one job until it is told to stop (SIGTERM, Ctrl-C)."""
    if config is not None:
        jobs.run(name, load_station(config))
    elif name == "predict" and model is not None:
        _serve_alone(model, http, socket)
    else:
        raise click.UsageError("give --config station.toml (or, for predict, --model BUNDLE)")


def _serve_alone(model: Path, http: str | None, socket: Path | None) -> None:
    from edge.predict.server import serve

    if http is None and socket is None:
        http = "127.0.0.1:8080"
    where = [f"http://{http}/v2"] if http else []
    where += [f"the socket {socket}"] if socket else []
    serve(
        model,
        socket,
        _host_and_port(http) if http else None,
        ready=lambda: click.echo(f"serving {model} at {' and '.join(where)}"),
    )


def _host_and_port(http: str) -> tuple[str, int]:
    host, _, port = http.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"--http {http}: write it as HOST:PORT, e.g. 127.0.0.1:8080")
    return host, int(port)
