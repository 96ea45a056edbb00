"""How a PLC treats a part: rework, unless the gate says `pass` for this very part, in time.

Pure: events and the time go in, effects come out. `virtual.py` puts it on the broker, docs/plc.md
shows the same rules in Structured Text, and the system's tests count with it whether the gate
keeps its promises:

- missed     a trigger that was sent and not refused got no verdict inside its window
- late       its first verdict came after the window; it is ignored
- double     a second terminal verdict (or one after a refusal) that nobody asked for. The same
             bytes once more are the broker's redelivery or the answer to a repeated trigger, and
             so is the same word again after a repeated trigger: these are only `repeated`
- unmatched  a verdict for a part that was never sent, or with another inspection's id
- unsafe_pass  a `pass` by which a careless PLC would have passed a part wrongly: after the window,
             unmatched, after a rework, a refusal or the end of the review, out of the review lane
             but not by a person, by `failsafe`, or from a station that is in fault or offline
"""

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from edge.core.clock import ms, ns
from edge.core.messages import (
    By,
    Heartbeat,
    PlcAck,
    Refusal,
    StateMessage,
    StateWord,
    Trigger,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.core.metrics import percentile

KEEP_CLOSED = 20_000  # parts that are remembered after their end
KEEP_LATENCIES = 100_000
ACK_MS = 100.0  # 50 for the gate to take a trigger, 50 for the network there and back
MISSED_BEATS = 3  # more than these: the station is not to be trusted

_SICK = (StateWord.FAULT, StateWord.OFFLINE)


class Lane(StrEnum):
    """Where a part is. PASS and REWORK are final: the diverter has moved."""

    WAITING = "waiting"
    REVIEW = "review"
    PASS = "pass"
    REWORK = "rework"


# ---- events ----


@dataclass(frozen=True, slots=True)
class Sent:
    """A part is in position, and its trigger went out."""

    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Unsent:
    """A part is in position, but there is no broker to send its trigger to."""

    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Repeated:
    """The trigger of this `seq` was sent once more, to ask for its answer again."""

    seq: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict as it came; `payload` tells a redelivery from a second verdict."""

    message: VerdictMessage
    payload: bytes


@dataclass(frozen=True, slots=True)
class LineLost:
    """The PLC's own connection broke: the state it knew is worth nothing until it comes again."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Sent | Unsent | Repeated | TriggerAck | Answer | StateMessage | Heartbeat | LineLost | Tick


# ---- effects ----


@dataclass(frozen=True, slots=True)
class Moved:
    """The part changes its lane. `taken_ms`: so long after its trigger the gate said that it takes
    the part; None: not yet."""

    part_id: str
    seq: int
    lane: Lane
    why: str
    taken_ms: float | None = field(default=None, compare=False)


Effect = PlcAck | Moved


@dataclass(slots=True)
class Part:
    trigger: Trigger
    sent_ns: int
    ends_ns: int  # of the window it is in
    lane: Lane = Lane.WAITING
    inspection_id: str | None = None
    accepted: bool = False
    accepted_ns: int | None = None
    refused: bool = False
    closed_by: VerdictMessage | None = None  # its terminal verdict
    asked_again: int = 0  # repeated triggers whose answer is still to come
    asked_late: bool = False  # a repeated trigger was sent when the part had already left
    answers: deque[bytes] = field(default_factory=lambda: deque(maxlen=16))  # hashes of verdicts

    @property
    def taken_ms(self) -> float | None:
        return None if self.accepted_ns is None else ms(self.accepted_ns - self.sent_ns)

    def ask_again(self) -> None:
        self.asked_again += 1
        self.asked_late = self.asked_late or self.is_final

    @property
    def is_final(self) -> bool:
        return self.lane in (Lane.PASS, Lane.REWORK)


class PlcRules:
    """Not thread-safe. `transport_ms` is what the line grants the network on top of the gate's
    deadline; `review_s` is how long the review lane can hold a part. `ack_ms` is the time in which
    the gate must have taken the trigger: later, another part may stand before the camera. None is
    for a line that holds its parts still until the verdict."""

    def __init__(
        self,
        transport_ms: float = 200.0,
        review_s: float = 130.0,
        heartbeat_ms: float = 250.0,
        ack_ms: float | None = ACK_MS,
    ) -> None:
        self._ack_ms = ack_ms
        self._transport_ns = ns(transport_ms)
        self._review_ns = ns(review_s * 1000)
        self._beat_limit_ns = ns((MISSED_BEATS + 1) * heartbeat_ms)
        self._parts: dict[int, Part] = {}
        self._closed: deque[int] = deque()
        self._ends: list[tuple[int, int]] = []  # heap of (ends_ns, seq); may hold stale entries
        self._state: StateWord | None = None
        self._beat: int | None = None
        self._beat_ns: int | None = None
        self._latencies_ms: deque[float] = deque(maxlen=KEEP_LATENCIES)
        self._lanes: Counter[Lane] = Counter()
        self._refused: Counter[Refusal] = Counter()
        self._words: Counter[Verdict] = Counter()
        self._counts: Counter[str] = Counter()

    def handle(self, event: Event, now_ns: int) -> list[Effect]:
        """What follows from this event, after all windows that ended before it."""
        effects = self._end_windows(now_ns)
        match event:
            case Sent(trigger):
                self._open(trigger, now_ns)
            case Unsent(trigger):
                effects += self._unsent(trigger, now_ns)
            case Repeated(seq):
                self._parts[seq].ask_again()
            case TriggerAck():
                effects += self._acked(event, now_ns)
            case Answer():
                effects += self._answered(event, now_ns)
            case StateMessage():
                self._state = event.state
            case Heartbeat(counter=counter):
                self._heard(counter, now_ns)
            case LineLost():
                self._state = None
        return effects

    def healthy(self, now_ns: int) -> bool:
        """Whether the station says it is well and its inspection loop still beats."""
        beats = self._beat_ns is not None and now_ns - self._beat_ns <= self._beat_limit_ns
        return beats and self._state is not None and self._state.decides

    def part(self, seq: int) -> Part | None:
        return self._parts.get(seq)

    @property
    def open_parts(self) -> int:
        """Parts that wait for a verdict or are in the review lane."""
        return self._lanes[Lane.WAITING] + self._lanes[Lane.REVIEW]

    # ---- the part ----

    def _open(self, trigger: Trigger, now_ns: int) -> Part:
        assert trigger.seq not in self._parts, "a new part has a new seq"
        assert trigger.deadline_ms is not None, "the PLC knows its own window"
        ends_ns = now_ns + ns(trigger.deadline_ms) + self._transport_ns
        part = Part(trigger, sent_ns=now_ns, ends_ns=ends_ns)
        self._parts[trigger.seq] = part
        self._lanes[Lane.WAITING] += 1
        self._counts["triggered"] += 1
        heapq.heappush(self._ends, (ends_ns, trigger.seq))
        return part

    def _unsent(self, trigger: Trigger, now_ns: int) -> list[Effect]:
        part = self._open(trigger, now_ns)
        self._counts["unsent"] += 1
        return self._move(part, Lane.REWORK, "no broker")

    def _move(self, part: Part, lane: Lane, why: str) -> list[Effect]:
        self._lanes[part.lane] -= 1
        self._lanes[lane] += 1
        part.lane = lane
        if part.is_final:
            self._closed.append(part.trigger.seq)
            if len(self._closed) > KEEP_CLOSED:
                del self._parts[self._closed.popleft()]
        return [Moved(part.trigger.part_id, part.trigger.seq, lane, why, part.taken_ms)]

    def _end_windows(self, now_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        while self._ends and self._ends[0][0] < now_ns:
            ends_ns, seq = heapq.heappop(self._ends)
            part = self._parts.get(seq)
            if part is None or part.is_final or part.ends_ns != ends_ns:
                continue
            waited = part.lane is Lane.WAITING
            self._counts["missed" if waited else "review_ended"] += 1
            effects += self._move(part, Lane.REWORK, "silence" if waited else "no final verdict")
        return effects

    # ---- from the gate ----

    def _heard(self, counter: int, now_ns: int) -> None:
        if counter != self._beat:  # a counter that stands still is no beat
            self._beat = counter
            self._beat_ns = now_ns

    def _acked(self, ack: TriggerAck, now_ns: int) -> list[Effect]:
        part = self._find(ack.part_id, ack.seq, ack.inspection_id)
        if part is None:
            self._counts["foreign_acks"] += 1
            return []
        part.inspection_id = part.inspection_id or ack.inspection_id
        if ack.accepted:  # again, if the broker delivered our trigger twice
            self._counts["accepted"] += not part.accepted
            part.accepted = True
            part.accepted_ns = part.accepted_ns or now_ns
            return []
        reason = ack.refused or Refusal.BAD_MESSAGE
        self._refused[reason] += 1
        if reason is Refusal.DUPLICATE and part.asked_again:
            return []  # as asked for: the recorded verdict follows
        if part.lane is not Lane.WAITING:
            return []
        part.refused = True
        effects = self._move(part, Lane.REWORK, f"refused: {reason}")
        if reason is Refusal.DUPLICATE:
            part.ask_again()  # our seq was used before: an old part's answer follows
        return effects

    def _answered(self, answer: Answer, now_ns: int) -> list[Effect]:
        message = answer.message
        part = self._find(message.part_id, message.seq, message.inspection_id)
        if part is None:
            self._count("unmatched", unsafe=message.verdict is Verdict.PASS)
            return []
        echo = PlcAck(part_id=message.part_id, inspection_id=message.inspection_id)
        part.inspection_id = message.inspection_id
        if self._is_repeated(part, answer):
            self._counts["repeated"] += 1
            return [echo]
        self._words[message.verdict] += 1
        if part.is_final:
            self._too_late(part, message)
            return [echo]
        return [echo, *self._in_time(part, message, now_ns)]

    def _find(self, part_id: str, seq: int, inspection_id: str | None) -> Part | None:
        part = self._parts.get(seq)
        if part is None or part.trigger.part_id != part_id:
            return None
        if None not in (part.inspection_id, inspection_id) and part.inspection_id != inspection_id:
            return None
        return part

    def _is_repeated(self, part: Part, answer: Answer) -> bool:
        """Whether this says nothing new: the same bytes, or the answer that was asked for again."""
        digest = sha256(answer.payload).digest()
        known = digest in part.answers
        part.answers.append(digest)
        if not part.asked_again:
            return known
        same_word = part.closed_by is not None and part.closed_by.verdict is answer.message.verdict
        unheard = part.asked_late and part.closed_by is None
        if not (known or same_word or unheard):
            return False
        part.asked_again -= 1
        return True

    def _too_late(self, part: Part, message: VerdictMessage) -> None:
        """A verdict for a part that has left: nothing moves, but it is held against the gate."""
        unsafe = message.verdict is Verdict.PASS and part.lane is not Lane.PASS
        double = part.closed_by is not None or part.refused
        self._count("double" if double else "late", unsafe)
        if message.verdict is not Verdict.REVIEW:
            part.closed_by = part.closed_by or message

    def _in_time(self, part: Part, message: VerdictMessage, now_ns: int) -> list[Effect]:
        if part.lane is Lane.WAITING:
            self._latencies_ms.append(ms(now_ns - part.sent_ns))
        match message.verdict:
            case Verdict.REVIEW:
                return self._review(part, now_ns)
            case Verdict.REWORK:
                part.closed_by = message
                return self._move(part, Lane.REWORK, ", ".join(message.reasons) or "rework")
            case Verdict.PASS:
                part.closed_by = message
                return self._pass(part, message, now_ns)

    def _review(self, part: Part, now_ns: int) -> list[Effect]:
        if part.lane is Lane.REVIEW:
            return []
        part.ends_ns = now_ns + self._review_ns
        heapq.heappush(self._ends, (part.ends_ns, part.trigger.seq))
        return self._move(part, Lane.REVIEW, "a person must look")

    def _pass(self, part: Part, message: VerdictMessage, now_ns: int) -> list[Effect]:
        by_a_machine = part.lane is Lane.REVIEW and message.by is not By.HUMAN
        if by_a_machine or message.by is By.FAILSAFE or self._state in _SICK:
            self._counts["unsafe_pass"] += 1
            return self._move(part, Lane.REWORK, "pass against the rules")
        if not self.healthy(now_ns):
            self._counts["distrusted"] += 1
            return self._move(part, Lane.REWORK, "station not healthy")
        if self._taken_late(part):
            self._counts["taken_late"] += 1
            return self._move(part, Lane.REWORK, "the gate had the trigger too late")
        return self._move(part, Lane.PASS, f"pass by {message.by}")

    def _taken_late(self, part: Part) -> bool:
        if self._ack_ms is None:
            return False
        return part.taken_ms is None or part.taken_ms > self._ack_ms

    def _count(self, what: str, unsafe: bool) -> None:
        self._counts[what] += 1
        self._counts["unsafe_pass"] += unsafe

    # ---- what it came to ----

    def summary(self) -> dict[str, object]:
        """All counts; `plc` holds the five by which the gate is judged. At any time
        pass + rework + review + waiting = triggered."""
        count = self._counts
        verdicts = ("missed", "late", "double", "unmatched", "unsafe_pass")
        others = (
            "triggered", "unsent", "accepted", "repeated", "review_ended", "distrusted",
            "foreign_acks", "taken_late",
        )  # fmt: skip
        return {
            **{name: count[name] for name in others},
            "refused": {str(reason): n for reason, n in sorted(self._refused.items())},
            "lanes": {str(lane): self._lanes[lane] for lane in Lane},
            "verdicts": {str(word): self._words[word] for word in Verdict},
            "plc": {name: count[name] for name in verdicts},
            "latency_ms": {
                "n": len(self._latencies_ms),
                "p50": percentile(self._latencies_ms, 50),
                "p99": percentile(self._latencies_ms, 99),
            },
        }
