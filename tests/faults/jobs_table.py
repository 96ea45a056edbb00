"""Every job killed, stopped and hung; a model that answers nonsense, or late."""

import random
import signal
import time
from collections.abc import Callable
from functools import partial

from faults.fault import Fault, Hand
from faults.judge import Meanwhile
from faults.rig import WELL_S, Rig, feed_until
from long import LONG

from edge.core.messages import Reason
from edge.jobs import page_alive

KILL, STOP, CONT = signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT
HANG, HANG_MAIN = signal.SIGUSR1, signal.SIGUSR2  # hangable.py
NO_MODEL = "the model does not answer"
GONE = "the gate vanished from the broker"
KILLS = 20 if LONG else 4


def hit(job: str, number: signal.Signals) -> Hand:
    return lambda rig: rig.signal(job, number)


def replaced(job: str) -> Callable[[Rig], bool]:
    return lambda rig: rig.is_replaced(job)


def stutter(rig: Rig) -> None:
    """The predictor stands still again and again, longer than the parts can wait."""
    for _ in range(6):
        rig.signal("predict", STOP)
        rig.feed(1, deadline_ms=150)
        time.sleep(0.25)
        rig.signal("predict", CONT)
        time.sleep(0.05)


def kill_the_gate_again_and_again(rig: Rig) -> None:
    """Every other time while it is still starting."""
    rng = random.Random(KILLS)
    for n in range(KILLS):
        rig.feed(rng.randint(3, 12))
        time.sleep(rng.random() * 0.05)
        rig.signal("gate", KILL)
        assert feed_until(rig, lambda: rig.is_replaced("gate"), WELL_S)
        if n % 2:
            assert feed_until(rig, rig.is_well, WELL_S), rig.line.states.now
        else:
            time.sleep(rng.random())


jobs = partial(Fault, "Jobs")
the_predictor = partial(
    jobs, says=NO_MODEL, reason=Reason.PREDICTOR_UNAVAILABLE, back=replaced("predict")
)
the_gate = partial(jobs, says=GONE, silence=True, back=replaced("gate"))
the_post = partial(jobs, meanwhile=Meanwhile.ALL_GOES_ON)
the_page = partial(
    jobs,
    meanwhile=Meanwhile.ALL_GOES_ON,
    back=lambda rig: rig.is_replaced("page") and page_alive(rig.line.config),
)

FAULTS = (
    the_predictor("predictor killed", hit("predict", KILL)),
    the_predictor("predictor stopped", hit("predict", STOP)),
    the_predictor("predictor hung: holds its socket open, never answers", hit("predict", HANG)),
    jobs("predictor stutters: 0.25 s at a time, deadline 150 ms", stutter, says=NO_MODEL),
    jobs(
        "model answers NaN",
        lambda rig: rig.line.fault(overexposed=1.5),  # the model of this rig does, then
        lambda rig: rig.line.fault(),
        says="the model answers nonsense",
        reason=Reason.BAD_PREDICTION,
        meanwhile=Meanwhile.NONE_PASSES,
    ),
    the_gate("gate killed", hit("gate", KILL)),
    the_gate("gate stopped", hit("gate", STOP)),
    the_gate("gate hung, all of it", hit("gate", HANG)),
    the_gate("gate's loop hung: no heartbeat, its other threads alive", hit("gate", HANG_MAIN)),
    the_gate("gate killed again and again, at random", kill_the_gate_again_and_again),
    the_post("post killed", hit("sync", KILL), back=replaced("sync")),
    the_post("post stopped", hit("sync", STOP), hit("sync", CONT)),
    the_post("post hung", hit("sync", HANG), hit("sync", KILL), back=replaced("sync")),
    the_page("page killed", hit("page", KILL)),
    the_page("page stopped", hit("page", STOP)),
    the_page("page hung", hit("page", HANG)),
)
