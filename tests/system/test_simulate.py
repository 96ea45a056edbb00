"""`linegate simulate`: several parts in flight on a real gate; the referee finds planted bugs."""

import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from long import LONG

from edge.core.messages import Level
from edge.demo.station import Wanted, lay_out, shipped_models
from edge.plc.broker import Broker, find_mosquitto
from edge.plc.rules import Lane
from edge.plc.virtual import VirtualPlc
from edge.simulate.line import plan, simulate
from edge.simulate.scenario import Scenario, load_scenario

pytestmark = [pytest.mark.system, pytest.mark.slow]

PAGE = Path(__file__).parents[2] / "docs" / "simulate.md"
ONLY = "only parts with a pass in time go by"

BUSY = """\
[parts]
count = {count}
defect_share = 0.3
[conveyor]
speed_mm_s = 400
[[conveyor.change]]
at_s = 3
speed_mm_s = 250
ramp_s = 1
[[conveyor.change]]
at_s = 6
speed_mm_s = 0
[[conveyor.change]]
at_s = 7
speed_mm_s = 350
"""
FAULTS = """\
[[fault]]
what = "camera_frozen"
at_part = 5
for_s = 1
[[fault]]
what = "predict_stopped"
at_s = 9
for_s = 1
[[fault]]
what = "plc_babbling"
at_s = 11
for_s = 1
[[fault]]
what = "gate_stopped"
at_s = 14.1
for_s = 0.5
[[fault]]
what = "gate_killed"
at_s = 16
"""


@pytest.fixture(autouse=True)
def _needs_mosquitto() -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")


def judged(done: subprocess.CompletedProcess[str]):
    """The report, and the promises that were broken."""
    result = json.loads(done.stdout.splitlines()[-1])
    return result, {check["rule"] for check in result["checks"] if not check["kept"]}


def command(*options: object) -> list[str]:
    return [sys.executable, "-m", "edge", "simulate", "--json", *map(str, options)]


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    file = folder / "line.toml"
    file.write_text(text)
    return subprocess.run(command("--scenario", file), capture_output=True, text=True, timeout=240)


def test_three_in_flight_exactly_the_rejected_parts_are_thrown(tmp_path: Path) -> None:
    """40 parts with LINEGATE_LONG=1; the belt has changed its speed and stood by the 8th second."""
    count = 40 if LONG else 20
    done = run(tmp_path, BUSY.format(count=count))
    result, broken = judged(done)
    assert (done.returncode, broken) == (0, set()), done.stderr
    assert result["parts"] == result["inspections"] == count
    assert result["most_in_flight"] >= 3
    assert result["went_by"] == result["verdicts"]["pass"] - result["taken_late"] > 0
    assert result["thrown"] == count - result["went_by"] > 0
    assert set(result["plc"].values()) == {0}
    assert result["truth"]["n_defect"] + result["truth"]["n_good"] == count
    assert result["delivered"] == result["records"] > count
    assert result["latency_ms"]["p50"] > 0


def test_faults_by_script_let_no_part_by_that_has_no_pass(tmp_path: Path) -> None:
    done = run(tmp_path, BUSY.format(count=60) + FAULTS)  # the last comes when nothing is excused
    result, broken = judged(done)
    assert (done.returncode, broken) == (0, set()), done.stderr
    assert result["parts"] == 60
    assert result["refused"]["duplicate"] > 10  # it babbled
    excused = {check["rule"]: check["excused"] for check in result["checks"]}
    assert excused["every trigger gets a verdict in time"] > 0  # it was killed


def latest(line: VirtualPlc, seq: int) -> Lane | None:
    """The bug of many a line: the newest verdict instead of the part's own."""
    newest = seq
    while line.lane(newest + 1) in (Lane.PASS, Lane.REWORK):
        newest += 1
    return line.lane(newest)


def test_plc_that_acts_on_the_latest_verdict_is_found(tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text(BUSY.format(count=20))
    scenario = load_scenario(tmp_path / "line.toml")
    planned = plan(scenario, own_plc=True, own_broker=True, lane_of=latest)
    with Broker() as broker:
        station = lay_out(tmp_path, shipped_models(), wanted(scenario, broker))
        result, found = simulate(
            planned, station, broker, threading.Event(), lambda: None, lambda number: None
        )
    broken = {finding.rule for finding in found if not finding.kept}
    assert ONLY in broken and "every part with a pass in time goes by" in broken
    assert result["truth"]["escapes"] > 0


def wanted(scenario: Scenario, broker: Broker) -> Wanted:
    return Wanted(
        broker.port,
        seed=scenario.parts.seed,
        defect_share=scenario.parts.defect_share,
        level=Level.FULL,
        topics=scenario.layout.topics,
        belt="belt.json",
    )


# ---- somebody else's PLC: the one of docs/simulate.md ----


def example(language: str) -> str:
    page = PAGE.read_text().partition("### A PLC of bash")[2]
    found = re.search(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found.group(1)


@pytest.fixture
def with_bash(tmp_path: Path):
    """Run the page's line with a PLC program of bash at it."""
    if shutil.which("mosquitto_sub") is None or shutil.which("bash") is None:
        pytest.skip("mosquitto-clients are not installed")

    def play(program: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "line.toml").write_text(example("toml"))
        (tmp_path / "plc.sh").write_text(program)
        with Broker() as broker:
            options = ("--scenario", tmp_path / "line.toml", "--plc", "external")
            line = subprocess.Popen(
                command(*options, "--broker", f"{broker.host}:{broker.port}"),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert line.stderr is not None
            for said in line.stderr:
                if "Ctrl-C" in said:
                    break
            plc = subprocess.Popen(
                ["bash", str(tmp_path / "plc.sh"), broker.host, str(broker.port)]
            )
            out, err = line.communicate(timeout=200)
            assert plc.wait(20) == 0
        return subprocess.CompletedProcess(line.args, line.returncode, out, err)

    return play


def test_plc_program_of_the_page_is_accepted(with_bash) -> None:
    done = with_bash(example("bash"))
    result, broken = judged(done)
    assert (done.returncode, broken) == (0, set()), done.stdout
    assert result["parts"] == result["inspections"] == 12
    assert result["thrown"] >= result["verdicts"]["rework"] > 0  # or a trigger was taken late
    assert 12 - result["thrown"] == result["went_by"] > 0


def test_plc_program_that_acts_on_the_latest_verdict_is_not_accepted(with_bash) -> None:
    wrong = example("bash").replace("${word[decided]}", "${word[asked - 1]}")
    assert wrong != example("bash")
    done = with_bash(wrong)
    result, broken = judged(done)
    assert done.returncode == 1 and ONLY in broken, done.stdout
    (finding,) = [check for check in result["checks"] if check["rule"] == ONLY]
    assert finding["parts"] and finding["action"]
