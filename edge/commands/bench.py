"""`linegate bench`: what this box needs, beside what was promised."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from random import Random

import click

from edge import log
from edge.bench import frames, line, server
from edge.bench.table import RAW, Row, in_words
from edge.core.cli import print_json
from edge.demo.station import shipped_models
from edge.predict.bundle import read_bundle

FRAME_ROUNDS = 20


@click.command(epilog="Example: linegate bench --model models/housing-3 --json")
@click.option(
    "--model",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The bundle to measure with.  [default: the one that comes with Linegate]",
)
@click.option(
    "--rounds",
    type=click.IntRange(10),
    default=1000,
    show_default=True,
    help="Calls of each way to the model.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1),
    default=20.0,
    show_default=True,
    help="Of each of the four loads on the line.",
)
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The rows as one JSON object.")
@click.pass_context
def command(
    ctx: click.Context, model: Path | None, rounds: int, seconds: float, seed: int, as_json: bool
) -> None:
    """Measure this box: the prediction server over the raw model, trigger to verdict by stage,
    the rate that it sustains, memory, start, large frames.

    All in one run, the ways to the model in turn. Let nothing else run beside it. Exit code 1 if a
    budget is missed.
    """
    log.setup("bench", "", quiet=True)
    bundle, rng = read_bundle((model or shipped_models() / "demo").resolve()), Random(seed)
    with tempfile.TemporaryDirectory(prefix="linegate-") as name:
        folder = Path(name)
        click.echo("the ways to the model ...", err=True)
        found = server.rows(bundle, folder, rounds, rng)
        click.echo("the line ...", err=True)
        found += line.rows(bundle, folder / "station", seconds, raw_ms(found))
    click.echo("large frames ...", err=True)
    found += frames.rows(FRAME_ROUNDS, rng)
    if as_json:
        print_json({"model": bundle.manifest.label, "rows": [asdict(row) for row in found]})
    else:
        for text in in_words(found):
            click.echo(text)
    ctx.exit(1 if any(row.met is False for row in found) else 0)


def raw_ms(rows: list[Row]) -> float:
    found = next(row.p50_ms for row in rows if row.name == RAW)
    assert found is not None
    return found
