"""`linegate simulate`: a whole virtual line, for integrators."""

import tempfile
import threading
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, Literal

import click

from edge import log
from edge.core.cli import on_signal, print_json
from edge.core.errors import ConfigError
from edge.core.messages import Level
from edge.demo.station import DemoStation, Wanted, lay_out, shipped_models, usual_or_free_port
from edge.plc.broker import Broker, free_port
from edge.simulate.line import plan, simulate
from edge.simulate.referee import Finding
from edge.simulate.report import as_json, in_words
from edge.simulate.scenario import DEFAULT, Scenario, load_scenario

Who = Literal["virtual", "external"]
MQTT_PORT = 1883


@click.command(epilog="Example: linegate simulate --scenario line.toml --plc external")
@click.option("--scenario", "file", type=click.Path(path_type=Path), help="The line, as TOML.")
@click.option(
    "--plc",
    "who",
    type=click.Choice(["virtual", "external"]),
    default="virtual",
    show_default=True,
    help="Our own PLC, or yours on the broker.",
)
@click.option("--broker", "address", metavar="HOST:PORT", help="Use this broker, start none.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Keep everything here.")
@click.option("--json", "as_object", is_flag=True, help="The report as one JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    file: Path | None,
    who: Who,
    address: str | None,
    folder: Path | None,
    as_object: bool,
) -> None:
    """Move virtual parts past a real gate, in real time, and judge where each one went.

    Exit code 0: every promise was kept, and the line is accepted.
    """
    log.setup("simulate", "", quiet=True)
    scenario = DEFAULT if file is None else load_scenario(file)
    planned = plan(scenario, own_plc=who == "virtual", own_broker=address is None)
    stop = threading.Event()
    on_signal(stop.set)
    with ExitStack() as stack:
        if folder is not None and folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"--dir {folder} is not empty: an earlier run would be judged, too")
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linegate-")))
        own = None if address else Broker(_port(who))
        stack.enter_context(own or nullcontext())
        host, port = _address(address) if own is None else (own.host, own.port)
        station = lay_out(folder.resolve(), shipped_models(), _wanted(scenario, host, port))
        result, found = simulate(
            planned, station, own, stop,
            ready=lambda: _where_to_look(station, scenario, who),
            told=lambda number: _show(number, planned.belt.parts),
        )  # fmt: skip
        click.echo("", err=True)
    _say(result, found, as_object)
    ctx.exit(0 if all(finding.kept for finding in found) else 1)


def _port(who: Who) -> int:
    """Somebody else's PLC wants to know it beforehand."""
    return free_port() if who == "virtual" else usual_or_free_port(MQTT_PORT)


def _address(text: str | None) -> tuple[str, int]:
    host, _, port = (text or "").rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"--broker {text}: expected HOST:PORT, such as 192.168.0.5:1883")
    return host, int(port)


def _wanted(scenario: Scenario, host: str, port: int) -> Wanted:
    return Wanted(
        broker_port=port,
        broker_host=host,
        seed=scenario.parts.seed,
        defect_share=scenario.parts.defect_share,
        level=Level.FULL,
        topics=scenario.layout.topics,
        belt="belt.json",
        frame_within_ms=scenario.frame_within_ms,
    )


def _where_to_look(station: DemoStation, scenario: Scenario, who: Who) -> None:
    config = station.config
    broker = f"-h {config.plc.host} -p {config.plc.port}"
    topics, io = scenario.layout.topics, scenario.layout.io_topics
    click.echo(f"page       http://{config.page.host}:{config.page.port}/", err=True)
    click.echo(f"line       mosquitto_sub {broker} -v -t '{topics}/#' -t '{io}/#'", err=True)
    click.echo(f"deadline   {scenario.deadline_ms} ms for the gate, in each trigger", err=True)
    click.echo(f"files      {station.folder}", err=True)
    if who == "external":
        click.echo(f"start      mosquitto_pub {broker} -t {io}/start -m 1", err=True)
    click.echo("Ctrl-C ends it.", err=True)


def _show(number: int, parts: int) -> None:
    click.echo(f"\r{number} of {parts} parts    ", nl=False, err=True)


def _say(result: dict[str, Any], found: list[Finding], as_object: bool) -> None:
    if as_object:
        print_json(as_json(result, found))
    else:
        for line in in_words(result, found):
            click.echo(line)
