"""`linegate-trainer release`: a run becomes a bundle for the box."""

import re
from pathlib import Path

import click

from edge.core.cli import print_json
from edge.core.errors import LinegateError
from trainer import training
from trainer.clock import SystemClock
from trainer.commands.common import command_line, json_option
from trainer.config import find_home
from trainer.data import catalog
from trainer.data.items import Dataset
from trainer.release import bundle, card, golden
from trainer.release.bundle import Facts
from trainer.report import looks
from trainer.runs import Run, Runs


@click.command("release")
@click.option("--run", "run_id", required=True, help="Which run (see `runs`).")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path), help="The bundle.")
@click.option("--name", help="The model's name in recipes.  [default: the data set's, and domain]")
@click.option("--version", type=click.IntRange(1), default=1, show_default=True)
@click.option("--purpose", default="", help="What it is for, for the card.")
@click.option("--licence", multiple=True, help="Of data and backbone; may be given twice.")
@click.option("--by", "people", multiple=True, help="Who answers for it; may be given twice.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run_id: str,
    folder: Path,
    name: str | None,
    version: int,
    purpose: str,
    licence: tuple[str, ...],
    people: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the int8 file of a run with manifest, golden set and card into one folder.

    \b
    Example:
      linegate-trainer release --run housing-1 --to models/housing --name housing
    """
    home = find_home()
    db = catalog.open_catalog(home)
    runs = Runs(db, home, SystemClock())
    run = runs.get(run_id)
    dataset = catalog.load(db, run.dataset)
    if dataset.revision != run.revision:
        raise LinegateError(
            f"data set {dataset.name!r} has changed since run {run.id}; train again"
        )
    looks.refuse_rejected(run)
    model = runs.artifact(run, "model.onnx")
    held_out = training.held_out_scores(runs, run)
    examples = golden.choose(dataset, training.face_of(run), model, held_out)
    facts = Facts(
        name=name or _default_name(dataset, run),
        version=version,
        purpose=purpose or f"Tells good from defective parts of the data set {dataset.name}.",
        licences=licence,
        people=people,
        commands=_commands(dataset, run, command_line(ctx)),
    )
    manifest = bundle.describe(run, dataset, model, examples, facts)
    bundle.write(folder, manifest, model, examples, card.text(run, manifest, facts.purpose))
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    click.echo(
        f"{manifest.label} in {folder}: {size / 1e6:.2f} MB, {len(examples)} golden pictures"
    )
    if as_json:
        print_json({"model": manifest.label, "sha256": manifest.sha256, "bytes": size})


def _commands(dataset: Dataset, run: Run, release: str) -> tuple[str, ...]:
    """What one types to make it again."""
    judged = [
        f"linegate-trainer evaluate --run {run.id} --split {result['split']}"
        + ("" if result["data"] == run.dataset else f" --data {result['data']}")
        for key, result in sorted(run.results.items())
        if key.startswith("evaluation-")
    ]
    calibrated = [run.results["calibrated_by"]] if "calibrated_by" in run.results else []
    return (*dataset.commands, run.command, *calibrated, *judged, release)


def _default_name(dataset: Dataset, run: Run) -> str:
    """Thresholds of one domain make a model of their own."""
    domain = run.results["thresholds"].get("domain")
    return _as_name(f"{dataset.name}-{domain}" if domain else dataset.name)


def _as_name(text: str) -> str:
    """A data set's name as a model's: see Name in edge/core/messages.py."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).lstrip("_.-")[:64] or "model"
