"""What each job holds, and whether it grows: memory (PSS) and open file descriptors."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import psutil
from scipy.stats import theilslopes

from edge.supervisor import Supervisor

WARM_UP_S = 30.0  # of a process: libraries, caches and pools fill up
LEAST_S = 1200.0  # a slope per hour says nothing about less
EDGE = 6  # samples at either end, whose middle one is taken


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one job. `pid` tells a restart; `age_s` is how long that process is known."""

    job: str
    at_s: float
    pid: int
    age_s: float
    pss_mb: float
    fds: int


@dataclass(frozen=True, slots=True)
class Trend:
    """What a job held. The slope is Theil and Sen's (the median over all pairs of samples), with
    its interval; None: too few samples, or too short a time for a figure per hour."""

    job: str
    samples: int
    processes: int
    pss_first_mb: float
    pss_last_mb: float
    slope_mb_h: float | None
    slope_low_mb_h: float | None
    slope_high_mb_h: float | None
    fds_first: int
    fds_last: int


class Sampler:
    """A thread that looks at all jobs every so often."""

    def __init__(self, supervisor: Supervisor, names: Sequence[str], every_s: float) -> None:
        self._supervisor = supervisor
        self._names = names
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._began_s = time.monotonic()
        self._born_s: dict[int, float] = {}
        self.samples: list[Sample] = []

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            for name in self._names:
                self._look(name)

    def _look(self, name: str) -> None:
        at_s = time.monotonic() - self._began_s
        try:
            process = psutil.Process(self._supervisor.pid(name))
            age_s = at_s - self._born_s.setdefault(process.pid, at_s)
            pss_mb = process.memory_full_info().pss / 1e6
            self.samples.append(Sample(name, at_s, process.pid, age_s, pss_mb, process.num_fds()))
        except psutil.Error:
            return  # it is being restarted


def trends(samples: Sequence[Sample]) -> dict[str, Trend]:
    """By job, over what was seen after each process's warm-up, if any lived so long."""
    by_job: dict[str, list[Sample]] = {}
    for sample in samples:
        by_job.setdefault(sample.job, []).append(sample)
    warm = {job: [s for s in seen if s.age_s >= WARM_UP_S] for job, seen in by_job.items()}
    return {job: _trend(job, warm[job] or seen) for job, seen in by_job.items()}


def _trend(name: str, samples: Sequence[Sample]) -> Trend:
    at_s = [sample.at_s for sample in samples]
    slope = low = high = None
    if at_s[-1] - at_s[0] >= LEAST_S:
        fit = theilslopes([s.pss_mb for s in samples], np.array(at_s) / 3600)
        slope, low, high = (float(x) for x in (fit.slope, fit.low_slope, fit.high_slope))
    return Trend(
        name,
        len(samples),
        1 + sum(a.pid != b.pid for a, b in pairwise(samples)),
        *_ends([s.pss_mb for s in samples]),
        slope,
        low,
        high,
        *(round(n) for n in _ends([s.fds for s in samples])),
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The middle one of the first and of the last few: a connection that comes and goes between two
    samples is no leak."""
    first, last = sorted(values[:EDGE]), sorted(values[-EDGE:])
    return first[len(first) // 2], last[len(last) // 2]
