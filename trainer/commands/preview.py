"""`linegate-trainer preview`: what training makes of the pictures, for a person to judge."""

from pathlib import Path
from typing import Any

import click

from edge.core.cli import print_json
from edge.core.recipe import Orientation
from trainer import training
from trainer.clock import SystemClock
from trainer.commands.common import json_option, orientation_of, recipe_options, size_px
from trainer.config import find_home
from trainer.data import catalog
from trainer.data.items import Dataset
from trainer.report import looks, preview, sheet
from trainer.runs import Run, Runs


@click.command("preview")
@click.option("--data", help="Of this data set, before any training.")
@recipe_options
@click.option("--size", help="WxH of the model's input.  [default: as `train`]")
@click.option("--seed", default=0, show_default=True, help="Another seed, other pictures.")
@click.option("--run", "run_id", help="Of this run: what it did learn from.")
@click.option("--to", "file", type=click.Path(dir_okay=False, path_type=Path), help="A PNG file.")
@click.option("--accept", is_flag=True, help="With --run and --by: all copies are believable.")
@click.option("--reject", metavar="WHY", help="With --run and --by: this run is not released.")
@click.option("--by", metavar="NAME", help="Who looked.")
@json_option
def command(
    data: str | None,
    recipe: Path | None,
    orientation: Orientation | None,
    size: str | None,
    seed: int,
    run_id: str | None,
    file: Path | None,
    accept: bool,
    reject: str | None,
    by: str | None,
    as_json: bool,
) -> None:
    """Draw a sheet of originals, augmented copies and synthetic defects; or say what you think.

    Whoever looks must give every copy the label of its original and find a defect in every
    outline. A run whose sheet was rejected cannot be released.

    \b
    Example:
      linegate-trainer preview --data housing --recipe recipes/housing.toml --to sheet.png
      linegate-trainer preview --run housing-1 --to sheet.png
      linegate-trainer preview --run housing-1 --reject "mirrored lettering" --by "A. Name"
    """
    _check(data, run_id, file, accept, reject, by)
    home = find_home()
    db = catalog.open_catalog(home)
    if data is not None:
        dataset, allowed = catalog.load(db, data), orientation_of(recipe, orientation)
        picture, result = _before_training(dataset, allowed, size_px(size), seed)
    else:
        runs = Runs(db, home, SystemClock())
        run = runs.get(str(run_id))
        if by is not None:
            _record(runs, run, accept, reject or "", by)
        picture, result = _of_run(runs, run)
    if file is not None:
        file.write_bytes(picture)
        click.echo(f"{file}: {len(picture) / 1e6:.1f} MB")
    if as_json:
        print_json(result)


def _before_training(
    dataset: Dataset, orientation: Orientation, size: tuple[int, int] | None, seed: int
) -> tuple[bytes, dict[str, Any]]:
    face = training.backbone(training.Options(size_px=size)).face  # what `train` would take
    drawn = preview.sheet(dataset, face, orientation, seed)
    return sheet.png(drawn), {"data": dataset.name, "orientation": orientation}


def _of_run(runs: Runs, run: Run) -> tuple[bytes, dict[str, Any]]:
    click.echo(f"run {run.id}: {looks.last(run) or 'nobody has judged its sheet'}")
    result = {"run": run.id, "looks": run.results.get(looks.KEY, [])}
    return runs.artifact(run, preview.ARTIFACT), result


def _record(runs: Runs, run: Run, accepted: bool, why: str, by: str) -> None:
    at = SystemClock().now().isoformat(timespec="seconds")
    looks.record(run, accepted, by, why, at)
    runs.save(run)


def _check(
    data: str | None,
    run_id: str | None,
    file: Path | None,
    accept: bool,
    reject: str | None,
    by: str | None,
) -> None:
    """Which options go together."""
    judged = accept or reject is not None
    if (data is None) == (run_id is None):
        raise click.UsageError("give --data (before training) or --run (what it learnt from)")
    if data is not None and (judged or file is None):
        raise click.UsageError("--data needs --to, a file for the sheet; --accept needs --run")
    if accept and reject is not None:
        raise click.UsageError("--accept or --reject, not both")
    if judged != bool(by):
        raise click.UsageError("say who looked and what you think: --by NAME, --accept or --reject")
    if reject is not None and not reject.strip():
        raise click.UsageError("say why: --reject WHY")
