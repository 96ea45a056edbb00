"""`linegate-trainer ingest`: take in what the stations send, until Ctrl-C."""

import threading
import time
from collections import Counter
from pathlib import Path

import click

from edge.core.cli import on_signal, print_json
from edge.core.errors import ConfigError
from trainer.clock import SystemClock
from trainer.config import find_home
from trainer.ingest.catalog import Catalog
from trainer.ingest.link import Login
from trainer.ingest.service import Ingest

FIRST_LOOK_S = 0.5
SHOW_EVERY_S = 2.0


class BrokerAddress(click.ParamType[tuple[str, int]]):
    name = "HOST:PORT"

    def convert(
        self,
        value: str | tuple[str, int],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            self.fail(f"{value!r} is not HOST:PORT, for example 127.0.0.1:1883", param, ctx)
        return host.strip("[]"), int(port)


@click.command(
    epilog="Example: linegate-trainer ingest --broker 192.168.7.20:1883",
    short_help="Take in the records and images that stations send.",
)
@click.option(
    "--broker", type=BrokerAddress(), default="127.0.0.1:1883", show_default=True, help="MQTT."
)
@click.option("--home", type=click.Path(path_type=Path), help="Instead of LINEGATE_HOME.")
@click.option("--username", help="At the broker.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The password, in a file.",
)
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after so many; else Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, last line.")
def command(
    broker: tuple[str, int],
    home: Path | None,
    username: str | None,
    password_file: Path | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Receive records and images, commit them, and only then say so to the stations.

    All lies in the folder `ingest` of LINEGATE_HOME: catalog.db and images/. A station that was
    alone for days catches up by itself; nothing is taken twice.
    """
    folder = (home or find_home().path) / "ingest"
    login = Login(*broker, username, _read_password(password_file))
    with Ingest(folder, login, SystemClock()) as ingest:
        before = ingest.catalog.counts()
        click.echo(f"{folder} holds {_sentence(before)}", err=True)
        _run(ingest, Shown(ingest.catalog), seconds)
        after = ingest.catalog.counts()
    click.echo(f"{folder} holds {_sentence(after)}", err=True)
    if as_json:
        print_json({**after, "new_records": after["records"] - before["records"]})


def _run(ingest: Ingest, shown: "Shown", seconds: float | None) -> None:
    stop = threading.Event()
    on_signal(stop.set)
    if seconds is not None:
        timer = threading.Timer(seconds, stop.set)
        timer.daemon = True
        timer.start()
    ingest.run(stop, lambda: shown.look(ingest.problem, ingest.refused))


class Shown:
    """One line now and then, and only when there is news."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._counts = catalog.counts()
        self._problem: str | None = ""
        self._refused = 0
        self._due_s = time.monotonic() + FIRST_LOOK_S

    def look(self, problem: str | None, refused: Counter[str]) -> None:
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + SHOW_EVERY_S
        if problem != self._problem:
            click.echo(problem or "connected to the broker", err=True)
            self._problem = problem
        if refused.total() > self._refused:
            reason, _ = refused.most_common(1)[0]
            new = refused.total() - self._refused
            click.echo(f"{new:,} messages refused, most often: {reason}", err=True)
            self._refused = refused.total()
        counts = self._catalog.counts()
        if counts != self._counts:
            new = counts["records"] - self._counts["records"]
            click.echo(f"+{new:,} records: {_sentence(counts)}", err=True)
            self._counts = counts


def _sentence(counts: dict[str, int]) -> str:
    devices = counts["devices"]
    words = f"{counts['records']:,} records and {counts['images']:,} images"
    words += f" of {devices} station" + ("" if devices == 1 else "s")
    if counts["images_wanted"]:
        words += f", {counts['images_wanted']:,} images still to come"
    if counts["quarantined"]:
        words += f", {counts['quarantined']:,} records in quarantine"
    return words


def _read_password(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
