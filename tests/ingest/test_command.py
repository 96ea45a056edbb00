"""`linegate-trainer ingest` as its user meets it."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from edge.plc.broker import free_port
from trainer.__main__ import main

HEAVY = ("torch", "scipy", "sklearn", "onnx", "onnxruntime", "rich", "cv2", "matplotlib")


def test_runs_for_so_many_seconds_without_a_broker_and_says_what_is_wrong(tmp_path):
    port = free_port()
    arguments = ["ingest", "--broker", f"127.0.0.1:{port}", "--home", str(tmp_path)]
    result = CliRunner().invoke(main, [*arguments, "--seconds", "1", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["records"] == 0
    assert f"127.0.0.1:{port}" in result.stderr
    assert (tmp_path / "ingest" / "catalog.db").exists()


@pytest.mark.parametrize("broker", ["localhost", ":1883", "host:x", "host:0", "host:99999"])
def test_broker_that_is_no_address_is_wrong_use(broker):
    result = CliRunner().invoke(main, ["ingest", "--broker", broker])
    assert result.exit_code == 2
    assert "HOST:PORT" in result.output


def test_missing_password_file_is_wrong_use(tmp_path):
    arguments = ["ingest", "--home", str(tmp_path), "--password-file", str(tmp_path / "none")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "none: cannot be read" in result.output


def test_needs_nothing_of_the_workshops_heavy_libraries(tmp_path):
    """As on the box that runs the demo, where they are not installed."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(sys.argv[1].split(',')))\n"
        "from trainer.__main__ import main; main(sys.argv[2:])"
    )
    arguments = ["ingest", "--home", str(tmp_path), "--seconds", "0", "--json"]
    command = [sys.executable, "-c", code, ",".join(HEAVY), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["records"] == 0
