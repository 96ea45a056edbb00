"""`linegate explain ID|SERIAL`: why a part got its verdict, reproduced to the bit."""

from pathlib import Path

import click

from edge.config import load_station
from edge.core.cli import print_json
from edge.explain import Explanation, explain


@click.command(epilog="Example: linegate explain 6f1c0a9be2d34875 --config station.toml")
@click.argument("part", metavar="ID|SERIAL")
@click.option("--config", type=click.Path(path_type=Path), default=Path("station.toml"))
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def command(ctx: click.Context, part: str, config: Path, as_json: bool) -> None:
    """Reproduce score and verdict of one inspection from its kept frame.

    ID is that of an inspection; of a SERIAL it is the part's last one.

    Exit code 0: reproduced exactly. 1: it differs, or the frame is no longer kept.
    """
    found = explain(load_station(config), part)
    if as_json:
        print_json(
            {
                "inspection_id": found.record.inspection_id,
                "reproduced": found.same,
                "score": found.score,
                "verdict": found.verdict,
                "record": found.record.model_dump(mode="json"),
                "steps": found.steps,
                "attempts": [
                    {"inspection_id": one.inspection_id, "verdict": one.verdict}
                    for one in found.attempts
                ],
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
    for number, one in enumerate(found.attempts, 1):
        this = ", this one" if one.inspection_id == record.inspection_id else ""
        click.echo(
            f"serial {one.serial}, attempt {number}: {one.inspection_id} {one.verdict}{this}"
        )
    for step in found.steps:
        click.echo(f"  {step}")
    said = {True: "reproduced exactly", False: "NOT reproduced", None: "cannot be reproduced"}
    click.echo(said[found.same])
