"""A PLC to test against: the rules of a line's PLC (rules.py) on a real broker."""

import threading
from collections.abc import Callable
from random import Random
from typing import Self

import structlog

from edge.config import Plc
from edge.core.clock import Clock
from edge.core.errors import MessageRefused
from edge.core.messages import (
    Heartbeat,
    PlcAck,
    StateMessage,
    Trigger,
    TriggerAck,
    VerdictMessage,
    parse,
)
from edge.core.topics import LineTopics
from edge.plc.connection import Received
from edge.plc.link import line_endpoint
from edge.plc.rules import (
    Answer,
    Event,
    Lane,
    LineLost,
    Moved,
    PlcRules,
    Repeated,
    Sent,
    Tick,
    Unsent,
)
from edge.plc.session import BACKOFF_S, Listener, Session

log = structlog.get_logger()

_Heard = TriggerAck | StateMessage | Heartbeat | VerdictMessage | Trigger


class VirtualPlc:
    """Thread-safe. `on_move` is told when a part changes its lane; it is called from whichever
    thread noticed and must return at once. Set `echoes` to False to play a PLC that never
    confirms a verdict.

    With `overhears` it sends and confirms nothing, but goes by the triggers of another PLC: how
    should each of its parts be treated?"""

    def __init__(
        self,
        settings: Plc,
        topics: LineTopics,
        clock: Clock,
        rng: Random,
        rules: PlcRules | None = None,
        on_move: Callable[[Moved], None] | None = None,
        first_seq: int | None = None,
        backoff_s: tuple[float, float] = BACKOFF_S,
        overhears: Callable[[Trigger], Trigger] | None = None,
    ) -> None:
        """`first_seq` defaults to the time in ms: a `part_id` and `seq` must never come twice,
        or the gate answers with the verdict of the old part. `overhears` is told of every
        trigger on the broker, and gives it back with the `deadline_ms` that it has."""
        self.echoes = overhears is None
        self._topics = topics
        self._clock = clock
        self._rules = rules or PlcRules()
        self._on_move = on_move
        self._next_seq = int(clock.now().timestamp() * 1000) if first_seq is None else first_seq
        self._changed = threading.Condition()  # its lock guards the rules and the sequence
        self._overhears = overhears
        self._kinds: dict[str, type[_Heard]] = {
            topics.trigger_ack: TriggerAck,
            topics.verdict: VerdictMessage,
            topics.state: StateMessage,
            topics.heartbeat: Heartbeat,
        }
        name = "plc"
        if overhears is not None:
            self._kinds[topics.trigger] = Trigger
            name = "plc-overheard"
        endpoint = line_endpoint(settings, f"{topics.prefix}/{name}", tuple(self._kinds))
        listener = Listener(lambda: None, self._down, self._received)
        self._session = Session(endpoint, listener, clock, rng, backoff_s)

    def start(self) -> Self:
        self._session.start()
        return self

    def close(self) -> None:
        self._session.close()

    # ---- the line's side ----

    def trigger(
        self,
        part_id: str,
        deadline_ms: int = 300,
        recipe: str | None = None,
        lot: str | None = None,
    ) -> int:
        """A part is in position. Returns its seq; without a broker it goes to rework at once."""
        with self._changed:
            seq = self._next_seq
            self._next_seq += 1
            trigger = Trigger(
                part_id=part_id, seq=seq, recipe=recipe, deadline_ms=deadline_ms, lot=lot
            )
            now_ns = self._clock.monotonic_ns()
            sent = self._publish(self._topics.trigger, trigger)
            moves = self._take(Sent(trigger) if sent else Unsent(trigger), now_ns)
        self._tell(moves)
        return seq

    def repeat(self, seq: int) -> bool:
        """Send the same trigger once more; False without a broker. Raises KeyError for a seq that
        was never sent or is long forgotten."""
        with self._changed:
            part = self._rules.part(seq)
            if part is None:
                raise KeyError(seq)
            sent = self._publish(self._topics.trigger, part.trigger)
            moves = self._take(Repeated(seq)) if sent else []
        self._tell(moves)
        return sent

    def lane(self, seq: int) -> Lane | None:
        """Where the part is now; None if it was never sent or is long forgotten."""
        self._happened(Tick())
        with self._changed:
            part = self._rules.part(seq)
            return None if part is None else part.lane

    def summary(self) -> dict[str, object]:
        """All counts up to now (PlcRules.summary) and those of the connection."""
        self._happened(Tick())
        with self._changed:
            return {**self._rules.summary(), "connection": self._session.counters}

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the station is ready or degraded, and its heart beats."""
        return self._wait(lambda: self._rules.healthy(self._clock.monotonic_ns()), timeout_s)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until every part is on its way to pass or rework."""
        return self._wait(lambda: self._rules.open_parts == 0, timeout_s)

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        until_ns = self._clock.monotonic_ns() + round(timeout_s * 1e9)
        while self._clock.monotonic_ns() < until_ns:
            self._happened(Tick())
            with self._changed:
                if condition():
                    return True
                self._changed.wait(0.02)
        return False

    # ---- the broker's side, on the session's thread ----

    def _down(self, reason: str) -> None:
        self._happened(LineLost())

    def _received(self, message: Received) -> None:
        kind = self._kinds.get(message.topic)
        if kind is None:
            return
        try:
            event = parse(kind, message.payload)
        except MessageRefused as error:
            self._session.count("bad_messages")
            log.warning("bad message from the gate", topic=message.topic, error=str(error))
            return
        if isinstance(event, Trigger):
            if not message.retained:  # the gate ignores those, too
                self._overheard(event)
        elif isinstance(event, VerdictMessage):
            self._happened(Answer(event, message.payload))
        else:
            self._happened(event)

    def _overheard(self, trigger: Trigger) -> None:
        """Another PLC's trigger: a new part, the same one again, or a `seq` that was used before,
        which the gate refuses."""
        assert self._overhears is not None
        trigger = self._overhears(trigger)
        with self._changed:
            known = self._rules.part(trigger.seq)
        if known is None:
            self._happened(Sent(trigger))
        elif known.trigger.part_id == trigger.part_id:
            self._happened(Repeated(trigger.seq))

    def _happened(self, event: Event) -> None:
        with self._changed:
            moves = self._take(event)
        self._tell(moves)

    def _take(self, event: Event, now_ns: int | None = None) -> list[Moved]:
        """Under the lock: apply the rules, send the echoes, return what moved."""
        moves = []
        now_ns = self._clock.monotonic_ns() if now_ns is None else now_ns
        for effect in self._rules.handle(event, now_ns):
            if isinstance(effect, Moved):
                moves.append(effect)
            elif self.echoes:
                self._publish(self._topics.ack, effect)
        self._changed.notify_all()
        return moves

    def _tell(self, moves: list[Moved]) -> None:
        if self._on_move is not None:
            for move in moves:
                self._on_move(move)

    def _publish(self, topic: str, message: Trigger | PlcAck) -> bool:
        return self._session.send(topic, message.model_dump_json(exclude_none=True).encode())
