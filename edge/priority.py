"""The gate goes before everything else on the box that wants a core."""

import os

import structlog

log = structlog.get_logger()

# Any real-time priority beats all ordinary programs. The kernel keeps 5 % for those, should a
# real-time program never let go (sched(7), sched_rt_runtime_us).
PRIORITY = 10


def go_first() -> None:
    """Call it before the job starts threads: they take it over. All of them must have it, for the
    one that holds the interpreter's lock holds up the others. Where it is not allowed (needs
    LimitRTPRIO= of systemd, or root) the job works on as any other program."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except OSError as error:
        log.info(
            "no real-time priority: beside busy programs verdicts may be late",
            why=error.strerror,
            action=f"start the gate by its systemd unit, or allow it: ulimit -r {PRIORITY}",
        )
