"""The face of both command lines: commands imported when called, errors as one sentence, stable
exit codes (0 fine, 1 found a problem, 2 wrong use), `--json` as one object on the last line."""

import json
import signal
from _thread import start_new_thread
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import Any

import click

from edge.core.errors import ConfigError, LinegateError


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command lives (`module`, attribute `command`) and its line in --help."""

    module: str
    help: str


class LazyGroup(click.Group):
    """A group whose --help imports no command: a station's shell must answer at once."""

    def __init__(self, lazy: Mapping[str, Lazy], **attrs: Any) -> None:
        super().__init__(**attrs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return None
        command = import_module(self._lazy[cmd_name].module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self._lazy.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LinegateError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(2 if isinstance(error, ConfigError) else 1)


def print_json(result: Mapping[str, Any]) -> None:
    """The machine's answer: one object, one line, the last of standard output."""
    click.echo(json.dumps(result, allow_nan=False, default=str))


def on_signal(stop: Callable[[], object]) -> None:
    """Have SIGTERM and SIGINT call `stop`; a second one ends the process at once.

    In a thread of its own: a handler interrupts the main thread anywhere, also while that holds the
    lock which `stop` needs. `Event.set` within `Event.wait` would wait for ever.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        start_new_thread(stop, ())

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
