"""`linegate explain ID`: why a part got its verdict, reproduced to the bit."""

from pathlib import Path

import click

from edge.config import load_station
from edge.core.cli import print_json
from edge.explain import Explanation, explain


@click.command(epilog="Example: linegate explain 6f1c0a9be2d34875 --config station.toml")
@click.argument("inspection_id")
@click.option("--config", type=click.Path(path_type=Path), default=Path("station.toml"))
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def command(ctx: click.Context, inspection_id: str, config: Path, as_json: bool) -> None:
    """Reproduce score and verdict of one inspection from its kept frame.

    Exit code 0: reproduced exactly. 1: it differs, or the frame is no longer kept.
    """
    found = explain(load_station(config), inspection_id)
    if as_json:
        print_json(
            {
                "inspection_id": inspection_id,
                "reproduced": found.same,
                "score": found.score,
                "verdict": found.verdict,
                "record": found.record.model_dump(mode="json"),
                "steps": found.steps,
            }
        )
    else:
        _say(found)
    ctx.exit(0 if found.same else 1)


def _say(found: Explanation) -> None:
    record = found.record
    reasons = f" ({', '.join(record.reasons)})" if record.reasons else ""
    click.echo(f"part {record.part_id}, seq {record.seq}, {record.triggered_at.isoformat()}")
    click.echo(f"verdict {record.verdict}{reasons} by {record.by}, level {record.level}")
    click.echo(f"recipe {record.recipe} {record.recipe_sha256[:12]}, model {record.model}")
    for step in found.steps:
        click.echo(f"  {step}")
    said = {True: "reproduced exactly", False: "NOT reproduced", None: "cannot be reproduced"}
    click.echo(said[found.same])
