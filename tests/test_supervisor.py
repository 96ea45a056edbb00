"""Real child processes, as small as they come, under the supervisor."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.supervisor import Supervisor, Task

WAIT_S = 20.0
SLEEP = "import time; time.sleep(60)"
# Writes its name when it is told to end, and takes its time over it.
SLOW_END = """
import pathlib, signal, sys, time
def end(*_):
    with open({log!r}, "a") as file:
        file.write({name!r} + " ")
    time.sleep(0.2)
    with open({log!r}, "a") as file:
        file.write({name!r} + "-gone ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path({ready!r}).touch()
time.sleep(60)
"""

Run = Callable[..., Supervisor]


def task(name: str, code: str, alive: Callable[[], bool] = lambda: True) -> Task:
    return Task(name, [sys.executable, "-c", code], alive)


def slow_end(name: str, folder: Path) -> Task:
    ready = folder / f"{name}.ready"
    code = SLOW_END.format(log=str(folder / "ends"), name=name, ready=str(ready))
    return task(name, code, ready.exists)


def until(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + WAIT_S
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def is_there(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started: list[Supervisor] = []

    def start(*tasks: Task, start_limit_s: float = 60.0) -> Supervisor:
        supervisor = Supervisor(tasks, logs=tmp_path, start_limit_s=start_limit_s)
        started.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in started:
        supervisor.stop()


def test_job_that_ends_is_started_again(run: Run) -> None:
    supervisor = run(task("a", SLEEP))
    assert until(supervisor.ready)
    first = supervisor.pid("a")
    assert first is not None and supervisor.restarts("a") == 0
    os.kill(first, signal.SIGKILL)
    assert until(lambda: supervisor.restarts("a") == 1 and supervisor.ready())
    assert supervisor.pid("a") != first and is_there(supervisor.pid("a"))


def test_job_that_no_longer_answers_is_killed_and_started_again(run: Run) -> None:
    answers = True
    supervisor = run(task("a", SLEEP, lambda: answers))
    assert until(supervisor.ready)
    hung = supervisor.pid("a")
    answers = False
    assert until(lambda: supervisor.restarts("a") == 1)
    assert not is_there(hung)
    answers = True
    assert until(supervisor.ready)


def test_job_that_never_answers_is_killed_at_its_limit(run: Run) -> None:
    supervisor = run(task("a", SLEEP, lambda: False), start_limit_s=0.3)
    first = supervisor.pid("a")
    assert until(lambda: supervisor.restarts("a") == 1)
    assert not is_there(first)
    assert not supervisor.ready()


def test_restarted_job_that_hangs_before_its_first_answer_is_soon_found_out(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.supervisor.AGAIN_LEAST_S", 0.3)
    monkeypatch.setattr("edge.supervisor.AGAIN_FACTOR", 1.0)
    well = True
    supervisor = run(task("a", SLEEP, lambda: well))
    assert until(supervisor.ready)
    well = False
    assert until(lambda: supervisor.restarts("a") == 2)  # silent; then not even started
    time.sleep(1.5)  # after a start that failed it has the longest time
    assert supervisor.restarts("a") == 2
    well = True
    assert until(supervisor.ready)


def test_job_may_take_its_time_to_start(run: Run, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = f"import pathlib, time; time.sleep(1); pathlib.Path({str(ready)!r}).touch(); {SLEEP}"
    supervisor = run(task("a", code, ready.exists))
    assert until(supervisor.ready)
    assert supervisor.restarts("a") == 0


def test_check_that_fails_counts_as_no_answer(run: Run) -> None:
    def broken() -> bool:
        raise RuntimeError("the check itself is broken")

    supervisor = run(task("a", SLEEP, broken), start_limit_s=0.3)
    assert until(lambda: supervisor.restarts("a") >= 2)  # the watch goes on


def test_stop_ends_the_last_started_first_and_one_at_a_time(run: Run, tmp_path: Path) -> None:
    supervisor = run(*(slow_end(name, tmp_path) for name in "abc"))
    assert until(supervisor.ready)
    pids = [supervisor.pid(name) for name in "abc"]
    supervisor.stop()
    assert (tmp_path / "ends").read_text().split() == ["c", "c-gone", "b", "b-gone", "a", "a-gone"]
    assert not any(is_there(pid) for pid in pids)


def test_restarted_job_is_not_signalled_before_its_turn(run: Run, tmp_path: Path) -> None:
    """Its parent for the kernel is the thread that restarted it, which must outlive it."""
    supervisor = run(slow_end("a", tmp_path), slow_end("b", tmp_path))
    assert until(supervisor.ready)
    pid = supervisor.pid("a")
    assert pid is not None
    (tmp_path / "a.ready").unlink()
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: supervisor.restarts("a") == 1 and (tmp_path / "a.ready").exists())
    supervisor.stop()
    assert (tmp_path / "ends").read_text().split() == ["b", "b-gone", "a", "a-gone"]


def test_one_job_ends_for_good_and_the_others_go_on(run: Run) -> None:
    supervisor = run(task("a", SLEEP), task("b", SLEEP))
    assert until(supervisor.ready)
    gone, kept = supervisor.pid("a"), supervisor.pid("b")
    supervisor.end("a")
    assert not is_there(gone)
    time.sleep(1.5)  # three looks of the watch
    assert supervisor.restarts("a") == 0
    assert supervisor.pid("b") == kept and is_there(kept)


def test_output_of_a_job_goes_to_its_own_file(run: Run, tmp_path: Path) -> None:
    supervisor = run(task("a", f"print('hello', flush=True); {SLEEP}"))
    assert until(lambda: (tmp_path / "a.log").read_text() == "hello\n")
    assert until(supervisor.ready)
