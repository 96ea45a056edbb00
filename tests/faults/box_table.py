"""A disk that is full, read-only or slow; a clock that is wrong; memory and CPU that are short."""

import errno
import os
import resource
import signal
from datetime import UTC, datetime
from functools import partial

import psutil
from faults.fault import Fault, Hand
from faults.jobs_table import GONE
from faults.judge import Meanwhile
from faults.rig import WELL_S, Rig, feed_until

from edge.core.messages import Refusal

HOUR_S, YEAR_S = 3600.0, 365 * 86_400.0
NOT_DURABLE = "records cannot be written to the disk"


def sick(clock_s: float = 0.0, sync_ms: int = 0, disk: int = 0) -> Hand:
    return lambda rig: rig.box.becomes(clock_s=clock_s, sync_ms=sync_ms, disk=disk)


def boot_in_1970(rig: Rig) -> None:
    """As a box without a battery does: the gate starts before the clock is set."""
    rig.box.becomes(clock_s=-datetime.now(UTC).timestamp())
    rig.signal("gate", signal.SIGKILL)
    feed_until(rig, lambda: rig.is_replaced("gate"), WELL_S)
    assert feed_until(rig, rig.is_well, WELL_S), rig.line.states.now


def jump_about(rig: Rig) -> None:
    """With every part: a year back, an hour back, right, an hour ahead, a year ahead."""
    by_s = (-YEAR_S, -HOUR_S, 0.0, HOUR_S, YEAR_S)[rig.line.number % 5]
    rig.box.becomes(clock_s=by_s)


def no_more_memory(job: str) -> Hand:
    """What the job has it keeps; every wish for more is refused."""

    def limit(rig: Rig) -> None:
        pid = rig.pid(job)
        used_bytes = psutil.Process(pid).memory_info().vms
        _, most = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (used_bytes, most))

    return limit


def memory_again(job: str) -> Hand:
    def lift(rig: Rig) -> None:
        _, most = resource.prlimit(rig.pid(job), resource.RLIMIT_AS)
        resource.prlimit(rig.pid(job), resource.RLIMIT_AS, (most, most))

    return lift


def stress(rig: Rig) -> None:
    cpus = str(os.cpu_count())
    rig.beside("stress-ng", "--cpu", cpus, "--vm", "1", "--vm-bytes", "512M", "--timeout", "60")


def alone(rig: Rig) -> None:
    rig.alone()


well = sick()
box = partial(Fault, "The box", mends=well, needs="gcc")
disk = partial(box, says=NOT_DURABLE, reason=Refusal.NOT_READY, meanwhile=Meanwhile.NONE_PASSES)
slow = partial(box, meanwhile=Meanwhile.ALL_GOES_ON, lasts_s=1.0)
others = partial(Fault, "The box", meanwhile=Meanwhile.ALL_GOES_ON, lasts_s=1.5)

FAULTS = (
    disk("disk full", sick(disk=errno.ENOSPC)),
    disk("disk read-only", sick(disk=errno.EROFS)),
    disk("disk stalls: 2 s for an fsync, deadline 1 s", sick(sync_ms=2000)),
    slow("disk as slow as a worn SD card: 20 ms for an fsync", sick(sync_ms=20)),
    box("clock at 1970 when the gate starts", boot_in_1970, says=GONE, silence=True,
        lasts_s=1.0),
    slow("clock ten years ahead", sick(clock_s=10 * YEAR_S)),
    slow("clock an hour back", sick(clock_s=-HOUR_S)),
    slow("clock jumps both ways, with every part", jump_about, with_each=jump_about),
    others("memory: the gate gets no more", no_more_memory("gate"), memory_again("gate"),
           meanwhile=Meanwhile.SOME_PASS, silence=True),
    others("memory: the predictor gets no more", no_more_memory("predict"),
           memory_again("predict")),
    others("CPU and memory taken by stress-ng, on every core", stress, alone,
           needs="stress-ng"),
)  # fmt: skip
