"""The face of both commands: help imports nothing, errors are one sentence, codes are stable."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from edge.core.cli import Lazy, LazyGroup, on_signal, print_json
from edge.core.errors import (
    CameraLost,
    ConfigError,
    LinegateError,
    MessageRefused,
    ModelRefused,
    NotDurable,
    PredictorUnavailable,
)

COMMAND = """\
import click
from edge.core import errors
from edge.core.cli import print_json

@click.command()
@click.option("--raises")
@click.option("--code", type=int, default=0)
@click.pass_context
def command(ctx, raises, code):
    if raises == "KeyError":
        raise KeyError("a bug")
    if raises:
        raise getattr(errors, raises)("the sky fell; hold it up")
    click.echo("some words")
    print_json({"parts": 3, "auroc": None})
    ctx.exit(code)
"""


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LazyGroup:
    """A group of two: one that works, and one whose module cannot even be imported."""
    (tmp_path / "cli_works.py").write_text(COMMAND)
    (tmp_path / "cli_broken.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cli_works", raising=False)
    lazy = {
        "works": Lazy("cli_works", "Does what it should."),
        "broken": Lazy("cli_broken", "Must not be imported for help."),
    }
    return LazyGroup(lazy, name="tool", help="A tool.")


def run(group: LazyGroup, *arguments: str) -> Result:
    return CliRunner().invoke(group, arguments)


def test_help_lists_all_commands_and_imports_none(group: LazyGroup) -> None:
    result = run(group, "--help")
    assert result.exit_code == 0
    assert "works   Does what it should." in result.output
    assert "broken  Must not be imported for help." in result.output
    assert "cli_works" not in sys.modules


def test_commands_stand_in_the_order_of_their_table(group: LazyGroup) -> None:
    assert group.list_commands(click.Context(group)) == ["works", "broken"]


def test_only_the_called_command_is_imported(group: LazyGroup) -> None:
    assert run(group, "works").exit_code == 0
    with pytest.raises(RuntimeError, match="imported"):
        CliRunner().invoke(group, ["broken"], catch_exceptions=False)


def test_json_is_one_object_on_the_last_line(group: LazyGroup) -> None:
    result = run(group, "works")
    assert result.stdout.splitlines()[0] == "some words"
    assert json.loads(result.stdout.splitlines()[-1]) == {"parts": 3, "auroc": None}


@pytest.mark.parametrize("code", [0, 1])
def test_commands_own_exit_code_stands(group: LazyGroup, code: int) -> None:
    assert run(group, "works", "--code", str(code)).exit_code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError, 2),
        (LinegateError, 1),
        (ModelRefused, 1),
        (MessageRefused, 1),
        (CameraLost, 1),
        (PredictorUnavailable, 1),
        (NotDurable, 1),
    ],
)
def test_error_is_one_sentence_and_a_code(
    group: LazyGroup, error: type[LinegateError], code: int
) -> None:
    result = run(group, "works", "--raises", error.__name__)
    assert result.exit_code == code
    assert result.stderr == "Error: the sky fell; hold it up\n"
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [("fly",), ("works", "--wings"), ("works", "--code", "x")])
def test_wrong_use_is_code_2(group: LazyGroup, arguments: tuple[str, ...]) -> None:
    result = run(group, *arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


def test_bug_is_not_dressed_up_as_a_users_mistake(group: LazyGroup) -> None:
    result = run(group, "works", "--raises", "KeyError")
    assert isinstance(result.exception, KeyError)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_holds_no_nan(value: float) -> None:
    """Other programs read it; NaN is not JSON."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"auroc": value})


def test_json_takes_paths_and_dates_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"to": Path("models/demo")})
    assert json.loads(capsys.readouterr().out) == {"to": "models/demo"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("check-config", "--config", "nowhere.toml"), 2),
        (("job", "gate"), 2),
        (("job", "nothing"), 2),
        (("explain", "0", "--config", "nowhere.toml"), 2),
        (("level", "--config", "nowhere.toml"), 2),
        (("--version",), 0),
    ],
)
def test_real_command_line_keeps_the_codes(
    arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if "nowhere.toml" in arguments:
        assert done.stderr == "Error: nowhere.toml: cannot be read: No such file or directory\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_that_comes_while_the_main_thread_holds_the_lock_is_heard(number: int) -> None:
    """As `Event.set` does in the middle of `Event.wait`."""
    before = [(each, signal.getsignal(each)) for each in (signal.SIGTERM, signal.SIGINT)]
    lock, heard = threading.Lock(), threading.Event()

    def stop() -> None:
        with lock:
            heard.set()

    on_signal(stop)
    try:
        with lock:
            os.kill(os.getpid(), number)
            time.sleep(0.05)
            assert not heard.is_set()
        assert heard.wait(5)
        assert signal.getsignal(number) is signal.SIG_DFL  # a second one ends at once
    finally:
        for each, handler in before:
            signal.signal(each, handler)
