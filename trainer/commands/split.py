"""`linegate-trainer split`: train, val and test, by whole parts."""

from dataclasses import replace

import click

from edge.core.cli import print_json
from trainer.clock import SystemClock
from trainer.commands.common import command_line, json_option
from trainer.config import find_home
from trainer.data import catalog
from trainer.data import split as splitting
from trainer.data.items import SPLITS, Dataset, count


def _shares(text: str) -> splitting.Shares:
    words = text.split("/")
    if len(words) != 3 or not all(word.isdigit() for word in words):
        raise click.BadParameter(f"{text!r}: write percentages such as 60/20/20")
    train, val, test = map(int, words)
    if train + val + test != 100:
        raise click.BadParameter(f"{text!r} adds up to {train + val + test}, not 100")
    return (train, val, test)


@click.command("split")
@click.option("--data", required=True, help="Name of the data set.")
@click.option("--shares", default="60/20/20", show_default=True, help="train/val/test, in percent.")
@click.option(
    "--by",
    type=click.Choice(["part", "lot"]),
    default="part",
    show_default=True,
    help="What stays together; lot: column `domain`.",
)
@click.option("--seed", default=0, show_default=True, help="Of the draw.")
@click.option("--again", is_flag=True, help="Replace the split that it has.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    data: str,
    shares: str,
    by: splitting.By,
    seed: int,
    again: bool,
    as_json: bool,
) -> None:
    """Cut a data set into train, val and test.

    Pictures of one part never sit in two splits, and each label is shared out exactly: 100 parts
    with 30 defective ones give 18, 6 and 6. If lots look different, split by lot: only then do
    val and test say what to expect of the next one. A split that came with the data is kept unless
    --again is given. `--shares 0/0/100` makes all of it an exam for models trained elsewhere.

    \b
    Example:
      linegate-trainer split --data housing --shares 60/20/20
    """
    db = catalog.open_catalog(find_home())
    dataset = catalog.load(db, data)
    kept = not again and all(item.split for item in dataset.items)
    if not kept:
        items = splitting.split(dataset.items, _shares(shares), seed, by)
        dataset = replace(
            dataset, items=tuple(items), commands=(dataset.commands[0], command_line(ctx))
        )
        catalog.save(db, dataset, SystemClock().now(), replace=True)
    _tell(dataset, kept, as_json)


def _tell(dataset: Dataset, kept: bool, as_json: bool) -> None:
    click.echo(
        "the split that came with the data is kept (--again makes a new one)" if kept else ""
    )
    result = {name: count([i for i in dataset.items if i.split == name]) for name in SPLITS}
    for name, counts in result.items():
        click.echo(f"{name:6}{counts['good']:6} good{counts['defect']:6} defect")
    click.echo(f"revision {dataset.revision[:12]}")
    if as_json:
        print_json({"name": dataset.name, "revision": dataset.revision, "kept": kept, **result})
