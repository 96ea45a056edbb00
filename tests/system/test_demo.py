"""`linegate demo`: everything at once, as a stranger sees it first."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.system, pytest.mark.slow]


def demo(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", "demo", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=180)


def test_demo_keeps_every_promise_and_says_so() -> None:
    done = demo("--seconds", "10", "--json")
    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert result["parts"] == result["accepted"] >= 30
    assert set(result["plc"].values()) == {0}
    assert result["verdicts"]["pass"] > 0 and result["verdicts"]["rework"] > 0
    assert result["delivered"] == result["records"] > result["parts"]
    truth = result["truth"]
    assert truth["n_defect"] + truth["n_good"] == result["parts"]
    assert result["latency_ms"]["p50"] > 0
    assert "http://" in done.stderr and "mosquitto_sub" in done.stderr


def test_demo_ends_well_on_ctrl_c() -> None:
    command = [sys.executable, "-m", "edge", "demo"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "Ctrl-C" in line:
            break
    process.send_signal(2)
    out, _ = process.communicate(timeout=90)
    assert "delivered" in out
    assert process.returncode in (0, 1)  # 1: nobody was inspected yet
