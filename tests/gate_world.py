"""A seeded world around the ledger: a PLC, an eye, a disk and a crash-prone box, all misbehaving.

Nothing is real but the code under test (`edge.gate.ledger`, `edge.gate.recovery`, `edge.core`).
One `random.Random(seed)` and one heap of events make every run repeatable. The world keeps its own
books of what may pass, and `check` compares.
"""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from edge.core.clock import ns
from edge.core.decide import FreshFrame, Look, Prediction, Rules, SerialRead
from edge.core.messages import Level, Reason, Refusal, Trigger, TriggerAck, Verdict, VerdictMessage
from edge.core.orders import ReviewOrder
from edge.core.recipe import Recipe, View
from edge.core.records import InspectionRecord
from edge.gate import events as ev
from edge.gate.ledger import Ledger
from edge.gate.recovery import closures
from edge.gate.rules import Limits, RecipeRules
from edge.gate.standing import Standing
from edge.store.rows import Inspection
from edge.store.writes import AddReview, ClosePart, OpenPart, Write
from edge.watch.conditions import Conditions

SHA = "a" * 64
FOREIGN = "b" * 64
START = datetime(2026, 1, 1, tzinfo=UTC)
VIEWS = ("top", "side")
RULES = Rules(pass_below=0.3, rework_from=0.7, model_sha256=SHA, views=VIEWS)
CODED = replace(RULES, code_view="top")
RECIPE = Recipe(
    name="disc",
    model="toy",
    views=(View(name="top"), View(name="side")),
    deadline_ms=100,
    review_s=2.0,
)
LIMITS = Limits(max_in_flight=6, max_waiting=20, answer_margin_ms=10, silent_after=3)


@dataclass(slots=True)
class Row:
    """What is durable of one inspection."""

    draft: InspectionRecord
    record: InspectionRecord | None = None
    answer: VerdictMessage | None = None


@dataclass(slots=True)
class Sent:
    at_ns: int
    message: VerdictMessage
    durable: Verdict | None  # what the disk held of this part at that moment
    asked: bool  # in answer to a repeated trigger
    fault: bool  # the station said that no part may pass


@dataclass(slots=True)
class PartBook:
    """What the world knows about one trigger of the PLC."""

    triggered_ns: int
    deadline_ms: int
    acks: list[TriggerAck] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)


