"""A trouble that does not come, or does not end, is told; the others go on."""

import json
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from edge.simulate.scenario import Trouble
from edge.simulate.script import Act
from edge.simulate.trouble import Hands, Saboteur
from edge.supervisor import Supervisor, Task

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


class StubbornBroker:
    """It cannot be started again."""

    def kill(self) -> None:
        pass

    def start(self) -> None:
        raise OSError("Address already in use")


class Watched(Hands):
    """`tried` counts what they set about to do."""

    def __init__(self, *ours: object) -> None:
        super().__init__(*ours)  # type: ignore[arg-type]
        self.tried = threading.Semaphore(0)

    def do(self, act: Act) -> None:
        self.tried.release()
        super().do(act)


@pytest.fixture
def jobs(tmp_path: Path):
    """A gate that runs, and a prediction server that does not."""
    tasks = [Task("gate", SLEEPER, lambda: True), Task("predict", SLEEPER, lambda: True)]
    supervisor = Supervisor(tasks, tmp_path)
    supervisor.start()
    assert supervisor.wait_ready(20)
    supervisor.end("predict")
    yield supervisor
    supervisor.stop()


@pytest.fixture
def play(tmp_path: Path, jobs: Supervisor):
    """Play a script to its end; returns what of it did not happen."""

    def run(*script: Act) -> tuple[str, ...]:
        hands = Watched(tmp_path / "faults.json", jobs, StubbornBroker(), None)  # type: ignore[arg-type]
        saboteur = Saboteur(script, hands, None)
        saboteur.start(time.monotonic_ns())
        for _ in [act for act in script if act.at_s < 1]:
            assert hands.tried.acquire(timeout=20)
        saboteur.close()
        return saboteur.undone

    return run


def test_troubles_that_came_and_went_leave_nothing_undone(play, jobs, tmp_path: Path) -> None:
    done = play(
        Act(0.0, True, Trouble.CAMERA_LOST),
        Act(0.01, True, Trouble.GATE_STOPPED),
        Act(0.02, False, Trouble.CAMERA_LOST),
    )
    assert done == ()
    assert json.loads((tmp_path / "faults.json").read_text()) == {}
    assert psutil.Process(jobs.pid("gate")).status() == psutil.STATUS_STOPPED


def test_process_that_was_not_running_is_told_and_the_rest_goes_on(play, tmp_path: Path) -> None:
    done = play(
        Act(0.0, True, Trouble.PREDICT_STOPPED),
        Act(0.01, False, Trouble.PREDICT_STOPPED),
        Act(0.02, True, Trouble.CAMERA_BLACK),
    )
    assert done == ("predict_stopped, at 0.0 s: predict was not running",)
    assert json.loads((tmp_path / "faults.json").read_text()) == {"lamp": 0.0}


def test_trouble_that_does_not_end_is_told(play) -> None:
    done = play(Act(0.0, True, Trouble.BROKER_AWAY), Act(0.1, False, Trouble.BROKER_AWAY))
    assert done == ("broker_away, its end, at 0.1 s: Address already in use",)


def test_babbling_that_nobody_hears_is_told(play) -> None:
    done = play(Act(0.0, True, Trouble.PLC_BABBLING), Act(0.1, False, Trouble.PLC_BABBLING))
    assert done == ("plc_babbling, its end, at 0.1 s: nothing of it reached the broker",)


def test_trouble_that_the_run_did_not_wait_for_is_told(play) -> None:
    done = play(Act(30.0, True, Trouble.GATE_KILLED))
    assert done == ("gate_killed, at 30.0 s: the run was over before",)
