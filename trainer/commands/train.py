"""`linegate-trainer train`: from labelled pictures to one int8 file with its thresholds."""

from pathlib import Path
from typing import Any

import click

from edge.core.cli import print_json
from edge.core.recipe import Orientation
from trainer import choosing, shipped, training
from trainer.clock import SystemClock
from trainer.commands.common import (
    command_line,
    json_option,
    orientation_of,
    progress,
    recipe_options,
    size_px,
)
from trainer.commands.risk import risk_options
from trainer.commands.telling import figure, run_lines
from trainer.config import find_home
from trainer.data import catalog
from trainer.data.drawing import with_defects
from trainer.data.items import Dataset, count
from trainer.judge.thresholds import Risk
from trainer.report import folds as folds_told
from trainer.runs import Run, Runs


def _known_backbone(ctx: click.Context, param: click.Parameter, text: str) -> str:
    known = text == shipped.OURS or text.startswith(shipped.TORCHVISION)
    if not (known or Path(text).is_file()):
        raise click.BadParameter(f"{text}: no such file; or write ours or torchvision:NAME")
    return text


@click.command("train")
@click.option("--data", required=True, help="Name of the data set.")
@click.option(
    "--learner",
    type=click.Choice([*training.LEARNERS, choosing.AUTO]),
    default="supervised",
    show_default=True,
    help="supervised: from 5 defects, better 10; deep: minutes longer, pays with hundreds of them; "
    "good-only: from 10 good pictures and no defect; auto: what cross-validation says.",
)
@click.option(
    "--folds",
    type=click.IntRange(2, 20),
    help="Cross-validate on train and val, too, by whole parts.  [auto and --search: 5]",
)
@click.option(
    "--search",
    "search_minutes",
    metavar="MINUTES",
    type=click.FloatRange(0, min_open=True),
    help="Look for better settings of the fit first; the same again goes on.",
)
@click.option("--good", type=click.IntRange(1), help="good-only: draw so many.  [default: all]")
@click.option("--defects", type=click.IntRange(1), help="Draw so many to train on.  [default: all]")
@click.option(
    "--backbone",
    default=shipped.OURS,
    callback=_known_backbone,
    show_default=True,
    help="What features are taken from: a float ONNX net, torchvision:NAME, or ours.",
)
@click.option("--taps", help="FINE,COARSE: tensors of the backbone; default: by their stride.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same machine: same file.")
@click.option(
    "--steps",
    type=click.IntRange(1),
    help="Of the head.  [default: 400; 200 for good-only, 150 for deep]",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="Of deep: walks through the pictures.  [default: 10]",
)
@click.option(
    "--size", help="WxH of the input; thin defects need more pixels.  [default: the backbone's]"
)
@click.option("--grey", is_flag=True, help="Do not look at colour.")
@recipe_options
@click.option("--full-range", is_flag=True, help="8-bit weights, for Arm and x86 with VNNI only.")
@click.option("--resume", is_flag=True, help="Go on with the same command's interrupted run.")
@risk_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    data: str,
    taps: str | None,
    size: str | None,
    risk: Risk,
    recipe: Path | None,
    orientation: Orientation | None,
    defects: int | None,
    folds: int | None,
    search_minutes: float | None,
    resume: bool,
    as_json: bool,
    **choices: Any,
) -> None:
    """Train a model on the train split and set its thresholds on the val split.

    Features come from the int8 backbone in the runtime of the box, so the head and the
    thresholds are fitted to the very numbers that the box will see. The test split is not
    touched: `evaluate` is for that.

    \b
    Example:
      linegate-trainer train --data housing --backbone mobilenet_v2.onnx
    """
    home = find_home()
    db, clock = catalog.open_catalog(home), SystemClock()
    dataset, runs = catalog.load(db, data), Runs(db, home, clock)
    options = training.Options(
        taps=_taps(taps),
        size_px=size_px(size),
        orientation=orientation_of(recipe, orientation),
        **choices,
    )
    near = _check(options, dataset)
    what = data, dataset.revision, options.learner
    dataset = with_defects(dataset, defects, options.seed)
    params = _params(ctx) | {"orientation": options.orientation}
    begun = runs.resume(*what, params) if resume else runs.begin(*what, command_line(ctx), params)
    with begun as run:
        run.results |= {"near_copies": len(near), "learnt": count(dataset.of("train"))}
        shop = choosing.Shop(home, runs, clock, progress)
        options = choosing.settle(run, dataset, options, choosing.Wish(folds, search_minutes), shop)
        trained = training.train(dataset, options, training.work_folder(home, run), progress)
        training.judge(runs, run, dataset, trained, risk, progress)
        training.keep_sheet(runs, run, dataset, options)
        run.learner = options.learner
    _tell(run, as_json)


def _taps(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    fine, comma, coarse = text.partition(",")
    if not (fine and comma and coarse):
        raise click.BadParameter(f"{text!r}: write two tensor names, such as t95,t142")
    return fine, coarse


def _params(ctx: click.Context) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in ctx.params.items()
        if value is not None and name not in ("as_json", "resume")
    }


def _check(options: training.Options, dataset: Dataset) -> list[tuple[str, str]]:
    """Options that have no effect, and copies across splits, are refused; near-copies are named."""
    options.check()
    near = training.check_leakage(dataset)
    if near:
        first, second = near[0]
        click.echo(
            f"Warning: {len(near)} held-out pictures look like near-copies of training pictures, "
            f"such as {first} and {second}. If they show one part, give them one group.",
            err=True,
        )
    return near


def _tell(run: Run, as_json: bool) -> None:
    val = run.results["val"]
    low, high = val["intervals"]["auroc"]
    click.echo(f"run {run.id}: {run.seconds:.0f} s, {run.peak_mb:.0f} MB at most")
    click.echo(
        f"val: AUROC {figure(val['auroc'])} (95 %: {low:.3f} to {high:.3f}; "
        f"{val['n_good']} good, {val['n_defect']} defective)"
    )
    for line in (
        *folds_told.lines(run.results),
        *run_lines(run.results),
    ):
        click.echo(line)
    click.echo(f"look: linegate-trainer preview --run {run.id} --to sheet.png")
    click.echo(f"next: linegate-trainer evaluate --run {run.id} --split test")
    if as_json:
        print_json(
            {
                "run": run.id,
                "seconds": run.seconds,
                "peak_mb": run.peak_mb,
                "val": val,
                "thresholds": run.results["thresholds"],
                "outcome": run.results["shares"],
                "parity": run.results["parity"],
                "near_copies": run.results["near_copies"],
                "learnt": run.results["learnt"],
                **{key: run.results.get(key) for key in ("choice", "search", "crossval")},
            }
        )
