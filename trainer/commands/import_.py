"""`linegate-trainer import`: pictures and labels into the catalog."""

from collections import Counter
from pathlib import Path

import click

from edge.core.cli import print_json
from trainer.clock import SystemClock
from trainer.commands.common import command_line, json_option, progress
from trainer.config import find_home
from trainer.data import catalog, importing
from trainer.data.items import Dataset, count


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="The data set's name from now on.")
@click.option("--replace", is_flag=True, help="Take the place of a data set of this name.")
@click.option("--drop-copies", is_flag=True, help="Of identical pictures keep the first.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, source: Path, name: str, replace: bool, drop_copies: bool, as_json: bool
) -> None:
    """Take the pictures of SOURCE into a data set.

    SOURCE is a CSV file (or a folder with split.csv or parts.csv) with the columns path, label
    (0 good, 1 defect, empty: unsure), defect_kind, mask_or_box_path, group, split, domain, order,
    of which only path must be there; or a folder of such folders, each a recording; or a folder
    with the sub folders good/ and defect/. Paths are relative to the CSV. Nothing is copied: the
    files stay in place and are checked against their hash whenever they are read.

    \b
    Example:
      linegate-trainer import recordings/split.csv --name housing
    """
    root, rows = importing.list_rows(source)
    items = importing.load(root, rows, drop_copies, lambda rows: progress(rows, "reading"))
    dataset = Dataset(name, root, tuple(items), (command_line(ctx),))
    catalog.save(
        catalog.open_catalog(find_home()),
        dataset,
        SystemClock().now(),
        replace,
    )
    _tell(dataset, len(rows) - len(items), as_json)


def _tell(dataset: Dataset, dropped: int, as_json: bool) -> None:
    splits = Counter(item.split or "none" for item in dataset.items)
    counts = count(dataset.items)
    masks = sum(item.mask is not None for item in dataset.items)
    parts = len({item.part for item in dataset.items})
    click.echo(
        f"{dataset.name}: {counts['good']} good, {counts['defect']} defect, "
        f"{counts['ambiguous']} unsure pictures of {parts} parts; {masks} with a mask"
        + (f"; {dropped} copies left out" if dropped else "")
    )
    click.echo("splits: " + ", ".join(f"{name} {n}" for name, n in sorted(splits.items())))
    click.echo(f"revision {dataset.revision[:12]}")
    if set(splits) - {"train", "val", "test"}:
        click.echo(f"next: linegate-trainer split --data {dataset.name}")
    if as_json:
        print_json(
            {
                "name": dataset.name,
                "revision": dataset.revision,
                **counts,
                "parts": parts,
                "masks": masks,
                "dropped": dropped,
                "splits": dict(splits),
            }
        )
