"""The gate's threads stand before all others, where the box allows it."""

import os
import subprocess
import sys

import pytest

THREADS = """
import os, sys, threading
from edge import log
from edge.priority import go_first
log.setup("gate", "")
if sys.argv[1:]:
    os.setuid(int(sys.argv[1]))
go_first()
seen = [os.sched_getscheduler(0)]
thread = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(0)))
thread.start()
thread.join()
print(*seen)
"""
NOBODY = "65534"


def schedulers(*arguments: str) -> tuple[list[int], str]:
    """Of the main thread and of one that is started later; and what was logged."""
    done = subprocess.run(
        [sys.executable, "-c", THREADS, *arguments], capture_output=True, text=True, timeout=60
    )
    return [int(word) for word in done.stdout.split()], done.stderr


def may_go_first() -> bool:
    """Asked in a process of its own."""
    ask = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))"
    return subprocess.run([sys.executable, "-c", ask], stderr=subprocess.DEVNULL).returncode == 0


def test_all_threads_of_the_job_go_first() -> None:
    if not may_go_first():
        pytest.skip("this kernel or user allows no real-time priority")
    seen, said = schedulers()
    assert seen == [os.SCHED_RR] * 2
    assert "no real-time priority" not in said


def test_job_works_on_where_it_is_not_allowed_and_says_so() -> None:
    if os.getuid() != 0 and may_go_first():
        pytest.skip("this user may have real-time priority, and cannot become another")
    seen, said = schedulers(*([NOBODY] if os.getuid() == 0 else []))
    assert seen == [os.SCHED_OTHER] * 2
    assert "no real-time priority" in said and "ulimit -r 10" in said
