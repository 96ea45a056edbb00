"""`linegate`: the commands of the box. Each lives in `commands/` and is imported when called."""

import click

from edge.core.cli import Lazy, LazyGroup

COMMANDS = {
    "demo": Lazy("edge.commands.demo", "Run everything on simulated parts, no hardware."),
    "simulate": Lazy("edge.commands.simulate", "Run a virtual line and judge it, for integrators."),
    "run": Lazy("edge.commands.run", "Run all jobs of a station."),
    "job": Lazy("edge.commands.job", "Run one job of a station (what systemd starts)."),
    "replay": Lazy("edge.commands.replay", "Inspect recorded frames as fast as it goes."),
    "record": Lazy("edge.commands.record", "Record frames of a camera as a data set."),
    "bench": Lazy("edge.commands.bench", "Measure this box, beside what was promised."),
    "explain": Lazy("edge.commands.explain", "Reproduce the verdict of one part."),
    "check-config": Lazy("edge.commands.check_config", "Check station.toml, recipes and models."),
    "level": Lazy("edge.commands.level", "Show or change the level of automation."),
    "recipe": Lazy("edge.commands.recipe", "List recipes, or choose the default one."),
}


@click.command(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: linegate demo",
)
@click.version_option(package_name="linegate")
def main() -> None:
    """The inspection gate: every part gets exactly one verdict, in time."""


if __name__ == "__main__":
    main()
