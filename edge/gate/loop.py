"""The inspection loop: the life of a part.

    trigger -> the ledger opens the part -> the camera grabs -> quality -> predict -> decide ->
    the ledger commits -> the PLC gets the verdict

One thread runs this loop. It owns the ledger (`ledger.py`, which decides what happens) and does
nothing slow itself: the eye (`eye.py`) takes the frames, the lanes (`lanes.py`) judge them, the
store's writer commits, the link talks to the PLC, each in a thread of its own; what they have to
say comes back through one bounded inbox. The loop wakes for every message, and at the latest when
a part is due: then the guard answers rework. The heartbeat comes from here, so it stops when this
stops.
"""

import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from edge.core.clock import Clock, ms, ns
from edge.core.errors import NotDurable
from edge.core.messages import (
    AlarmMessage,
    Level,
    OrderAck,
    StateMessage,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.core.orders import Answer, CameraFigures, Status
from edge.gate import events as ev
from edge.gate import outcomes
from edge.gate.ledger import Ledger
from edge.gate.outcomes import Outcome
from edge.gate.sight import Noticed, Sight
from edge.store.writes import AddAlarm, SetMeta, Write
from edge.watch.conditions import OF_THE_MODEL, Conditions, alarm_message, alarm_record

log = structlog.get_logger()

INBOX = 4000  # messages; more than all parts in flight can cause at once
LINE_SHARE = 1000  # of them from outside: a flood must not push out what disk and eye say
HELD_SIGHTS = 256  # looked at, but not yet classed for keeping: as many as may be in flight
SETTLE_S = 1.5  # for the last commits, once everything was told


class Line(Protocol):
    """The way to the PLC (plc/link.py). Nothing here blocks or raises."""

    def publish_ack(self, ack: TriggerAck) -> None: ...
    def publish_verdict(self, message: VerdictMessage, expires_ns: int | None) -> None: ...
    def publish_state(self, state: StateMessage) -> None: ...
    def heartbeat(self, counter: int) -> None: ...
    def alarm(self, code: str, alarm: AlarmMessage | None) -> None: ...
    def order_ack(self, ack: OrderAck) -> None: ...


class Store(Protocol):
    """The store's writer. `done` is called once, from its thread."""

    def submit(self, writes: Sequence[Write], done: Callable[[Outcome], None]) -> bool: ...


class Album(Protocol):
    """Keeps the frames of a part (gate/album.py), and knows how the disk stands."""

    def keep(self, sight: Sight, verdict: Verdict) -> None: ...
    def causes(self) -> tuple[ev.RaiseCause | ev.ClearCause, ...]: ...


class Checkup(Protocol):
    """Looks after the cameras (gate/checkup.py). Nothing here blocks."""

    def offer(self, sight: Sight) -> None: ...
    def take_reference(self, recipe: str, who: str) -> str | None: ...
    def figures(self) -> CameraFigures: ...


@dataclass(frozen=True, slots=True)
class StatusAsked:
    token: int


@dataclass(frozen=True, slots=True)
class ReferenceAsked:
    """The next frames of this recipe are to show how its cameras should be."""

    token: int
    recipe: str
    who: str


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The broker came (None) or went (why)."""

    lost: str | None


@dataclass(frozen=True, slots=True)
class Died:
    """A thread that the gate cannot do without ended; better to start afresh than to limp on."""

    what: str


Incoming = Died | ev.Event | Sight | Noticed | StatusAsked | ReferenceAsked | LinkChanged


class InspectionLoop:
    def __init__(
        self,
        ledger: Ledger,
        conditions: Conditions,
        line: Line,
        store: Store,
        album: Album,
        checkup: Checkup,
        look: Callable[[ev.LookAt], bool],
        reply: Callable[[int, Answer], None],
        models: Mapping[str, str],
        clock: Clock,
        heartbeat_ms: int,
        dead: Callable[[], str | None] = lambda: None,
        owed: Sequence[VerdictMessage] = (),
    ) -> None:
        """`look` hands a part to the eye's thread (false: it is full), `reply` answers an order
        of the control socket, `models` names the model of each recipe, `dead` a thread that has
        ended or hangs, `owed` are ends that the line must still hear from before a crash."""
        self.ledger = ledger
        self.conditions = conditions
        self._line = line
        self._store = store
        self._album = album
        self._checkup = checkup
        self._look = look
        self._reply = reply
        self._models = models
        self._clock = clock
        self._dead = dead
        self._owed = tuple(owed)
        self._heartbeat_ns = ns(heartbeat_ms)
        self._inbox: queue.Queue[Incoming] = queue.Queue(INBOX)
        self._sights: dict[str, Sight] = {}
        self._cameras: dict[str, dict[str, int]] = {}  # what each counted
        self._newest_ns: dict[str, int] = {}  # by cause: when the frames were taken that told it
        self._beat = 0
        self._next_beat_ns = 0
        self._shown: StateMessage | None = None
        self._stop_at_ns: int | None = None
        self.dropped = 0

    def offer(self, message: Incoming) -> bool:
        """Hand in what comes from outside; refused while too much of it waits. Then the PLC hears
        nothing of its part, which is rework: two words for one part would be worse."""
        if self._inbox.qsize() < LINE_SHARE:
            return self.post(message)
        self.dropped += 1
        return False

    def post(self, message: Incoming) -> bool:
        """Hand in what disk and eye say, from any thread."""
        try:
            self._inbox.put_nowait(message)
        except queue.Full:
            self.dropped += 1
            return False
        return True

    def run(self) -> None:
        """Until `stop`; then what is in flight gets its verdict first."""
        while not self._finished():
            try:
                message = self._inbox.get(timeout=self._patience_s())
            except queue.Empty:
                message = ev.Tick()
            self.take(message)

    def stop(self, within_s: float = 3.0) -> None:
        """Take no more triggers, answer what is in flight, then return from `run`."""
        self._stop_at_ns = self._clock.monotonic_ns() + ns(within_s * 1000)

    # ---- one message ----

    def take(self, message: Incoming) -> None:
        """Take one message and do all that follows from it."""
        now_ns = self._clock.monotonic_ns()
        match message:
            case Sight():
                self._hold(message)
                self._notice(message.noticed)
                message = message.seen
            case Noticed():
                self._notice(message)
                message = ev.Tick()
            case LinkChanged():
                self._link_changed(message)
                message = ev.Tick()
            case Died(what):
                raise RuntimeError(f"{what} died; see the log above")
            case StatusAsked():
                self._reply(message.token, Answer(ok=True, status=self._status()))
                message = ev.Tick()
            case ReferenceAsked(token, recipe, who):
                error = self._checkup.take_reference(recipe, who)
                self._reply(token, Answer(ok=error is None, error=error))
                message = ev.Tick()
            case _:
                pass
        self.ledger.health = self.conditions.health
        for effect in self.ledger.handle(message, now_ns):
            self._do(effect)
        self._show()
        self._pulse(now_ns)

    def _do(self, effect: ev.Effect) -> None:
        match effect:
            case ev.LookAt():
                self._look(effect)
            case ev.Acknowledge(ack):
                self._line.publish_ack(ack)
            case ev.SendVerdict(message, expires_ns):
                self._line.publish_verdict(message, expires_ns)
            case ev.AnswerOrder(ack):
                self._line.order_ack(ack)
            case ev.Reply(token, answer):
                self._reply(token, answer)
            case ev.KeepFrames() | ev.DropFrames():
                self._release(effect)
            case ev.RaiseCause() | ev.ClearCause():
                self._cause(effect)
            case _:
                self._write(effect)

    # ---- the store ----

    def _write(self, effect: ev.Effect) -> None:
        """Hand writes to the store; its answer comes back as an event."""
        match effect:
            case ev.CommitOpening(inspection_id, write):
                self._submit((write,), partial(outcomes.of_opening, inspection_id))
            case ev.Commit(inspection_id, revision, writes):
                self._submit(writes, partial(outcomes.of_commit, inspection_id, revision))
            case ev.CommitOrder(writes, then):
                self._submit(writes, partial(outcomes.of_order, then))
            case ev.CommitReview(token, write):
                self._submit((write,), partial(outcomes.of_review, token))
            case ev.Note(write):
                self._submit((write,), outcomes.of_note)
            case ev.Probe():
                probe = SetMeta("probe", self._clock.now().isoformat())
                self._submit((probe,), outcomes.of_probe)

    def _submit(
        self, writes: Sequence[Write], event_of: Callable[[Outcome], ev.Event | None]
    ) -> None:
        def done(outcome: Outcome) -> None:
            event = event_of(outcome)
            if event is not None:
                self.post(event)

        if not self._store.submit(writes, done):
            done(NotDurable("the queue to the disk is full"))

    # ---- the frames ----

    def _hold(self, sight: Sight) -> None:
        self._sights[sight.seen.inspection_id] = sight
        while len(self._sights) > HELD_SIGHTS:
            self._sights.pop(next(iter(self._sights)))

    def _release(self, effect: ev.KeepFrames | ev.DropFrames) -> None:
        sight = self._sights.pop(effect.inspection_id, None)
        if sight is not None and isinstance(effect, ev.KeepFrames):
            self._album.keep(sight, effect.verdict)
            self._checkup.offer(sight)

    # ---- how the station is ----

    def _notice(self, noticed: Noticed) -> None:
        """Where persons alone decide, a model that is away is no matter."""
        ignored = OF_THE_MODEL if self.ledger.standing.level is Level.HUMAN else frozenset()
        for code, detail in noticed.raised:
            if code not in ignored and self._is_news(code, noticed.taken_ns):
                self._cause(ev.RaiseCause(code, detail))
        gone = [code for code in noticed.cleared if self._is_news(code, noticed.taken_ns)]
        for code in (*gone, *ignored):
            self._cause(ev.ClearCause(code))
        self._cameras |= {name: dict(counts) for name, counts in noticed.cameras.items()}
        self.conditions.learned((*noticed.seen_working, *(["model"] if ignored else [])))

    def _is_news(self, code: str, taken_ns: int | None) -> bool:
        """Of parts that overtook each other in the lanes the newest has the last word."""
        if taken_ns is None:
            return True
        self._newest_ns[code] = max(taken_ns, self._newest_ns.get(code, taken_ns))
        return taken_ns == self._newest_ns[code]

    def _link_changed(self, change: LinkChanged) -> None:
        if change.lost is None:
            self._cause(ev.ClearCause("broker_lost"))
            for message in self._owed:
                self._line.publish_verdict(message, None)
            self._owed = ()
        else:
            self._cause(ev.RaiseCause("broker_lost", change.lost))

    def _cause(self, effect: ev.RaiseCause | ev.ClearCause) -> None:
        """A cause came or went: the page and the PLC see it, the record keeps it."""
        now = self._clock.now()
        if isinstance(effect, ev.RaiseCause):
            condition = self.conditions.raise_(effect.code, effect.detail, now)
        else:
            condition = self.conditions.clear(effect.code)
        if condition is None:
            return
        raised = isinstance(effect, ev.RaiseCause)
        log.warning("cause", code=condition.code, raised=raised, cause=condition.cause)
        self._line.alarm(condition.code, alarm_message(condition) if raised else None)
        self._show()  # before any verdict that follows from it
        self._submit((AddAlarm(alarm_record(condition, raised, now)),), outcomes.of_note)

    def _show(self) -> None:
        state = self._state()
        if state != self._shown:
            self._shown = state
            self._line.publish_state(state)

    def _pulse(self, now_ns: int) -> None:
        """Beat when it is time."""
        if now_ns >= self._next_beat_ns:
            self._next_beat_ns = now_ns + self._heartbeat_ns
            self._beat = (self._beat + 1) % 65_536  # a PLC's 16-bit counter
            self._line.heartbeat(self._beat)
            what = self._dead()
            if what is not None:
                raise RuntimeError(f"{what} died or hangs; the gate starts afresh")
            for cause in self._album.causes():
                self._cause(cause)

    def _state(self) -> StateMessage:
        first = self.conditions.first
        standing = self.ledger.standing
        return StateMessage(
            state=self.conditions.state,
            cause=first.cause if first else None,
            action=first.action if first else None,
            level=standing.level,
            recipe=standing.recipe,
            model=self._models.get(standing.recipe),
            since=first.since if first else None,
        )

    def _status(self) -> Status:
        return Status(
            state=self._state(),
            conditions=self.conditions.active,
            in_flight=self.ledger.in_flight,
            waiting=self.ledger.waiting,
            heartbeat=self._beat,
            counters={**self.ledger.counters, "dropped": self.dropped},
            cameras=self._cameras,
            camera_figures=self._checkup.figures(),
        )

    # ---- time ----

    def _patience_s(self) -> float:
        """How long the loop may sleep: until the next part is due, or the next beat."""
        due_ns = self.ledger.due_ns()
        wake_ns = self._next_beat_ns if due_ns is None else min(due_ns, self._next_beat_ns)
        return max(0.0005, ms(wake_ns - self._clock.monotonic_ns()) / 1000)

    def _finished(self) -> bool:
        if self._stop_at_ns is None:
            return False
        now_ns = self._clock.monotonic_ns()
        self.ledger.accepting = False
        for effect in self.ledger.close_waiting(now_ns, all_parts=now_ns >= self._stop_at_ns):
            self._do(effect)
        settled = self.ledger.settled and self._inbox.empty()
        return settled or now_ns >= self._stop_at_ns + ns(SETTLE_S * 1000)