class World:
    def __init__(
        self,
        seed: int,
        parts: int,
        crashes: bool = True,
        ledger: type[Ledger] = Ledger,
        level: Level = Level.PARTIAL,
    ) -> None:
        self.random = random.Random(seed)
        self.now_ns = 0
        self.books: dict[tuple[str, int], PartBook] = {}
        self.deserves: dict[str, bool] = {}  # inspection -> the evidence is good, truly
        self.human: dict[str, set[Verdict]] = {}
        self.passed: dict[str, str] = {}  # serial -> the inspection that the line saw pass
        self.taken_back: set[str] = set()
        self._of_serial: dict[str | None, set[str]] = {}
        self.second_passes: list[str] = []
        self.rows: dict[str, Row] = {}
        self._keys: dict[tuple[str, int], str] = {}
        self.history: Counter[str] = Counter()
        self._ledger_type = ledger
        self._level = level
        self._parts = parts
        self._crashes = crashes
        self._ids = itertools.count(1)
        self._order = itertools.count()
        self._heap: list[tuple[int, int, int, Callable[[], None]]] = []
        self._life = 0  # events of an earlier life of the gate die with it
        self._disk_free_ns = 0
        self._disk_broken_until_ns = 0
        self._eye_free_ns = 0
        self._born_ns = 0
        self.lives: list[int] = [0]
        self.conditions = Conditions(needed=())
        self.ledger = self._new_ledger()

    # ---- running ----

    def run(self) -> None:
        at = 0
        for number in range(self._parts):
            at += ns(self.random.choice((2, 8, 15, 30, 40)))
            self._later(at, self._trigger_of(number), life=None)
            if self._crashes and self.random.random() < 0.002:
                self._later(at, self._crash, life=None)
            if self.random.random() < 0.0007:
                self._later(at, self._break_disk, life=None)
            if self.random.random() < 0.002:
                self._later(at, self._change_level, life=None)
        self._drain(until_ns=None)
        self.now_ns += ns(10_000)
        self._disk_broken_until_ns = 0
        self._tick()
        self._drain(until_ns=None)

    def _drain(self, until_ns: int | None) -> None:
        while self._heap:
            due = self.ledger.due_ns()
            at, _, life, action = self._heap[0]
            if due is not None and max(due, self.now_ns) < at:
                self.now_ns = max(due, self.now_ns)
                self._tick()
                continue
            heapq.heappop(self._heap)
            self.now_ns = max(self.now_ns, at)
            if life in (-1, self._life):
                action()
        while (due := self.ledger.due_ns()) is not None:
            self.now_ns = max(due, self.now_ns)
            self._tick()
            if self._heap:
                self._drain(until_ns)

    def _later(self, at_ns: int, action: Callable[[], None], life: int | None = 0) -> None:
        mine = -1 if life is None else self._life
        heapq.heappush(self._heap, (at_ns, next(self._order), mine, action))

    def _tick(self) -> None:
        # A real loop wakes a little late; the margin before the deadline is there for that.
        self.now_ns += ns(self.random.choice((0, 0, 0, 1, 3)))
        self._feed(ev.Tick())

    def _feed(self, event: ev.Event) -> None:
        self._duplicate: tuple[str, int] | None = None
        self.ledger.health = self.conditions.health
        for effect in self.ledger.handle(event, self.now_ns):
            self._do(effect)

    # ---- the PLC ----

    def _trigger_of(self, number: int) -> Callable[[], None]:
        trigger = Trigger(part_id=f"P{number}", seq=number % 4096)

        def send() -> None:
            book = PartBook(self.now_ns, RECIPE.deadline_ms)
            self.books[(trigger.part_id, trigger.seq)] = book
            self._feed(ev.Triggered(trigger, self._wall()))
            if self.random.random() < 0.03:
                again = self.now_ns + ns(self.random.choice((1, 20, 300, 60_000)))
                self._later(again, lambda: self._repeat(trigger), life=None)

        return send

    def _repeat(self, trigger: Trigger) -> None:
        """The same trigger again; of one that was refused it is a new try, with a new deadline."""
        book = self.books[(trigger.part_id, trigger.seq)]
        if not any(ack.accepted for ack in book.acks):
            book.triggered_ns = self.now_ns
        self._feed(ev.Triggered(trigger, self._wall()))

    def _hear(self, message: VerdictMessage) -> None:
        key = (message.part_id, message.seq)
        self._note_serial(message)
        row = self.rows.get(message.inspection_id)
        durable = row.record.verdict if row is not None and row.record is not None else None
        sent = Sent(
            self.now_ns, message, durable, asked=self._duplicate == key, fault=self._in_fault()
        )
        self.books[key].sent.append(sent)
        if message.verdict is Verdict.REVIEW and self.random.random() < 0.7:
            self._later(
                self.now_ns + ns(self.random.choice((100, 700, 1900, 2500))),
                lambda: self._person(message.inspection_id),
            )

    def _note_serial(self, message: VerdictMessage) -> None:
        """Two parts that passed with one serial: the law that only the world can check."""
        if message.verdict is not Verdict.PASS:
            return
        serial = message.serial or "none"
        first = self.passed.get(serial, message.inspection_id)
        if first not in (message.inspection_id, *self.taken_back):
            self.second_passes.append(f"{serial} passed as {first} and {message.inspection_id}")
        self.passed[serial] = message.inspection_id
        if self.random.random() < 0.1:  # it comes back, and a person takes the pass back
            order = ReviewOrder(
                inspection_id=message.inspection_id, verdict=Verdict.REWORK, who="ada"
            )
            back = ev.Reviewed(order, next(self._order), self._wall())
            self._later(self.now_ns + ns(50), lambda: self._feed(back), life=None)

    def _in_fault(self) -> bool:
        return bool(self.conditions.health.faults)

    def _person(self, inspection_id: str) -> None:
        verdict = self.random.choice((Verdict.PASS, Verdict.REWORK))
        self.human.setdefault(inspection_id, set()).add(verdict)
        order = ReviewOrder(inspection_id=inspection_id, verdict=verdict, who="ada")
        self._feed(ev.Reviewed(order, next(self._order), self._wall()))

    # ---- what the gate wants done ----

    def _do(self, effect: ev.Effect) -> None:
        match effect:
            case ev.LookAt():
                self._look(effect)
            case ev.CommitOpening(inspection_id, write):
                self._commit((write,), ev.Opened(inspection_id), inspection_id, 0)
            case ev.Commit(inspection_id, revision, writes):
                done = ev.Committed(inspection_id, revision)
                self._commit(writes, done, inspection_id, revision)
            case ev.CommitReview(token, write):
                self._commit((write,), ev.ReviewKept(token), None, 0)
            case ev.Probe():
                self._commit((), ev.ProbeCommitted(), None, 0)
            case ev.RaiseCause() | ev.ClearCause():
                self._cause(effect)
            case ev.Acknowledge(ack):
                self.books[(ack.part_id, ack.seq)].acks.append(ack)
                duplicate = ack.refused is Refusal.DUPLICATE
                self._duplicate = (ack.part_id, ack.seq) if duplicate else self._duplicate
            case ev.SendVerdict(message):
                self._hear(message)
            case _:
                self.history[type(effect).__name__] += 1

    def _cause(self, effect: ev.RaiseCause | ev.ClearCause) -> None:
        if isinstance(effect, ev.RaiseCause):
            self.conditions.raise_(effect.code, effect.detail, self._wall())
        else:
            self.conditions.clear(effect.code)

    def _look(self, effect: ev.LookAt) -> None:
        """One camera: looks come one after another, now and then far too late, or never."""
        spent = self.random.choice((2, 3, 5, 5, 8, 12))
        if self.random.random() < 0.02:
            spent = self.random.choice((60, 90, 95, 130, 400))
        start = max(self.now_ns, self._eye_free_ns)
        self._eye_free_ns = start + ns(spent)
        if self.random.random() < 0.01:
            return  # lost altogether
        seen = self._sight(effect)
        self._later(self._eye_free_ns, lambda: self._feed(seen))
        if self.random.random() < 0.01:
            self._later(self._eye_free_ns + ns(1), lambda: self._feed(seen))

    def _sight(self, effect: ev.LookAt) -> ev.Seen:
        looks, good = [], True
        inspection_id = effect.inspection_id
        for view in VIEWS:
            look, fine = self._one_look(inspection_id, view)
            if view == CODED.code_view:
                look, read = self._with_code(look, inspection_id, effect.part_id)
                fine = fine and read
            looks.append(look)
            good = good and fine
        if self.random.random() < 0.005:
            looks.pop()
            good = False
        self.deserves[inspection_id] = good
        about = inspection_id
        if self.random.random() < 0.005:  # the answer of another part
            about = f"I{self.random.randrange(1, 10_000)}"
            self.deserves.pop(inspection_id)
        return ev.Seen(about, tuple(looks), ())

    def _one_look(self, inspection_id: str, view: str) -> tuple[Look, bool]:
        score = self.random.choice((0.05, 0.1, 0.1, 0.2, 0.2, 0.29, 0.5, 0.9))
        frame = FreshFrame(inspection_id, view, SHA)
        good = Prediction(inspection_id, view, score, SHA)
        kinds = (
            (Look(view, frame, good), score < RULES.pass_below),
            (Look(view, missing=Reason.NO_FRAME), False),
            (Look(view, frame, missing=Reason.PREDICTOR_UNAVAILABLE), False),
            (Look(view, frame, Prediction(inspection_id, view, float("nan"), SHA)), False),
            (Look(view, frame, Prediction(inspection_id, view, 0.1, FOREIGN)), False),
            (Look(view, frame, Prediction("I0", view, 0.1, SHA)), False),
            (Look(view, FreshFrame("I0", view, SHA), good), False),
            (Look(view, frame), False),
        )
        return kinds[0] if self.random.random() < 0.95 else self.random.choice(kinds)

    def _with_code(self, look: Look, inspection_id: str, part_id: str) -> tuple[Look, bool]:
        """Mostly the part's own serial; now and then that of one just before it, or long ago."""
        number = int(part_id[1:])
        chance = self.random.random()
        if chance < 0.06:
            number = max(0, number - self.random.choice((1, 1, 2, 3, 50)))
        serial = SerialRead(inspection_id, look.view, f"S{number}")
        kinds = (
            replace(look, unread=Reason.CODE_UNREADABLE),
            replace(look, serial=serial, unread=Reason.SERIAL_MISMATCH),
            look,
            replace(look, serial=replace(serial, inspection_id="I0")),
            replace(look, serial=replace(serial, view="side")),
        )
        if chance > 0.97:
            return self.random.choice(kinds), False
        return replace(look, serial=serial), True

    # ---- the disk ----

    def _commit(
        self, writes: tuple[Write, ...], done: ev.Event, inspection_id: str | None, revision: int
    ) -> None:
        """Writes come down in order; the disk may stall, and break."""
        spent = self.random.choice((0.1, 0.2, 0.3, 1, 5))
        if self.random.random() < 0.003:
            spent = 500
        self._disk_free_ns = max(self._disk_free_ns, self.now_ns) + ns(spent)
        self._later(self._disk_free_ns, lambda: self._land(writes, done, inspection_id, revision))

    def _land(
        self, writes: tuple[Write, ...], done: ev.Event, inspection_id: str | None, revision: int
    ) -> None:
        if self.now_ns < self._disk_broken_until_ns:
            self._feed(ev.CommitFailed(inspection_id, revision, "disk full"))
            return
        self._feed(self._apply(writes, done))

    def _apply(self, writes: tuple[Write, ...], done: ev.Event) -> ev.Event:
        for write in writes:
            match write:
                case OpenPart(draft):
                    known = self._keys.get((draft.part_id, draft.seq))
                    if known is not None:
                        answer = self.rows[known].answer
                        return ev.AlreadyKnown(draft.inspection_id, known, answer)
                    self.rows[draft.inspection_id] = Row(draft)
                    self._keys[(draft.part_id, draft.seq)] = draft.inspection_id
                case ClosePart(record, answer):
                    other = self._passed_as(record)
                    if other is not None:
                        return ev.CommitFailed(
                            record.inspection_id, record.revision, "serial", True, other
                        )
                    row = self.rows.setdefault(record.inspection_id, Row(record))
                    if row.record is None or row.record.revision < record.revision:
                        row.record, row.answer = record, answer
                        self._of_serial.setdefault(record.serial, set()).add(record.inspection_id)
                case AddReview(review) if review.verdict is Verdict.REWORK:
                    row = self.rows[review.inspection_id]
                    if row.record is not None and row.record.verdict is Verdict.PASS:
                        self.taken_back.add(review.inspection_id)
        return done

    def _passed_as(self, record: InspectionRecord) -> str | None:
        """As the ledger's database does: a serial passes once."""
        if record.serial is None or record.verdict is Verdict.REWORK:
            return None
        for name in self._of_serial.get(record.serial, set()) - {record.inspection_id}:
            newest = self.rows[name].record
            if newest and newest.verdict is Verdict.PASS and name not in self.taken_back:
                return name
        return None

    def _break_disk(self) -> None:
        self._disk_broken_until_ns = self.now_ns + ns(self.random.choice((50, 400, 3000)))

    # ---- the box ----

    def _crash(self) -> None:
        """Kill -9: what the disk has not taken is lost or, half the time, landed unheard."""
        pending = [entry for entry in self._heap if entry[2] == self._life]
        self._life += 1
        for entry in sorted(pending):
            if self.random.random() < 0.5:
                break
            self._silently(entry[3])
        self.lives.append(self.now_ns)
        self._disk_free_ns = self._eye_free_ns = self.now_ns
        self.conditions = Conditions(needed=())
        self.ledger = self._new_ledger()
        for close in closures(self._unanswered()):
            self._apply((close,), ev.Tick())

    def _silently(self, action: Callable[[], None]) -> None:
        """Let a commit land whose success nobody hears."""
        closure = dict(zip(action.__code__.co_freevars, action.__closure__ or (), strict=True))
        if "writes" in closure and self.now_ns >= self._disk_broken_until_ns:
            self._apply(closure["writes"].cell_contents, ev.Tick())

    def _unanswered(self) -> list[Inspection]:
        rows = []
        for row in self.rows.values():
            if row.record is None or row.record.verdict is Verdict.REVIEW:
                rows.append(_inspection(row))
        return rows

    def _new_ledger(self) -> Ledger:
        return self._ledger_type(
            {"disc": RecipeRules(RECIPE, CODED, "toy-1")},
            Standing(self._level, "disc"),
            LIMITS,
            SHA,
            lambda: f"I{next(self._ids)}",
        )

    def _change_level(self) -> None:
        self.ledger.standing.level = self.random.choice(
            (Level.PARTIAL, Level.PARTIAL, Level.FULL, Level.ASSIST)
        )

    def _wall(self) -> datetime:
        return START + timedelta(microseconds=self.now_ns // 1000)

    # ---- the books ----

    def check(self) -> list[str]:
        """Every broken promise, in words; empty if there is none."""
        wrong = list(self.second_passes)
        for key, book in self.books.items():
            wrong += [f"{key}: {problem}" for problem in self._check_part(book)]
        for inspection_id, row in self.rows.items():
            if row.record is None or row.record.verdict is Verdict.REVIEW:
                wrong.append(f"{inspection_id}: the ledger has no final verdict")
        return wrong

    def _check_part(self, book: PartBook) -> list[str]:
        wrong = []
        accepted = [ack for ack in book.acks if ack.accepted]
        own = [sent for sent in book.sent if not sent.asked]
        final = [sent for sent in own if sent.message.verdict is not Verdict.REVIEW]
        if len({ack.inspection_id for ack in accepted}) > 1:
            wrong.append("accepted twice")
        if accepted and accepted[0].inspection_id not in self.rows:
            wrong.append("accepted, but not in the ledger")
        if len(final) > 1:
            wrong.append(f"{len(final)} final verdicts")
        if accepted and not final and not self._crashed_during(book):
            wrong.append("accepted, but no final verdict")
        if own and not accepted:
            wrong.append("a verdict for a part that was not accepted")
        for sent in own:
            wrong += self._check_sent(book, sent)
        for sent in book.sent:
            if sent.message.verdict is Verdict.PASS:
                wrong += self._check_pass(sent)
        return wrong

    def _check_sent(self, book: PartBook, sent: Sent) -> list[str]:
        reviewed = any(other.message.verdict is Verdict.REVIEW for other in book.sent)
        window_ms = book.deadline_ms
        if reviewed and sent.message.verdict is not Verdict.REVIEW:
            window_ms += RECIPE.review_s * 1000 + 10
        late_ns = sent.at_ns - book.triggered_ns - ns(window_ms)
        return [f"{sent.message.verdict} is {late_ns} ns late"] if late_ns > 0 else []

    def _check_pass(self, sent: Sent) -> list[str]:
        inspection_id = sent.message.inspection_id
        wrong = []
        if sent.fault and not sent.asked:  # a recorded answer is no new pass
            wrong.append("passed while the station was in fault")
        if sent.durable is not Verdict.PASS:
            wrong.append("passed without a durable record of it")
        by_person = Verdict.PASS in self.human.get(inspection_id, ())
        if not by_person and not self.deserves.get(inspection_id, False):
            wrong.append("passed without evidence")
        return wrong

    def _crashed_during(self, book: PartBook) -> bool:
        end = book.triggered_ns + ns(book.deadline_ms + RECIPE.review_s * 1000 + 100)
        return any(book.triggered_ns <= crash <= end for crash in self.lives[1:])


def _inspection(row: Row) -> Inspection:
    last = row.record or row.draft
    return Inspection(
        inspection_id=last.inspection_id,
        part_id=last.part_id,
        plc_seq=last.seq,
        lot=None,
        recipe=last.recipe,
        level=last.level,
        opened_at=last.triggered_at,
        deadline_ms=last.deadline_ms,
        verdict=None if row.record is None else row.record.verdict,
        by=None,
        reasons=(),
        score=None,
        opinion=None,
        model=None,
        latency_ms=None,
        revision=0 if row.record is None else row.record.revision,
        closed_at=None,
        plc_acked=False,
        answer=None,
        body=last.model_dump_json(),
    )
