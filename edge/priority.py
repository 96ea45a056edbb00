"""The gate goes before everything else on the box that wants a core, and within it the parts."""

import contextlib
import os

import structlog

log = structlog.get_logger()

# Any real-time priority beats all ordinary programs. The kernel keeps 5 % for those, should a
# real-time program never let go (sched(7), sched_rt_runtime_us).
FIRST, BEHIND = 10, 5
_NICENESS = 10


def go_first() -> None:
    """Call it before the job starts threads: they take it over. All of them must have it, for the
    one that holds the interpreter's lock holds up the others. Where it is not allowed (needs
    LimitRTPRIO= of systemd, or root) the job works on as any other program."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(FIRST))
    except OSError as error:
        log.info(
            "no real-time priority: beside busy programs verdicts may be late",
            why=error.strerror,
            action=f"start the gate by its systemd unit, or allow it: ulimit -r {FIRST}",
        )


def stand_back() -> None:
    """Call it in a thread whose work takes longer than a part's, and can wait: the threads that a
    part waits for go first. Still before other programs, because of the interpreter's lock."""
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_RR:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(BEHIND))
        else:  # Linux has a niceness for each thread
            os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
