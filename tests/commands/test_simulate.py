"""`linegate simulate` refuses what cannot work before anything starts."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.__main__ import main


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scenario", "missing.toml"], "missing.toml: cannot be read"),
        (["--broker", "1883"], "expected HOST:PORT"),
        (["--scenario", "broker.toml", "--broker", "127.0.0.1:1"], "only without --broker"),
        (["--scenario", "silent.toml", "--plc", "external"], "only with --plc virtual"),
        (["--dir", "."], "is not empty"),
    ],
)
def test_wrong_use_is_refused_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    fault = '[[fault]]\nwhat = "{}"\nat_s = 1\nfor_s = 1\n'
    (tmp_path / "broker.toml").write_text(fault.format("broker_away"))
    (tmp_path / "silent.toml").write_text(fault.format("plc_silent"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["simulate", *options])
    assert done.exit_code == 2, done.output
    assert said in done.output
