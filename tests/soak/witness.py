"""The line's own eyes: the PLC's rules, and beside them a note of what came when for each part."""

from dataclasses import dataclass
from datetime import datetime

from edge.core.clock import Clock, ms
from edge.core.messages import Refusal, TriggerAck, VerdictMessage
from edge.plc.rules import Answer, Effect, Event, Lane, Moved, PlcRules, Sent

IN_TIME_MS = 5.0  # so long after its deadline a verdict still counts as out in time


@dataclass(slots=True)
class Sighting:
    """One part as the PLC saw it. Times are of CLOCK_MONOTONIC unless they are a `datetime`."""

    part_id: str
    seq: int
    deadline_ms: float
    sent_ns: int
    sent_at: datetime
    answer_ns: int | None = None  # its first verdict came
    answer: VerdictMessage | None = None
    refused_ns: int | None = None
    refusal: Refusal | None = None
    lane: Lane = Lane.WAITING
    why: str = ""
    moved_at: datetime | None = None  # to its last lane

    @property
    def took_ms(self) -> float | None:
        """From trigger to verdict."""
        return None if self.answer_ns is None else ms(self.answer_ns - self.sent_ns)

    @property
    def verdict_in_time(self) -> bool:
        return self._in_time(self.answer_ns)

    @property
    def told_in_time(self) -> bool:
        """A refusal sends the part to rework, too."""
        return self.verdict_in_time or self._in_time(self.refused_ns)

    def _in_time(self, at_ns: int | None) -> bool:
        return at_ns is not None and ms(at_ns - self.sent_ns) <= self.deadline_ms + IN_TIME_MS


class Witness(PlcRules):
    """Grants the network nothing: at the deadline a part without a verdict is rework, whatever
    comes later. So no pass moves a part when its `valid_until` is over. The trigger may reach the
    gate late: the simulated camera shows the part that it is asked for."""

    def __init__(self, clock: Clock, transport_ms: float = 0.0) -> None:
        super().__init__(transport_ms, ack_ms=None)
        self.sightings: dict[int, Sighting] = {}
        self._wall = clock

    def handle(self, event: Event, now_ns: int) -> list[Effect]:
        match event:
            case Sent(trigger):
                assert trigger.deadline_ms is not None
                self.sightings[trigger.seq] = Sighting(
                    trigger.part_id, trigger.seq, trigger.deadline_ms, now_ns, self._wall.now()
                )
            case Answer(message):
                self._note_answer(message, now_ns)
            case TriggerAck(accepted=False, refused=refusal):
                self._note_refusal(event.seq, refusal, now_ns)
        effects = super().handle(event, now_ns)
        for effect in effects:
            if isinstance(effect, Moved):
                self._note_move(effect)
        return effects

    def _note_answer(self, message: VerdictMessage, now_ns: int) -> None:
        seen = self.sightings.get(message.seq)
        if seen is not None and seen.answer is None and seen.part_id == message.part_id:
            seen.answer, seen.answer_ns = message, now_ns

    def _note_refusal(self, seq: int, refusal: Refusal | None, now_ns: int) -> None:
        seen = self.sightings.get(seq)
        if seen is not None and seen.refused_ns is None:
            seen.refusal, seen.refused_ns = refusal, now_ns

    def _note_move(self, move: Moved) -> None:
        seen = self.sightings.get(move.seq)
        if seen is not None:
            seen.lane, seen.why, seen.moved_at = move.lane, move.why, self._wall.now()
