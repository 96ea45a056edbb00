"""`linegate-trainer calibrate`: the same model, thresholds for another risk."""

import click

from edge.core.cli import print_json
from trainer import calibration
from trainer.clock import SystemClock
from trainer.commands.common import command_line, json_option, progress
from trainer.commands.risk import risk_options
from trainer.commands.telling import run_lines
from trainer.config import find_home
from trainer.data import catalog
from trainer.judge.thresholds import Risk
from trainer.runs import Run, Runs


@click.command("calibrate")
@click.option("--run", "run_id", required=True, help="Which run (see `runs`).")
@click.option("--data", help="Another data set: its val pictures, scored with this run's file.")
@click.option("--domain", help="Only parts of this domain of the data set count, and are meant.")
@risk_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run_id: str,
    data: str | None,
    domain: str | None,
    risk: Risk,
    as_json: bool,
) -> None:
    """Set a run's thresholds anew, from its scores on the val split.

    Say what an escape may cost before you look at the test split: a guarantee that was chosen
    after the exam is none. Evaluations with the old thresholds are dropped. Costs and the time
    that persons have may lower the passing threshold, never lift it over what the guarantee
    carries.

    With --domain the thresholds are those of one domain (a variant, a lot): release them as a
    bundle of its own, for the recipe of that domain. With --data they come from another data set,
    such as good pictures of today's light: it needs no training, and no defects either, but
    without defects there is no guarantee.

    \b
    Example:
      linegate-trainer calibrate --run housing-1 --alpha 0.02
      linegate-trainer calibrate --run housing-1 --domain grey --review-capacity 0.05
      linegate-trainer calibrate --run housing-1 --data housing-june
      linegate-trainer calibrate --run housing-1 --escape-cost 400 --reject-cost 5 --review-cost 1
    """
    home = find_home()
    db = catalog.open_catalog(home)
    runs = Runs(db, home, SystemClock())
    run, typed = runs.get(run_id), command_line(ctx)
    if data is None:
        calibration.calibrate(runs, run, risk, domain, typed)
    else:
        sets = catalog.load(db, run.dataset), catalog.load(db, data)
        calibration.calibrate_on(runs, run, *sets, risk, domain, typed, progress)
    _tell(run)
    if as_json:
        keys = ("thresholds", "risk", "shares", "cost", "domains")
        print_json({"run": run.id, **{key: run.results.get(key) for key in keys}})


def _tell(run: Run) -> None:
    other = (run.results["calibrated_on"] or "").rpartition(" ")[0]
    for line in (
        *run_lines(run.results),
        f"next: linegate-trainer evaluate --run {run.id} --split test"
        + (f" --data {other}" if other else ""),
    ):
        click.echo(line)
