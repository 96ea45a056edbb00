"""`linegate level`: how much the model decides."""

from pathlib import Path

import click

from edge.config import load_station
from edge.core.cli import print_json
from edge.core.errors import LinegateError
from edge.core.messages import Level
from edge.core.orders import SetLevelOrder, StatusOrder
from edge.gate.control import send_order


@click.command(epilog="Example: linegate level partial --who 'Ada Berg'")
@click.argument("level", required=False, type=click.Choice([level.value for level in Level]))
@click.option("--who", help="Who decides this; needed to go up.")
@click.option("--config", type=click.Path(path_type=Path), default=Path("station.toml"))
@click.option("--json", "as_json", is_flag=True)
def command(level: str | None, who: str | None, config: Path, as_json: bool) -> None:
    """Show the level of automation of the running gate, or change it.

    Going down needs no name; the gate refuses to go up without one.
    """
    socket = load_station(config).control_socket
    if level is None:
        status = send_order(socket, StatusOrder()).status
        shown = status.state.level if status else None
        print_json({"level": shown}) if as_json else click.echo(shown or "unknown")
        return
    answer = send_order(socket, SetLevelOrder(level=Level(level), who=who or None))
    if not answer.ok:
        raise LinegateError(answer.error or "refused")
    print_json({"level": level}) if as_json else click.echo(f"level {level}")
