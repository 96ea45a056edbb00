"""What the commands share: the command line for the record, progress on stderr."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from rich.console import Console
from rich.progress import track

from edge.core.errors import LinegateError
from edge.core.recipe import Orientation, Recipe, parse_recipe

T = TypeVar("T")
Command = Callable[..., Any]


def command_line(ctx: click.Context) -> str:
    """The command as one would type it, without what is default: goes into every record."""
    words = ["linegate-trainer", str(ctx.info_name)]
    for param in ctx.command.params:
        value = ctx.params.get(str(param.name))
        if param.name != "as_json" and value not in (None, (), param.get_default(ctx)):
            words += _words(param, value)
    return shlex.join(words)


def _words(param: click.Parameter, value: object) -> list[str]:
    if isinstance(param, click.Argument):
        return [str(value)]
    if value is True:
        return [param.opts[0]]
    values = value if isinstance(value, tuple) else (value,)
    return [word for one in values for word in (param.opts[0], str(one))]


def progress(steps: Sequence[T], what: str) -> Iterable[T]:
    """Walk through long work with a bar on stderr; standard output stays the machine's."""
    return track(steps, description=what, console=Console(stderr=True), transient=False)


def recipe_options(command: Command) -> Command:
    """--recipe and --orientation: see orientation_of."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    words = click.Choice(get_args(Orientation))
    command = click.option(
        "--orientation",
        type=words,
        help="How the part may lie and still be good.  [default: the recipe's, or fixed]",
    )(command)
    return click.option("--recipe", type=file, help="The part's recipe (docs/config.md).")(command)


def orientation_of(recipe: Path | None, asked: Orientation | None) -> Orientation:
    """What was asked for, else the recipe's word. Without either the part is taken to lie always
    the same way: a mirrored copy would teach that a wrongly made part is good."""
    if asked is not None:
        return asked
    return "fixed" if recipe is None else _load_recipe(recipe).orientation


def _load_recipe(file: Path) -> Recipe:
    try:
        return parse_recipe(file.read_text(encoding="utf-8"), str(file))
    except UnicodeDecodeError as error:
        raise LinegateError(f"{file}: not UTF-8 text: save it as UTF-8") from error


def size_px(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise click.BadParameter(f"{text!r}: write width and height, such as 320x240")
    return int(width), int(height)


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object, last line.")
