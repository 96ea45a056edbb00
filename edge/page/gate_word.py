"""What the gate says of itself, asked at most once a second, however many people look."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge.core.clock import Clock, ns
from edge.core.errors import LinegateError
from edge.core.messages import StateWord
from edge.core.orders import Answer, Order, Status, StatusOrder

ASK_EVERY_NS = ns(1000)
STUCK_AFTER_NS = ns(5000)  # without a new heartbeat

Orders = Callable[[Order], Answer]  # raises LinegateError when the gate is away


@dataclass(frozen=True, slots=True)
class GateWord:
    """`status` None: the gate says nothing, and `away` says why."""

    status: Status | None
    away: str | None = None


class GateWatch:
    """Safe in any thread. While one asks, the others get the last word and do not wait."""

    def __init__(self, orders: Orders, clock: Clock) -> None:
        self._orders = orders
        self._clock = clock
        self._asking = threading.Lock()
        self._last = GateWord(None, "it was not asked yet")
        self._next_ns: int | None = None
        self._heartbeat = (-1, 0)  # the counter, and when it was first seen

    def word(self) -> GateWord:
        due = self._next_ns is None or self._clock.monotonic_ns() >= self._next_ns
        if due and self._asking.acquire(blocking=False):
            try:
                self._last = self._alive(self._ask())
                self._next_ns = self._clock.monotonic_ns() + ASK_EVERY_NS
            finally:
                self._asking.release()
        return self._last

    def _ask(self) -> GateWord:
        try:
            answer = self._orders(StatusOrder())
        except LinegateError as error:
            return GateWord(None, str(error))
        if answer.status is None:
            return GateWord(None, answer.error or "it gave no status")
        return GateWord(answer.status)

    def _alive(self, word: GateWord) -> GateWord:
        """The control socket may answer while the inspection loop hangs: its heartbeat tells."""
        if word.status is None or word.status.state.state is StateWord.STARTING:
            return word
        now_ns = self._clock.monotonic_ns()
        counter, since_ns = self._heartbeat
        if word.status.heartbeat != counter:
            self._heartbeat = (word.status.heartbeat, now_ns)
        elif now_ns - since_ns >= STUCK_AFTER_NS:
            return GateWord(None, "its inspection loop stands still")
        return word
