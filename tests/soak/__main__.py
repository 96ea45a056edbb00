"""`make soak ARGS="--minutes 60"`: does the station keep its promises for an hour of trouble?"""

import tempfile
from pathlib import Path

import click

from edge import log
from soak import report, rig
from soak.books import goals
from soak.plan import make_plan

PARTS_PER_S = 10.0
SAMPLE_S = 10.0


@click.command()
@click.option("--minutes", default=60.0, show_default=True, type=click.FloatRange(0.1))
@click.option("--seed", default=1, show_default=True, help="Which troubles come when.")
@click.option(
    "--out",
    default=Path("build/soak"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for soak.json and soak.md.",
)
@click.pass_context
def main(ctx: click.Context, minutes: float, seed: int, out: Path) -> None:
    """Run the four jobs at 10 parts/s, with stress-ng on every core, the predictor stopped and the
    disk stalled at random. Let nothing else run beside it. Exit code 1: a promise was broken."""
    lack = rig.lacking()
    if lack is not None:
        raise click.ClickException(f"{lack}: apt install mosquitto stress-ng gcc")
    log.setup("soak", "", quiet=True)
    plan = make_plan(minutes * 60, PARTS_PER_S, seed)
    with tempfile.TemporaryDirectory(prefix="lgsoak-") as name:
        evidence = rig.soak(plan, Path(name), SAMPLE_S)
    result, found = report.as_dict(plan, evidence), goals(evidence)
    report.write(out, result, found)
    click.echo(report.page(result, found))
    ctx.exit(0 if result["met"] else 1)


if __name__ == "__main__":
    main()
