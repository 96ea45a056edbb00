"""The threads that judge what the eye took: the most urgent view first."""

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from edge.core.clock import Clock, ns
from edge.core.messages import Reason
from edge.gate.events import LookAt
from edge.gate.judge import Judge, Predictor
from edge.gate.loop import Died
from edge.gate.sight import Looked, Sight, Taken

log = structlog.get_logger()

HUNG_S = 60.0  # every call ends with its part's time, so this is a thread that will not come back


@dataclass(order=True, frozen=True, slots=True)
class _Turn:
    until_ns: int
    order: int  # of equally urgent ones the first
    taken: Taken | None = field(compare=False)  # None: the end
    looked: Looked | None = field(compare=False)


class Lanes:
    """`post` takes what was seen, from any of these threads."""

    def __init__(
        self,
        judge: Judge,
        predictors: Sequence[Predictor],
        next_trigger_ns: Callable[[LookAt], int | None],
        post: Callable[[Sight | Died], object],
        room: int,
        clock: Clock,
    ) -> None:
        """A thread for each predictor; at most `room` views wait. `next_trigger_ns` tells from when
        on a frame may be of the next part, as far as is known."""
        self._judge = judge
        self._next_trigger_ns = next_trigger_ns
        self._post = post
        self._clock = clock
        self._waiting: queue.PriorityQueue[_Turn] = queue.PriorityQueue(room)
        self._order = itertools.count()
        self._due_ns: dict[int, int] = {}  # by lane: when what it does must be done
        self._threads = [
            threading.Thread(target=self._run, args=(n, one), name=f"lane-{n}", daemon=True)
            for n, one in enumerate(predictors)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def take(self, taken: Taken) -> None:
        """Judge all views of a part, or none: without room its rework comes when it is due."""
        if self._waiting.qsize() + len(taken.views) > self._waiting.maxsize:
            log.warning("no lane has room for a part", part=taken.request.part_id)
            return
        for looked in taken.views:  # only this thread puts
            until_ns = taken.request.until_ns
            self._waiting.put_nowait(_Turn(until_ns, next(self._order), taken, looked))

    def hang(self) -> bool:
        """Whether a lane has ended, or is with a view whose time is long over."""
        now_ns = self._clock.monotonic_ns()
        stuck = any(now_ns - due_ns > ns(1000 * HUNG_S) for due_ns in list(self._due_ns.values()))
        return stuck or not all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """What still waits is left: the line has its verdicts."""
        for _ in self._threads:
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(_Turn(-1, next(self._order), None, None))
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _run(self, lane: int, predictor: Predictor) -> None:
        try:
            while True:
                turn = self._waiting.get()
                if turn.taken is None or turn.looked is None:
                    return
                self._due_ns[lane] = max(turn.until_ns, self._clock.monotonic_ns())
                self._one(turn.taken, turn.looked, predictor)
                del self._due_ns[lane]
        except Exception:
            log.exception("a lane died; parts go to rework until the gate is back")
            self._post(Died("a thread that judges"))

    def _one(self, taken: Taken, looked: Looked, predictor: Predictor) -> None:
        """Judge one view; no work for a frame that is not this part's, or comes too late."""
        request, now_ns = taken.request, self._clock.monotonic_ns()
        taken.begin(now_ns)
        looked.overtaken(self._next_trigger_ns(request), request.triggered_ns)
        if now_ns < request.until_ns:
            self._judge.judge(looked, request, predictor)
        else:
            looked.lacks(Reason.DEADLINE, "it waited too long for the parts before it")
        if taken.done():
            limit_ns = self._next_trigger_ns(request)  # more may be known by now
            for view in taken.views:
                view.overtaken(limit_ns, request.triggered_ns)
            self._post(taken.sight())
