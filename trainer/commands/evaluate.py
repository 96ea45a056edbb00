"""`linegate-trainer evaluate`: the int8 file on held-out parts."""

from typing import Any

import click

from edge.core.cli import print_json
from edge.core.errors import LinegateError
from edge.core.manifest import Thresholds
from trainer import training
from trainer.clock import SystemClock
from trainer.commands.common import json_option, progress
from trainer.commands.telling import figure, outcome_lines, parity_lines
from trainer.config import find_home
from trainer.data import catalog, leakage
from trainer.data.items import SPLITS, Dataset
from trainer.judge import evaluate, record, scores
from trainer.judge.pointing import pointing
from trainer.runs import Run, Runs


@click.command("evaluate")
@click.option("--run", "run_id", required=True, help="Which run (see `runs`).")
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True)
@click.option("--data", help="Another data set than the one it was trained on.")
@json_option
def command(run_id: str, split: str, data: str | None, as_json: bool) -> None:
    """Judge the int8 file of a run, picture by picture, as the box would.

    Every figure is shown with its number of parts and its 95 % interval. The scores are kept with
    the run, one line per picture.

    \b
    Example:
      linegate-trainer evaluate --run housing-1 --split test
    """
    home = find_home()
    db = catalog.open_catalog(home)
    runs = Runs(db, home, SystemClock())
    run = runs.get(run_id)
    trained_on = catalog.load(db, run.dataset)
    dataset = trained_on if data is None else catalog.load(db, data)
    _check(run, trained_on, dataset, split)
    result = _evaluate(runs, run, dataset, split)
    _tell(result, split)
    if as_json:
        print_json(result)


def _check(run: Run, trained_on: Dataset, dataset: Dataset, split: str) -> None:
    """An exam is of parts that were not learnt, as far as that is known."""
    changed = (
        f"data set {trained_on.name!r} has changed since run {run.id} was trained on it: what is "
        "held out now may have been learnt from. Train again"
    )
    if dataset.name != run.dataset:
        if known := leakage.learnt(trained_on, dataset.of(split)):
            raise LinegateError(
                f"run {run.id} was trained on {len(known)} of these pictures, such as {known[0]}: "
                "an exam needs pictures that it never saw"
            )
        if trained_on.revision != run.revision:
            click.echo(f"Warning: {changed}", err=True)
    elif dataset.revision != run.revision:
        raise LinegateError(changed)


def _evaluate(runs: Runs, run: Run, dataset: Dataset, split: str) -> dict[str, Any]:
    model, face, items = runs.artifact(run, "model.onnx"), training.face_of(run), dataset.of(split)
    scored = evaluate.score(model, face, dataset, items, progress)
    twin = evaluate.score(runs.artifact(run, "float.onnx"), face, dataset, items, progress)
    table = scores.rows(scored, twin)
    cuts = Thresholds.model_validate(run.results["thresholds"])
    judged = record.exam(table, cuts, record.risk_of(run.results))
    meant = scored.of_domain(cuts.domain)
    pointed = pointing(model, face, dataset, meant.items, progress)
    result = {
        "run": run.id,
        "data": dataset.name,
        "split": split,
        "heatmap": None if pointed is None else str(pointed),
        "backbone": run.results.get("backbone"),
        **evaluate.figures(meant),
        **judged,
        "int8": {
            **evaluate.speed(model, face, dataset, items),
            "auroc_float": judged["parity"]["auroc_float"],
        },
    }
    name = split if dataset.name == run.dataset else f"{dataset.name}-{split}"
    run.results[f"evaluation-{name}"] = result
    runs.keep(run, f"scores-{name}.csv", scores.write(table))
    runs.save(run)
    return result


def _tell(result: dict[str, Any], split: str) -> None:
    def line(name: str, key: str) -> str:
        low, high = result["intervals"][key]
        return f"{name:36}{figure(result[key])}   95 %: {low:.3f} to {high:.3f}"

    int8 = result["int8"]
    domain = f", parts of {result['domain']} alone" if result["domain"] else ""
    click.echo(
        f"{result['run']} on {split} of {result['data']}{domain}: {result['n_good']} good pictures "
        f"of {result['n_good_parts']} parts and {result['n_defect']} defective ones of "
        f"{result['n_defect_parts']}, int8 file in ONNX Runtime, backbone {result['backbone']}"
    )
    click.echo(line("AUROC", "auroc"))
    click.echo(f"{'average precision':36}{figure(result['ap'])}")
    click.echo(line("defects found at 1 % false reject", "recall_at_1pct_fr"))
    click.echo(line("defects found at 5 % false reject", "recall_at_5pct_fr"))
    click.echo("with its thresholds:")
    click.echo("\n".join(outcome_lines(result["outcome"], result["cost"])))
    click.echo("\n".join(parity_lines(result["parity"], result["parity_kinds"])))
    if result["heatmap"] is not None:
        click.echo(f"heatmap points at the drawn defect  {result['heatmap']}")
    click.echo(
        f"{int8['ms_1t']:.2f} ms on one thread, {int8['ms_2t']:.2f} ms on two, {int8['mb']:.2f} MB"
    )
