"""The gate's threads stand before all others, where the box allows it."""

import ast
import os
import subprocess
import sys

import pytest

from edge.priority import BEHIND, FIRST

THREADS = """
import os, sys, threading
from edge import log
from edge.priority import go_first, stand_back
log.setup("gate", "")
if sys.argv[1:]:
    os.setuid(int(sys.argv[1]))
go_first()
def look():
    seen.append((os.sched_getscheduler(0), os.sched_getparam(0).sched_priority, os.nice(0)))
def thread(*does):
    one = threading.Thread(target=lambda: [do() for do in does])
    one.start()
    one.join()
seen = []
look()
thread(look)
thread(stand_back, look)
print(seen)
"""
NOBODY = "65534"


def threads(*arguments: str) -> tuple[list[tuple[int, int, int]], str]:
    """Scheduler, real-time priority and niceness of the main thread, of one that is started later,
    and of one that stands back; and what was logged."""
    done = subprocess.run(
        [sys.executable, "-c", THREADS, *arguments], capture_output=True, text=True, timeout=60
    )
    return ast.literal_eval(done.stdout), done.stderr


def may_go_first() -> bool:
    """Asked in a process of its own."""
    ask = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))"
    return subprocess.run([sys.executable, "-c", ask], stderr=subprocess.DEVNULL).returncode == 0


def test_all_threads_of_the_job_go_first() -> None:
    if not may_go_first():
        pytest.skip("this kernel or user allows no real-time priority")
    seen, said = threads()
    assert seen == [(os.SCHED_RR, FIRST, 0)] * 2 + [(os.SCHED_RR, BEHIND, 0)]
    assert "no real-time priority" not in said


def test_job_works_on_where_it_is_not_allowed_and_says_so() -> None:
    if os.getuid() != 0 and may_go_first():
        pytest.skip("this user may have real-time priority, and cannot become another")
    seen, said = threads(*([NOBODY] if os.getuid() == 0 else []))
    assert seen == [(os.SCHED_OTHER, 0, 0)] * 2 + [(os.SCHED_OTHER, 0, 10)]
    assert "no real-time priority" in said and "ulimit -r 10" in said
