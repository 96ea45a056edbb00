"""`linegate recipe`: what types of part the station knows, and which it expects."""

from pathlib import Path

import click

from edge.config import load_recipes, load_station
from edge.core.cli import print_json
from edge.core.errors import LinegateError
from edge.core.orders import Order, SetRecipeOrder, TakeReferenceOrder
from edge.gate.control import send_order


@click.group(epilog="Example: linegate recipe use disc --who 'Ada Berg'")
def command() -> None:
    """List recipes, choose the default one of the running gate, or take a reference."""


@command.command("list")
@click.option("--config", type=click.Path(path_type=Path), default=Path("station.toml"))
@click.option("--json", "as_json", is_flag=True)
def list_(config: Path, as_json: bool) -> None:
    """List the recipes; * marks the default of station.toml.

    `linegate recipe use` may have chosen another one for the running gate.
    """
    station = load_station(config)
    recipes = load_recipes(station)
    if as_json:
        listed = [recipe.model_dump(mode="json") for recipe in recipes.values()]
        print_json({"default": station.gate.recipe, "recipes": listed})
        return
    for recipe in recipes.values():
        mark = "*" if recipe.name == station.gate.recipe else " "
        views = ", ".join(view.name for view in recipe.views)
        click.echo(f"{mark} {recipe.name} v{recipe.version}: model {recipe.model}, views {views}")
    click.echo("* the default of station.toml")


@command.command("use")
@click.argument("name")
@click.option("--who", required=True, help="Who decides this.")
@click.option("--config", type=click.Path(path_type=Path), default=Path("station.toml"))
def use(name: str, who: str, config: Path) -> None:
    """Use this recipe for triggers that name none."""
    _send(config, SetRecipeOrder(recipe=name, who=who))
    click.echo(f"recipe {name}")


@command.command("reference")
@click.argument("name")
@click.option("--who", required=True, help="Who says that the cameras are as they should be.")
@click.option("--config", type=click.Path(path_type=Path), default=Path("station.toml"))
def reference(name: str, who: str, config: Path) -> None:
    """Take the next parts' pictures as what this recipe's cameras should see.

    Look at a picture on the page first: sharp, well lit, the part in its place. From then on the
    gate stops passing parts when camera, focus or light differ from it. Faulty pixels that were
    found so far are accepted.
    """
    _send(config, TakeReferenceOrder(recipe=name, who=who))
    click.echo(f"the next parts of {name} make its reference; the page says if they cannot")


def _send(config: Path, order: Order) -> None:
    answer = send_order(load_station(config).control_socket, order)
    if not answer.ok:
        raise LinegateError(answer.error or "refused")
