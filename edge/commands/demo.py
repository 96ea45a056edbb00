"""`linegate demo`: everything, on simulated parts, without hardware."""

import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from edge import log
from edge.core.cli import on_signal, print_json
from edge.demo import run
from edge.demo.station import DemoStation, Wanted, lay_out, shipped_models
from edge.demo.summary import in_words, problems, summarise
from edge.plc.broker import Broker
from edge.predict.bundle import find_bundles
from edge.store.reader import LedgerReader


@click.command(epilog="Example: linegate demo --seconds 60 --json")
@click.option("--seconds", type=float, help="Stop by itself after so long.")
@click.option("--parts-per-s", default=4.0, show_default=True, type=click.FloatRange(0.1, 100))
@click.option("--defect-share", default=0.1, show_default=True, type=click.FloatRange(0, 1))
@click.option("--seed", default=1, show_default=True, help="Which parts come.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Keep everything here.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    seconds: float | None,
    parts_per_s: float,
    defect_share: float,
    seed: int,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Run gate, prediction server, page, post and trainer ingest on simulated parts.

    Runs until Ctrl-C, then sums up. Exit code 0: every promise was kept.
    """
    log.setup("demo", "", quiet=True)
    stop = threading.Event()
    on_signal(stop.set)
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linegate-")))
        models = shipped_models()
        broker = stack.enter_context(Broker())
        wanted = Wanted(broker.port, seed=seed, defect_share=defect_share)
        station = lay_out(folder.resolve(), models, wanted)
        result = _run(station, stop, seconds, parts_per_s, broker)
    manifest = find_bundles(models).newest["demo"].manifest
    guarantee = manifest.thresholds.guarantee
    found = problems(result, guarantee.alpha if guarantee else None)
    _say(result, found, as_json)
    ctx.exit(1 if found else 0)


def _run(
    station: DemoStation,
    stop: threading.Event,
    seconds: float | None,
    parts_per_s: float,
    broker: Broker,
) -> dict[str, Any]:
    with run.running(station) as jobs:
        plc = run.virtual_plc(station)
        try:
            run.wait_until_ready(station, plc)
            run.take_reference(station)
            _where_to_look(station, broker)
            run.feed(plc, parts_per_s, stop, seconds, lambda n: _show(n, plc))
            click.echo("", err=True)
            plc.wait_idle(3.0)
            jobs.end("gate")  # parts that wait for a person go to rework
            counted = plc.summary()
            post = run.wait_until_delivered(station)
        finally:
            plc.close()
    rows = LedgerReader(station.config.ledger_path).newest(10_000_000)
    return summarise(rows, counted, post, station.config.camera[0].simulator)


def _where_to_look(station: DemoStation, broker: Broker) -> None:
    page = station.config.page
    click.echo(f"page       http://{page.host}:{page.port}/", err=True)
    click.echo(
        f"line       mosquitto_sub -p {broker.port} -v "
        f"-t '{station.config.station.topic_prefix}/#'",
        err=True,
    )
    click.echo(f"faults     echo '{{\"lamp\": 0.2}}' > {station.folder}/faults.json", err=True)
    click.echo(f"files      {station.folder}", err=True)
    click.echo("Ctrl-C ends it.", err=True)


def _show(number: int, plc: Any) -> None:
    if number % 4 == 0:
        lanes = plc.summary()["lanes"]
        text = ", ".join(f"{n} {lane}" for lane, n in lanes.items())
        click.echo(f"\r{number} parts: {text}    ", nl=False, err=True)


def _say(result: dict[str, Any], found: list[str], as_json: bool) -> None:
    for problem in found:
        click.echo(f"PROBLEM    {problem}", err=True)
    if as_json:
        print_json(result)
    else:
        for line in in_words(result):
            click.echo(line)
