"""`linegate-trainer calibrate`: the same model, thresholds for another risk."""

import click

from edge.core.cli import print_json
from edge.core.manifest import Thresholds
from trainer import training
from trainer.clock import SystemClock
from trainer.commands.common import command_line, describe, json_option, risk_options
from trainer.config import find_home
from trainer.data import catalog
from trainer.judge.thresholds import Risk
from trainer.runs import Runs


@click.command("calibrate")
@click.option("--run", "run_id", required=True, help="Which run (see `runs`).")
@risk_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run_id: str,
    alpha: float,
    delta: float,
    false_rejects: float,
    as_json: bool,
) -> None:
    """Set a run's thresholds anew, from its scores on the val split.

    Say what an escape may cost before you look at the test split: a guarantee that was chosen
    after the exam is none. Evaluations with the old thresholds are dropped.

    \b
    Example:
      linegate-trainer calibrate --run housing-1 --alpha 0.02
    """
    home = find_home()
    runs = Runs(catalog.open_catalog(home), home, SystemClock())
    run = runs.get(run_id)
    training.calibrate(runs, run, Risk(alpha, delta, false_rejects), command_line(ctx))
    click.echo(describe(Thresholds.model_validate(run.results["thresholds"])))
    click.echo(f"next: linegate-trainer evaluate --run {run.id} --split test")
    if as_json:
        print_json({"run": run.id, "thresholds": run.results["thresholds"]})
