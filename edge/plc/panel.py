"""What every output shows, and what every input means. Sans-I/O: `output.py` holds the wires."""

from collections import deque
from dataclasses import dataclass

from edge.config.gpio import DiverterOutput, Gpio
from edge.core.clock import ns
from edge.core.messages import By, StateWord, Trigger, Verdict, VerdictMessage
from edge.plc import tracking
from edge.plc.odometer import EdgesLost, EncodedBelt, TimedBelt

MISSED_BEATS = 3  # more than these: the inspection loop stands, as a PLC counts it

LAMPS = {
    StateWord.READY: "green",
    StateWord.DEGRADED: "yellow",
    StateWord.STARTING: "yellow",
}  # every other word: red


@dataclass(frozen=True, slots=True)
class Edge:
    """An input became active (`rising`) or inactive. `at_ns`: when, by the kernel's clock."""

    name: str
    rising: bool
    at_ns: int


@dataclass(frozen=True, slots=True)
class Missed:
    """Edges or messages were lost on their way here."""

    what: str


@dataclass(frozen=True, slots=True)
class Beat:
    """The inspection loop turns."""

    counter: int


@dataclass(frozen=True, slots=True)
class Shown:
    """The station's state."""

    word: StateWord


@dataclass(frozen=True, slots=True)
class Answered:
    """A verdict of the gate; a pass counts before `expires_ns` alone."""

    message: VerdictMessage
    expires_ns: int | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """The PLC's trigger named a part."""

    key: tracking.Key


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Edge | Missed | Beat | Shown | Answered | Arrived | Tick


@dataclass(frozen=True, slots=True)
class Inspect:
    """The part that the light barrier saw stands before the camera."""

    trigger: Trigger


Effect = Inspect | tracking.Decided


