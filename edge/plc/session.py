"""One connection after the other: the thread that keeps an end of the line on the broker.

Messages go out while the broker is there and are dropped, counted, while it is not; only retained
ones (state, alarms) are said again after a reconnect. There is nothing to catch up with on a line:
a part that got no answer in time went to rework.
"""

import socket
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from random import Random

import structlog

from edge.core.clock import Clock
from edge.plc.connection import Connection, Endpoint, Received

MAX_WAITING = 64  # messages that wait for room in the connection's window, for milliseconds
MAX_RETAINED = 256  # topics: the state and the alarms
STEP_S = 0.25
GOODBYE_S = 1.0
BACKOFF_S = (0.1, 1.0)  # between two attempts: first, longest

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told. Called on the session's thread, so they must return at once."""

    up: Callable[[], None]
    down: Callable[[str], None]  # why, for people; once per outage
    received: Callable[[Received], None]


@dataclass(frozen=True, slots=True)
class _Outgoing:
    topic: str
    payload: bytes
    qos: int = 1
    expires_ns: int | None = None
    retain: bool = False


class Session:
    """Thread-safe. `send`, `retain` and `counters` never block."""

    def __init__(
        self,
        endpoint: Endpoint,
        listener: Listener,
        clock: Clock,
        rng: Random,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._endpoint = endpoint
        self._listener = listener
        self._clock = clock
        self._rng = rng
        self._backoff_s = backoff_s
        self._lock = threading.Lock()
        self._up = False
        self._outbox: deque[_Outgoing] = deque()
        self._waiting = 0  # of the outbox: not retained, so at most MAX_WAITING
        self._retained: dict[str, bytes] = {}
        self._counters: Counter[str] = Counter()
        self._closing = threading.Event()
        self._told_down = False
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=endpoint.client_id, daemon=True)

    @property
    def up(self) -> bool:
        return self._up

    @property
    def counters(self) -> dict[str, int]:
        """A copy of what was counted since the start."""
        with self._lock:
            return dict(self._counters)

    def count(self, what: str) -> None:
        with self._lock:
            self._counters[what] += 1

    def start(self) -> None:
        self._thread.start()

    def send(self, topic: str, payload: bytes, qos: int = 1, expires_ns: int | None = None) -> bool:
        """Hand a message to the live connection; False: it was dropped and counted.

        It is dropped while the broker is away, when 64 already wait because 16 are unconfirmed,
        and when `expires_ns` (of the monotonic clock) passes before it could be written.
        """
        with self._lock:
            if not self._up:
                self._counters["dropped_offline"] += 1
                return False
            if self._waiting >= MAX_WAITING:
                self._counters["dropped_full"] += 1
                return False
            self._outbox.append(_Outgoing(topic, payload, qos, expires_ns))
            self._waiting += 1
        self._wake()
        return True

    def retain(self, topic: str, payload: bytes) -> None:
        """Set a retained topic, now or as soon as the broker is there; empty clears it."""
        with self._lock:
            if topic not in self._retained and len(self._retained) >= MAX_RETAINED:
                self._counters["dropped_retained"] += 1
                return
            self._retained[topic] = payload
            if self._up:
                self._queue_retained(topic)
        self._wake()

    def retained(self, topic: str) -> bytes:
        """The last value set here; empty if none is."""
        with self._lock:
            return self._retained.get(topic, b"")

    def close(self) -> None:
        """Write what is under way, say goodbye, end the thread; takes at most a few seconds."""
        self._closing.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(2 * GOODBYE_S + 3.0)
        if not self._thread.is_alive():
            self._wake_read.close()
            self._wake_write.close()

    # ---- the thread ----

    def _run(self) -> None:
        shortest_s, longest_s = self._backoff_s
        delay_s = shortest_s
        while not self._closing.is_set():
            reason = self._connect_once()
            was_up = self._up
            self._went_down(None if self._closing.is_set() else reason)
            delay_s = shortest_s if was_up else min(2 * delay_s, longest_s)
            self._closing.wait(delay_s * self._rng.uniform(0.5, 1.0))

    def _connect_once(self) -> str | None:
        """Live through one connection. Returns why it ended, None if we ended it."""
        try:
            with closing(Connection(self._endpoint, self._clock)) as connection:
                connection.open(self._wake_read)
                self._live(connection)
                return connection.lost
        except OSError as error:
            return error.strerror or str(error)
        except Exception as error:
            log.exception("mqtt session failed", client=self._endpoint.client_id)
            self.count("internal_errors")
            return f"internal error: {error!r}"

    def _live(self, connection: Connection) -> None:
        while connection.lost is None and not self._closing.is_set():
            self._turn(connection)
        if connection.lost is None and connection.up:
            self._say_goodbye(connection)

    def _turn(self, connection: Connection) -> None:
        connection.step(STEP_S)
        self._clear_wake()
        if connection.up and not self._up:
            self._came_up()
        self._deliver(connection)
        self._write_out(connection)

    def _came_up(self) -> None:
        with self._lock:
            self._up = True
            self._counters["connects"] += 1
            for topic in self._retained:
                self._queue_retained(topic)
        self._told_down = False
        log.info("broker reached", host=self._endpoint.host, client=self._endpoint.client_id)
        self._tell(self._listener.up)

    def _went_down(self, reason: str | None) -> None:
        with self._lock:
            self._up = False
            self._counters["dropped_lost"] += self._waiting
            self._outbox.clear()
            self._waiting = 0
        if reason is None or self._told_down:
            return
        self._told_down = True
        self.count("outages")
        where = f"{self._endpoint.host}:{self._endpoint.port}"
        log.warning("broker lost", host=where, client=self._endpoint.client_id, reason=reason)
        self._tell(partial(self._listener.down, f"broker {where}: {reason}"))

    def _deliver(self, connection: Connection) -> None:
        inbox, connection.inbox = connection.inbox, []
        for message in inbox:
            self._tell(partial(self._listener.received, message))
        refused, connection.refused = connection.refused, 0
        if refused:
            log.warning("broker refuses what we publish", client=self._endpoint.client_id)
            with self._lock:
                self._counters["refused_by_broker"] += refused

    def _tell(self, call: Callable[[], None]) -> None:
        """A listener's mistake must not end the thread that the line depends on."""
        try:
            call()
        except Exception:
            log.exception("listener failed", client=self._endpoint.client_id)
            self.count("listener_errors")

    def _write_out(self, connection: Connection) -> None:
        while connection.lost is None and connection.room > 0:
            out = self._next()
            if out is None:
                return
            now_ns = self._clock.monotonic_ns()
            left_ns = None if out.expires_ns is None else out.expires_ns - now_ns
            if left_ns is not None and left_ns <= 0:
                self.count("dropped_expired")
                continue
            connection.publish(out.topic, out.payload, out.qos, out.retain, left_ns)

    def _next(self) -> _Outgoing | None:
        with self._lock:
            if not self._outbox:
                return None
            out = self._outbox.popleft()
            self._waiting -= not out.retain
            return out

    def _say_goodbye(self, connection: Connection) -> None:
        until_ns = self._clock.monotonic_ns() + round(GOODBYE_S * 1e9)
        while connection.lost is None and self._clock.monotonic_ns() < until_ns:
            self._write_out(connection)
            with self._lock:
                done = not self._outbox and connection.idle
            if done:
                break
            connection.step(0.02)
            self._clear_wake()
        connection.disconnect()

    def _queue_retained(self, topic: str) -> None:
        """Under the lock. In order with the verdicts: a pass must not overtake `ready`."""
        if len(self._outbox) >= MAX_WAITING + MAX_RETAINED:
            self._outbox = deque(out for out in self._outbox if out.topic != topic)
        self._outbox.append(_Outgoing(topic, self._retained[topic], retain=True))

    def _wake(self) -> None:
        with suppress(OSError):  # full: it will wake anyway
            self._wake_write.send(b"w")

    def _clear_wake(self) -> None:
        with suppress(BlockingIOError):
            self._wake_read.recv(4096)
