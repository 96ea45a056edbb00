"""`linegate level`: how much the model decides."""

from pathlib import Path

import click

from edge.config import load_station
from edge.core.errors import LinegateError
from edge.core.messages import Level
from edge.core.orders import SetLevelOrder, StatusOrder
from edge.gate.control import send_order


@click.command(epilog="Example: linegate level partial --who 'Ada Berg'")
@click.argument("level", required=False, type=click.Choice([level.value for level in Level]))
@click.option("--who", help="Who decides this; needed to go up.")
@click.option("--config", type=click.Path(path_type=Path), default=Path("station.toml"))
def command(level: str | None, who: str | None, config: Path) -> None:
    """Show the level of automation of the running gate, or change it."""
    socket = load_station(config).control_socket
    if level is None:
        status = send_order(socket, StatusOrder()).status
        click.echo(status.state.level if status else "unknown")
        return
    if not who:
        raise click.UsageError("name the person who decides it: --who NAME")
    answer = send_order(socket, SetLevelOrder(level=Level(level), who=who))
    if not answer.ok:
        raise LinegateError(answer.error or "refused")
    click.echo(f"level {level}")