class Panel:
    def __init__(
        self,
        settings: Gpio,
        belt: TimedBelt | EncodedBelt,
        heartbeat_ms: int,
        run: str,
        locked: str | None,
        now_ns: int,
    ) -> None:
        """`run` names this start of the gate: with a counter it makes the ids of parts that the
        light barrier sees."""
        self._belt = belt
        self._run = run
        self._parts = 0
        self._camera_um = _um(settings.trigger.camera_mm) if settings.trigger else 0
        self._approaching: deque[tuple[int, Trigger]] = deque(maxlen=tracking.MAX_PARTS)
        self._diverter = settings.diverter
        self._tracker = _tracker(settings, belt.at_um(now_ns), locked)
        self._word = StateWord.STARTING
        self._patience_ns = ns(MISSED_BEATS * heartbeat_ms + heartbeat_ms)
        self._beat_ns: int | None = None
        self._counter = 0

    def handle(self, event: Event, now_ns: int) -> list[Effect]:
        """Take one event; returns what the gate must do or know."""
        match event:
            case Edge():
                effects = self._edge(event, now_ns)
            case Beat(counter):
                self._beat_ns, self._counter = now_ns, counter
                effects = []
            case Shown(word):
                self._word = word
                effects = []
            case Answered():
                effects = self._track(self._told(event, now_ns), now_ns)
            case Arrived(key):
                effects = self._track(tracking.Entered(key), now_ns)
            case Missed(what):
                effects = self._track(tracking.Lost(what), now_ns)
            case Tick():
                effects = self._track(tracking.Moved(), now_ns)
        return effects + self._before_camera(now_ns)

    @property
    def locked(self) -> str | None:
        """Why nothing passes until a person acknowledges."""
        return self._tracker.locked if self._tracker else None

    def levels(self, now_ns: int) -> dict[str, bool]:
        """What every output must show now, by name: active or not."""
        alive = self._alive(now_ns)
        lamp = LAMPS.get(self._word, "red") if alive and self.locked is None else "red"
        return {name: name == lamp for name in ("green", "yellow", "red")} | {
            "watchdog": bool(self._counter % 2),
            "diverter": self._diverts(alive),
        }

    def due_ns(self, now_ns: int) -> int:
        """When `handle(Tick(), ...)` must be called at the latest."""
        dues = [now_ns + self._patience_ns]
        marks = [due for due, _ in self._approaching]
        mark = self._tracker.due_um() if self._tracker else None
        marks += [] if mark is None else [mark]
        dues += [due for m in marks if (due := self._belt.when_ns(m)) is not None]
        return min(dues)

    # ---- in ----

    def _edge(self, edge: Edge, now_ns: int) -> list[Effect]:
        match edge:
            case Edge("a" | "b", rising):
                return self._pulse(edge.name, rising, now_ns)
            case Edge("trigger", True, at_ns):
                return self._barrier(at_ns, now_ns)
            case Edge("confirm", True, at_ns):
                return self._track(tracking.Confirmed(), now_ns, at_ns)
            case Edge("acknowledge", True):
                return self._track(tracking.Acknowledged(), now_ns)
            case _:
                return []

    def _pulse(self, channel: str, rising: bool, now_ns: int) -> list[Effect]:
        assert isinstance(self._belt, EncodedBelt)
        try:
            self._belt.edge(channel, rising)
        except EdgesLost as error:
            return self._track(tracking.Lost(str(error)), now_ns)
        return self._track(tracking.Moved(), now_ns)

    def _barrier(self, at_ns: int, now_ns: int) -> list[Effect]:
        """A part comes; it is inspected once it stands before the camera."""
        self._parts += 1
        trigger = Trigger(part_id=f"{self._run}-{self._parts:06d}", seq=self._parts)
        at_um = self._belt.at_um(at_ns)
        self._approaching.append((at_um + self._camera_um, trigger))
        return self._track(tracking.Entered((trigger.part_id, trigger.seq)), now_ns, at_ns)

    def _before_camera(self, now_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        while self._approaching and self._approaching[0][0] <= self._belt.at_um(now_ns):
            effects.append(Inspect(self._approaching.popleft()[1]))
        return effects

    def _told(self, answer: Answered, now_ns: int) -> tracking.Told:
        """A pass is one as a PLC would take it: in time, not by failsafe, of a station that is
        well."""
        message = answer.message
        expired = answer.expires_ns is not None and now_ns >= answer.expires_ns
        doubtful = expired or message.by is By.FAILSAFE or not self._word.decides
        void = message.verdict is Verdict.PASS and doubtful
        word = Verdict.REWORK if void else message.verdict
        return tracking.Told((message.part_id, message.seq), word)

    def _track(self, event: tracking.Event, now_ns: int, at_ns: int | None = None) -> list[Effect]:
        if self._tracker is None:
            return []
        at_um = self._belt.at_um(now_ns if at_ns is None else at_ns)
        return [*self._tracker.handle(event, at_um, now_ns)]

    # ---- out ----

    def _alive(self, now_ns: int) -> bool:
        return self._beat_ns is not None and now_ns - self._beat_ns <= self._patience_ns

    def _diverts(self, alive: bool) -> bool:
        if self._tracker is None or self._diverter is None:
            return False
        if self._diverter.moves == "pass":
            return alive and self._tracker.passing
        return not alive or self._tracker.rejecting


def safe_levels(settings: Gpio) -> dict[str, bool]:
    """What the outputs show before the first beat and after the last: rejecting, red."""
    rejects = settings.diverter is not None and settings.diverter.moves == "reject"
    return {name: name == "red" or (name == "diverter" and rejects) for name in settings.outputs}


def _tracker(settings: Gpio, at_um: int, locked: str | None) -> tracking.Tracker | None:
    if settings.diverter is None:
        return None
    confirm = settings.confirm
    confirm_um = None if confirm is None else _um(confirm.within_mm)
    return tracking.Tracker(_belt(settings.diverter, confirm_um), at_um, locked)


def _belt(diverter: DiverterOutput, confirm_um: int | None) -> tracking.Belt:
    return tracking.Belt(
        diverter_um=_um(diverter.at_mm),
        window_um=_um(diverter.window_mm),
        min_gap_um=_um(diverter.min_gap_mm),
        stale_ns=ns(diverter.stale_s * 1000),
        confirm_um=confirm_um,
        rest_passes=diverter.moves == "reject",
    )


def _um(mm: float) -> int:
    return round(mm * 1000)
