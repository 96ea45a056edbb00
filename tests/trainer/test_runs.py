import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from edge.core.errors import LinegateError
from trainer.commands.common import command_line
from trainer.config import Home, find_home
from trainer.data import catalog
from trainer.runs import Run, Runs


class StillClock:
    """Noon, and two seconds pass between any two looks at the watch."""

    def __init__(self) -> None:
        self._ns = 0

    def monotonic_ns(self) -> int:
        self._ns += 2_000_000_000
        return self._ns

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def runs(home: Home) -> Runs:
    return Runs(catalog.open_catalog(home), home, StillClock())


def finish(runs: Runs, data: bytes = b"model") -> Run:
    with runs.begin("parts", "r" * 64, "supervised", "linegate-trainer train", {"seed": 1}) as run:
        runs.keep(run, "model.onnx", data)
        run.results["val"] = {"auroc": 0.9}
    return run


def test_run_is_read_back_as_it_was_written(runs: Runs) -> None:
    run = finish(runs)
    assert runs.get("parts-1") == run
    assert (run.state, run.seconds, run.started_at) == ("done", 2.0, "2026-11-21T12:00:00+00:00")
    assert runs.artifact(run, "model.onnx") == b"model"


def test_run_that_breaks_off_is_recorded_as_failed(runs: Runs) -> None:
    with pytest.raises(KeyboardInterrupt), runs.begin("parts", "", "supervised", "", {}):
        raise KeyboardInterrupt
    with pytest.raises(LinegateError, match="run 'parts-1' is failed"):
        runs.get("parts-1")
    finish(runs)
    assert [(run.id, run.state) for run in runs.all()] == [
        ("parts-1", "failed"),
        ("parts-2", "done"),
    ]


def test_equal_artifacts_are_kept_once(runs: Runs, home: Home) -> None:
    finish(runs)
    finish(runs)
    assert len(list(home.artifacts.iterdir())) == 1


def test_damaged_artifact_is_noticed(runs: Runs, home: Home) -> None:
    run = finish(runs)
    next(home.artifacts.iterdir()).write_bytes(b"m0del")
    with pytest.raises(LinegateError, match="damaged"):
        runs.artifact(run, "model.onnx")


def test_home_is_the_variable_or_the_users_data_folder(tmp_path: Path) -> None:
    assert find_home({"LINEGATE_HOME": str(tmp_path / "a")}).path == tmp_path / "a"
    assert (tmp_path / "a").is_dir()
    environ = {"XDG_DATA_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    if sys.platform != "darwin":  # there the folder is fixed
        assert find_home(environ).path.parent == tmp_path


def type_command(*words: str) -> Result:
    @click.command("try")
    @click.argument("source")
    @click.option("--seed", default=0)
    @click.option("--name")
    @click.option("--by", multiple=True)
    @click.option("--again", is_flag=True)
    @click.option("--json", "as_json", is_flag=True)
    @click.pass_context
    def command(ctx: click.Context, /, **options: object) -> None:
        click.echo(command_line(ctx))

    return CliRunner().invoke(command, words)


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        (["a.csv"], "linegate-trainer try a.csv"),
        (["a.csv", "--seed", "0", "--json"], "linegate-trainer try a.csv"),
        (["my parts", "--seed", "3"], "linegate-trainer try 'my parts' --seed 3"),
        (
            ["a", "--again", "--by", "x", "--by", "y z"],
            "linegate-trainer try a --by x --by 'y z' --again",
        ),
    ],
)
def test_command_is_recorded_as_one_would_type_it(typed: list[str], recorded: str) -> None:
    assert type_command(*typed).output.strip() == recorded


def test_unknown_run_is_a_problem(runs: Runs, home: Home) -> None:
    with pytest.raises(LinegateError, match="no run 'x-1'"):
        runs.get("x-1")


def break_off(runs: Runs, seed: int = 1) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        runs.begin("parts", "r" * 64, "deep", "train", {"seed": seed}),
    ):
        raise KeyboardInterrupt


def test_interrupted_run_is_gone_on_with_under_its_id_and_its_seconds_add_up(runs: Runs) -> None:
    finish(runs)
    break_off(runs)
    break_off(runs, seed=2)
    with runs.resume("parts", "r" * 64, "deep", {"seed": 1}) as run:
        assert run.id == "parts-2"
    assert (runs.get("parts-2").state, runs.get("parts-2").seconds) == ("done", 4.0)
    assert [run.state for run in runs.all()] == ["done", "done", "failed"]


def test_run_that_was_not_interrupted_cannot_be_gone_on_with(runs: Runs) -> None:
    finish(runs)
    break_off(runs)
    for learner, seed in (("supervised", 1), ("deep", 3)):
        with (
            pytest.raises(LinegateError, match="these very options was interrupted"),
            runs.resume("parts", "r" * 64, learner, {"seed": seed}),
        ):
            pass


def test_run_of_another_code_cannot_be_gone_on_with(runs: Runs) -> None:
    break_off(runs)
    (run,) = runs.all()
    run.code = "linegate 0"
    runs.save(run)
    with (
        pytest.raises(LinegateError, match="begun by linegate 0"),
        runs.resume("parts", "r" * 64, "deep", {"seed": 1}),
    ):
        pass
