"""What the commands share: the command line for the record, progress on stderr."""

import shlex
from collections.abc import Iterable, Sequence
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import track

T = TypeVar("T")


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


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object, last line.")
