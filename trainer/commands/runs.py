"""`linegate-trainer runs`: what was trained, newest last."""

from dataclasses import asdict

import click

from edge.core.cli import print_json
from edge.core.errors import LinegateError
from trainer.clock import SystemClock
from trainer.commands.common import json_option
from trainer.config import find_home
from trainer.data import catalog
from trainer.runs import Run, Runs


@click.command("runs")
@click.option("--run", "run_id", help="Everything about this one.")
@json_option
def command(run_id: str | None, as_json: bool) -> None:
    """List all training runs with data, figures and cost.

    \b
    Example:
      linegate-trainer runs
    """
    home = find_home()
    runs = Runs(catalog.open_catalog(home), home, SystemClock()).all()
    if run_id is not None:
        runs = [run for run in runs if run.id == run_id]
        if not runs:
            raise LinegateError(f"no run {run_id!r}: `linegate-trainer runs` lists them")
    click.echo(f"{'run':20} {'state':8} {'val':>6} {'test':>6} {'seconds':>8} {'MB':>6}  code")
    for run in runs:
        click.echo(_line(run))
        if run_id is not None:
            click.echo(_all_of(run))
    if as_json:
        print_json({"runs": [asdict(run) for run in runs]})


def _line(run: Run) -> str:
    val, test = (_auroc(run, key) for key in ("val", "evaluation-test"))
    return (
        f"{run.id:20} {run.state:8} {val:>6} {test:>6} {run.seconds:8.0f} {run.peak_mb:6.0f}  "
        f"{run.code}"
    )


def _auroc(run: Run, key: str) -> str:
    auroc = run.results.get(key, {}).get("auroc")
    return "-" if auroc is None else f"{auroc:.4f}"


def _all_of(run: Run) -> str:
    lines = [
        f"  {run.command}",
        f"  data {run.dataset} {run.revision[:12]}, {run.started_at} to {run.finished_at}",
        *(f"  {name}: {value}" for name, value in run.params.items()),
        *(f"  {name}: artifacts/{sha256}" for name, sha256 in run.artifacts.items()),
    ]
    return "\n".join(lines)
