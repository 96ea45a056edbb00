"""`linegate-trainer bench learners`: the learners on sets of real parts."""

from pathlib import Path

import click

from edge.core.cli import print_json
from edge.core.errors import LinegateError
from trainer import shipped
from trainer.bench import cells, drift, goals, report
from trainer.bench.walk import Bench
from trainer.commands.common import json_option, progress
from trainer.config import environment, find_shared


@click.group("bench")
def command() -> None:
    """Measure the workshop itself.

    \b
    Example:
      linegate-trainer bench learners --to build/bench
    """


_shared_option = click.option(
    "--shared",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=find_shared,
    help="The folder with data/ and weights/.  [default: LINEGATE_SHARED, or ../shared]",
)


@command.command("learners")
@click.option("--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path))
@_shared_option
@click.option("--set", "sets", multiple=True, type=click.Choice(list(cells.SETS)))
@click.option("--backbone", "backbones", multiple=True, default=[shipped.OURS], show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--learner", "learners", multiple=True, help="Only these.  [default: all]")
@click.option("--folds/--no-folds", default=True, help="Cross-validate the first seed's.")
@click.option("--curves", is_flag=True, help="Also from 5, 10, 20 and 50 defects, as a picture.")
@json_option
def learners(
    folder: Path,
    shared: Path,
    sets: tuple[str, ...],
    backbones: tuple[str, ...],
    seeds: int,
    learners: tuple[str, ...],
    folds: bool,
    curves: bool,
    as_json: bool,
) -> None:
    """Train and judge each learner on each set, by each seed, and write the table.

    Every cell is a training and an exam by the commands of this program, in processes of their
    own. What was measured is kept in the folder: stopped and started again, the bench goes on.

    \b
    Example:
      linegate-trainer bench learners --to build/bench --set light_guide --seeds 1
    """
    chosen, drawn = sets or tuple(cells.SETS), range(seeds)
    planned = cells.table(chosen, backbones, drawn, folds)
    if curves:
        there = {name: cells.defects(_text(shared, name, "split.csv")) for name in chosen}
        planned += cells.curves(there, backbones, drawn)
    planned = [cell for cell in planned if not learners or cell.learner in learners]
    if not planned:
        raise LinegateError("nothing to measure: check --learner")
    bench = Bench(folder, shared, environment())
    bench.run(planned, progress)
    keys = {cell.key for cell in planned}
    measured = [each for each in bench.measured() if each.cell.key in keys]
    known = {data: cells.baselines(_text(shared, data, "README.md")) for data in chosen}
    tabled = [each for each in measured if not each.cell.defects]
    text = f"{report.markdown(tabled, known)}\n{goals.against_goals(tabled)}"
    (folder / "learners.md").write_text(text)
    if curves:
        report.curves(measured, folder / "curves.png")
    click.echo(text)
    if as_json:
        print_json({"cells": len(measured), "table": str(folder / "learners.md")})


@command.command("drift")
@click.option("--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path))
@_shared_option
@click.option("--backbone", "backbones", multiple=True, default=[shipped.OURS], show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@json_option
def drifts(
    folder: Path, shared: Path, backbones: tuple[str, ...], seeds: int, as_json: bool
) -> None:
    """Train before and after a drift, and judge on old and on new parts.

    \b
    Example:
      linegate-trainer bench drift --to build/bench
    """
    bench = Bench(folder, shared, environment())
    measured = drift.run(bench, backbones, seeds, progress)
    text = report.drifts(measured)
    (folder / "drift.md").write_text(text)
    click.echo(text)
    if as_json:
        print_json({"cells": len(measured), "table": str(folder / "drift.md")})


def _text(shared: Path, data: str, name: str) -> str:
    return (shared / "data" / data / name).read_text()
