"""The world's own books: what happened, what may pass, and which promise was broken."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge.core.clock import ns
from edge.core.messages import Refusal, Trigger, TriggerAck, Verdict, VerdictMessage
from gate_world import RECIPE
from gate_world.line import ACK_MS, AFTER_REFUSAL, PASS_AFTER_LOST_REVIEW, PASS_AFTER_REFUSAL

if TYPE_CHECKING:
    from gate_world.world import World

TOLD_AGAIN = "the end of a review was told again after a restart"
NO = (Refusal.OVERLOAD, Refusal.NOT_READY, Refusal.UNKNOWN_RECIPE)  # to a trigger well understood
STANDS_MS = 26  # a part before the camera, at least; then it moves on


@dataclass(slots=True)
class Told:
    at_ns: int
    message: VerdictMessage
    durable: Verdict | None  # what the disk held of this part at that moment
    asked: bool  # in answer to a repeated trigger
    fault: bool  # the station said that no part may pass
    owed: bool  # the end of one that an earlier life of the gate had begun


@dataclass(slots=True)
class PartBook:
    """What the world knows about one trigger of the PLC."""

    stood_ns: int  # from then on it stood before the camera
    crowded: bool  # others came while it stood there, against the rules
    arrived_ns: int = 0  # the gate heard of it
    deadline_ms: int = 0
    acks: list[TriggerAck] = field(default_factory=list)
    refused_by: object = None  # the life of the gate that said no
    told: list[Told] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sighted:
    """What the eye told about an inspection, in truth."""

    good: bool  # all of it was what it said
    at_ns: int


class Books:
    def __init__(self, world: "World") -> None:
        self.parts: dict[tuple[str, int], PartBook] = {}
        self.human: dict[str, set[Verdict]] = {}
        self.asked: tuple[str, int] | None = None  # whose trigger was just answered again
        self.wrong: list[str] = []
        self._world = world
        self._sights: dict[str, Sighted] = {}
        self._passed: dict[str, str] = {}  # serial -> the inspection that the line saw pass

    # ---- as it happens ----

    def stands(self, trigger: Trigger, crowded: bool) -> None:
        self.parts[(trigger.part_id, trigger.seq)] = PartBook(self._world.now_ns, crowded)

    def arrived(self, trigger: Trigger) -> None:
        """Of one that an earlier life of the gate refused it is a new try, with a new deadline."""
        book = self.parts[(trigger.part_id, trigger.seq)]
        if not any(ack.accepted for ack in book.acks):
            book.arrived_ns = self._world.now_ns
            book.deadline_ms = trigger.deadline_ms or RECIPE.deadline_ms

    def acknowledged(self, ack: TriggerAck) -> None:
        book = self.parts.get((ack.part_id, ack.seq))
        if book is not None:
            book.acks.append(ack)
            if ack.accepted and book.refused_by is self._world.loop:
                self.wrong.append(f"{ack.part_id} was taken although it was refused")
            if ack.refused in NO:
                book.refused_by = self._world.loop
        if ack.refused is Refusal.DUPLICATE:
            self.asked = (ack.part_id, ack.seq)

    def saw(self, inspection_id: str, good: bool, at_ns: int) -> None:
        self._sights.setdefault(inspection_id, Sighted(good, at_ns))

    def told(self, message: VerdictMessage) -> None:
        key, world = (message.part_id, message.seq), self._world
        row = world.disk.rows.get(message.inspection_id)
        durable = row.record.verdict if row is not None and row.record is not None else None
        asked = self.asked == key
        fault = bool(world.loop and world.loop.conditions.health.faults)
        owed = message.inspection_id in world.owed
        if owed and any(told.message.verdict is Verdict.REWORK for told in self.parts[key].told):
            world.count(TOLD_AGAIN)
        self.parts[key].told.append(Told(world.now_ns, message, durable, asked, fault, owed))
        world.count(f"{message.verdict} by {message.by}")
        for reason in message.reasons:
            world.count(f"reason: {reason}")
        if message.verdict is Verdict.PASS:
            self._note_serial(message)
        if not asked:
            world.people.hear(message)

    def let_pass(self, message: VerdictMessage) -> None:
        """The part goes to the good ones: then its own frames must have been judged."""
        book = self.parts[(message.part_id, message.seq)]
        sighted = self._sights.get(message.inspection_id)
        stood = sighted is not None and (
            0 <= sighted.at_ns - book.stood_ns <= ns(STANDS_MS) or book.crowded
        )
        self._world.count("a part passed")
        if not stood:
            self.wrong.append(f"{message.part_id} passed by another part's frames")

    def _note_serial(self, message: VerdictMessage) -> None:
        """Two parts that passed with one serial: only the world can see it."""
        if message.serial is None:
            return
        first = self._passed.get(message.serial, message.inspection_id)
        if first != message.inspection_id and not self._world.disk.rows[first].taken_back:
            self.wrong.append(f"{message.serial} passed as {first} and {message.inspection_id}")
        self._passed[message.serial] = message.inspection_id

    # ---- at the end ----

    def check(self) -> list[str]:
        """Every broken promise, in words; empty if there is none."""
        wrong = list(self.wrong)
        for key, book in self.parts.items():
            wrong += [f"{key}: {problem}" for problem in self._check_part(book)]
        for inspection_id, row in self._world.disk.rows.items():
            if row.is_open:
                wrong.append(f"{inspection_id}: the ledger has no final verdict")
        return wrong + self._check_plc()

    def _check_plc(self) -> list[str]:
        """What the PLC itself holds against the gate; silence and late reworks it has to bear."""
        counted = self._world.line.plc.rules.summary()["plc"]
        assert isinstance(counted, dict)
        happened = self._world.happened
        borne = {
            "double": happened[TOLD_AGAIN] + happened[AFTER_REFUSAL],
            "unmatched": 0,
            "unsafe_pass": happened[PASS_AFTER_REFUSAL] + happened[PASS_AFTER_LOST_REVIEW],
        }
        return [
            f"the PLC counts {counted[what]} {what}"
            for what, expected in borne.items()
            if counted[what] > expected
        ]

    def _check_part(self, book: PartBook) -> list[str]:
        wrong = []
        accepted = [ack for ack in book.acks if ack.accepted]
        own = [told for told in book.told if not told.asked]
        final = [told for told in own if told.message.verdict is not Verdict.REVIEW]
        if len({ack.inspection_id for ack in accepted}) > 1:
            wrong.append("accepted twice")
        if accepted and accepted[0].inspection_id not in self._world.disk.rows:
            wrong.append("accepted, but not in the ledger")
        if len(final) > 1 and not self._is_told_again(final):
            wrong.append(f"{len(final)} final verdicts")
        if accepted and not final and not self._gate_died_during(book):
            wrong.append("accepted, but no final verdict")
        if own and not accepted:
            wrong.append("a verdict for a part that was not accepted")
        for told in book.told:
            wrong += self._check_time(book, told)
            if told.message.verdict is Verdict.PASS:
                wrong += self._check_pass(told)
        return wrong

    def _is_told_again(self, final: list[Told]) -> bool:
        """The end of a review that was not durable when the power went: no other word, ever."""
        again = all(told.message.verdict is Verdict.REWORK for told in final)
        return again and all(told.owed for told in final[1:])

    def _check_time(self, book: PartBook, told: Told) -> list[str]:
        """A pass is never late. A rework may be as late as the gate stood still, or was away."""
        word = told.message.verdict
        reviewed = any(other.message.verdict is Verdict.REVIEW for other in book.told)
        window_ms = book.deadline_ms
        if reviewed and word is not Verdict.REVIEW:
            window_ms += RECIPE.review_s * 1000 + (0 if word is Verdict.PASS else 10)
        due_ns = book.arrived_ns + ns(window_ms)
        if word is not Verdict.PASS:
            if told.asked or told.owed:
                return []
            due_ns += self._world.stood_still_ns(due_ns, told.at_ns)
        late_ns = told.at_ns - due_ns
        return [f"{word} is {late_ns / 1e6} ms late"] if late_ns > 0 else []

    def _check_pass(self, told: Told) -> list[str]:
        inspection_id = told.message.inspection_id
        wrong = []
        if told.fault and not told.asked:  # a recorded answer is no new pass
            wrong.append("passed while the station was in fault")
        if told.durable is not Verdict.PASS:
            wrong.append("passed without a durable record of it")
        by_person = Verdict.PASS in self.human.get(inspection_id, ())
        sighted = self._sights.get(inspection_id)
        if not by_person and not (sighted is not None and sighted.good):
            wrong.append("passed without evidence")
        return wrong

    def _gate_died_during(self, book: PartBook) -> bool:
        end = book.arrived_ns + ns(book.deadline_ms + RECIPE.review_s * 1000 + 100)
        return any(book.arrived_ns <= death <= end for death in self._world.deaths)


assert ACK_MS + 10 < STANDS_MS  # the trigger's way, and the recipe's frame_within_ms
