"""`linegate check-config`: everything that can be known to be wrong before the line runs."""

from pathlib import Path

import click

from edge.checks import limits_of, problems
from edge.config import load_recipes, load_station
from edge.core.cli import print_json
from edge.predict.bundle import find_bundles


@click.command(epilog="Example: linegate check-config --config station.toml")
@click.option("--config", type=click.Path(path_type=Path), default=Path("station.toml"))
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def command(ctx: click.Context, config: Path, as_json: bool) -> None:
    """Check station.toml, its recipes, and the files that they name; exit 1 if one is wrong."""
    station = load_station(config)
    recipes = load_recipes(station)
    shelf = find_bundles(station.predict.models)
    found = list(problems(station, recipes.values(), shelf))
    models = {name: entry.manifest.label for name, entry in shelf.newest.items()}
    limits_ms = {name: limits_of(station, recipe) for name, recipe in sorted(recipes.items())}
    if as_json:
        print_json(
            {
                "recipes": sorted(recipes),
                "models": models,
                "frame_within_ms": limits_ms,
                "problems": found,
            }
        )
    else:
        click.echo(f"{config}: {len(recipes)} recipes, {len(models)} models")
        for name, limits in limits_ms.items():
            views = ", ".join(f"{view} {_up_to(limit_ms)}" for view, limit_ms in limits.items())
            click.echo(f"recipe {name}: frames count so long after their trigger: {views}")
        for problem in found:
            click.echo(f"problem: {problem}")
    ctx.exit(1 if found else 0)


def _up_to(limit_ms: float | None) -> str:
    return "whenever they come" if limit_ms is None else f"{limit_ms:.0f} ms"
