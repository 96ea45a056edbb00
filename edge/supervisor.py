"""Starts jobs as processes, restarts what dies or hangs, stops them in reverse order.

On the box systemd does this; here it is for `linegate run` and `demo`.
"""

import ctypes
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog

log = structlog.get_logger()

CHECK_S = 0.4  # between looks at every job
HUNG_AFTER = 3  # checks without an answer, from a job that had answered before
START_LIMIT_S = 60.0  # for the first answer after a start: a ledger to recover, models to load
AGAIN_LEAST_S, AGAIN_FACTOR = 8.0, 5.0  # a start after one that went well: so many times as long
BACKOFF_S = (0.1, 0.5, 1.0, 2.0)  # before the next start, by starts in a row that failed
STEADY_S = 10.0  # a job that lived so long starts afresh in the backoff
STOP_S = 6.0  # for an orderly end
_PR_SET_PDEATHSIG = 1
_PRCTL = ctypes.CDLL(None).prctl  # found now: between fork and exec no library may be loaded


@dataclass(frozen=True, slots=True)
class Task:
    """One process to keep alive. `alive` answers quickly whether it works."""

    name: str
    command: Sequence[str]
    alive: Callable[[], bool]


@dataclass(slots=True)
class _Child:
    task: Task
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    answered: bool = False
    start_took_s: float | None = None  # if the last one went well
    silent: int = 0
    failures: int = 0
    restarts: int = 0
    ended: bool = False  # on purpose
    lock: threading.Lock = field(default_factory=threading.Lock)
    log: IO[bytes] | None = field(default=None)


class Supervisor:
    """`logs`: a folder for one log file per job; without it they share our standard error."""

    def __init__(
        self,
        tasks: Sequence[Task],
        logs: Path | None = None,
        start_limit_s: float = START_LIMIT_S,
    ) -> None:
        self._children = [_Child(task) for task in tasks]
        self._logs = logs
        self._start_limit_s = start_limit_s
        self._stopping = threading.Event()
        self._ended = threading.Event()  # every job is
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for child in self._children:
            self._spawn(child)
            thread = threading.Thread(
                target=self._watch, args=(child,), name=f"watch {child.task.name}", daemon=True
            )
            self._threads.append(thread)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Last started first, each with its time to end well.

        The watching threads end after the jobs: a job that one of them restarted gets the
        kernel's signal when its thread is gone.
        """
        self._stopping.set()
        for child in reversed(self._children):
            self.end(child.task.name)
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=CHECK_S + 3)
        for child in self._children:
            if child.log is not None:
                child.log.close()

    def end(self, name: str) -> None:
        """End one job well, for good; the others go on."""
        child = self._child(name)
        with child.lock:  # not while it is being restarted
            child.ended = True
        if child.process is not None:
            _end(child.process)

    def pid(self, name: str) -> int | None:
        process = self._child(name).process
        return None if process is None else process.pid

    def restarts(self, name: str) -> int:
        return self._child(name).restarts

    def ready(self) -> bool:
        """Every job has answered since it was last started."""
        return all(child.answered for child in self._children)

    def wait_ready(self, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        while not self.ready():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def _child(self, name: str) -> _Child:
        return next(child for child in self._children if child.task.name == name)

    def _spawn(self, child: _Child) -> None:
        if self._logs is not None and child.log is None:
            child.log = (self._logs / f"{child.task.name}.log").open("ab")
        child.process = subprocess.Popen(
            child.task.command,
            stdin=subprocess.DEVNULL,
            stderr=child.log,
            stdout=child.log,
            preexec_fn=_die_with_parent,
        )
        child.started_s = time.monotonic()
        child.answered, child.silent = False, 0

    def _watch(self, child: _Child) -> None:
        while not self._ended.wait(CHECK_S if child.answered and not child.silent else 0.1):
            if not child.ended:
                self._check(child)

    def _check(self, child: _Child) -> None:
        assert child.process is not None
        if child.process.poll() is not None:
            self._restart(child, f"ended with {child.process.returncode}")
        elif _answers(child.task):
            if not child.answered:
                child.start_took_s = time.monotonic() - child.started_s
            child.answered, child.silent = True, 0
        else:
            child.silent += 1
            if self._hung(child) and not child.ended:
                child.process.kill()
                child.process.wait()
                self._restart(child, "hung and was killed")

    def _hung(self, child: _Child) -> bool:
        if child.answered:
            return child.silent >= HUNG_AFTER
        return time.monotonic() - child.started_s > self._limit_s(child)

    def _limit_s(self, child: _Child) -> float:
        """How long a start may take. A job that hangs before its first answer must not have the
        longest time; but if a start just failed, the next one has it: the box may be slow."""
        if child.start_took_s is None:
            return self._start_limit_s
        return min(self._start_limit_s, max(AGAIN_LEAST_S, AGAIN_FACTOR * child.start_took_s))

    def _restart(self, child: _Child, why: str) -> None:
        if not child.answered:
            child.start_took_s = None
        child.answered = False
        lived_s = time.monotonic() - child.started_s
        child.failures = 0 if lived_s > STEADY_S else child.failures + 1
        wait_s = BACKOFF_S[min(child.failures, len(BACKOFF_S) - 1)]
        if child.ended or self._stopping.wait(wait_s):
            return
        with child.lock:
            if not child.ended:
                log.warning("restart", task=child.task.name, why=why)
                self._spawn(child)
                child.restarts += 1


def _answers(task: Task) -> bool:
    """A check that fails in an unforeseen way must not end the watch."""
    try:
        return task.alive()
    except Exception:
        log.exception("check failed", task=task.name)
        return False


def own_command(*arguments: str) -> list[str]:
    """A command of this program, run by the same interpreter."""
    return [sys.executable, "-m", "edge", *arguments]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)  # a stopped process cannot end
    process.terminate()
    try:
        process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _die_with_parent() -> None:
    """Ask the kernel to end the child should this process be killed."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)
