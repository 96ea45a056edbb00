"""The law of the gate: every accepted trigger ends in exactly one terminal verdict, in time.

Sans-I/O: `handle(event, now_ns)` returns effects and does nothing itself. The same code runs on
the line (`loop.py`) and in the simulator that crashes, stalls and reorders everything.

A part's way: Triggered -> opened in the store while it is looked at -> Seen -> decided ->
committed -> told. Beside it stand the guards: at `due_ns` a part without verdict goes to rework,
as a later revision of its record; a trigger whose opening is not durable by then is refused;
nothing passes before its record is durable.
"""

from collections.abc import Callable, Mapping

from edge.core.automation import lower, permit
from edge.core.clock import ns
from edge.core.decide import (
    Health,
    HumanWord,
    Receipt,
    decide,
    decide_by_person,
    final_verdict,
)
from edge.core.messages import By, OrderAck, Reason, Refusal, Verdict
from edge.core.orders import Answer
from edge.gate import events as ev
from edge.gate.disk import Disk
from edge.gate.echoes import Echoes
from edge.gate.events import Effect
from edge.gate.pace import Pace
from edge.gate.part import (
    Part,
    Stage,
    acceptance,
    answer_again,
    answer_of,
    duplicate,
    failsafe,
    look_of,
    new_part,
    record_of,
    refusal_of,
    review_of,
    window_ms,
    writes_of,
)
from edge.gate.rules import Limits, RecipeRules
from edge.gate.shelf import Shelf
from edge.gate.standing import Standing
from edge.store.writes import AddReview, MarkAcked, OpenPart


class Ledger:
    def __init__(
        self,
        recipes: Mapping[str, RecipeRules],
        standing: Standing,
        limits: Limits,
        config_sha256: str,
        new_id: Callable[[], str],
    ) -> None:
        self.standing = standing
        self.accepting = True  # false while shutting down
        self.health = Health()  # set before each event by whoever knows it
        self.counters = dict.fromkeys(("accepted", "refused", "late", "stray"), 0)
        self._recipes = recipes
        self._limits = limits
        self._config_sha256 = config_sha256
        self._new_id = new_id
        self._shelf = Shelf()
        self._disk = Disk()
        self._echoes = Echoes(limits.silent_after)
        self._pace = Pace()

    def handle(self, event: ev.Event, now_ns: int) -> list[Effect]:
        """Take one event; return what is to be done, in order. The guards come first."""
        effects = self._guard(now_ns)
        match event:
            case ev.Triggered():
                return effects + self._triggered(event, now_ns)
            case ev.BadTrigger(part_id, seq):
                return effects + self._refuse(part_id, seq, Refusal.BAD_MESSAGE)
            case ev.Opened(inspection_id):
                return effects + self._opened(inspection_id, now_ns)
            case ev.Seen():
                return effects + self._seen(event, now_ns)
            case ev.Committed(inspection_id, revision):
                return effects + self._committed(inspection_id, revision, now_ns)
            case ev.CommitFailed():
                return effects + self._commit_failed(event, now_ns)
            case ev.Reviewed():
                return effects + self._reviewed(event, now_ns)
            case _:
                return effects + self._aside(event)

    def due_ns(self) -> int | None:
        """When `handle(Tick(), ...)` must be called at the latest."""
        times = [self._shelf.due_ns(), self._disk.due_ns()]
        return min((time for time in times if time is not None), default=None)

    def close_waiting(self, now_ns: int, all_parts: bool = False) -> list[Effect]:
        """Shutting down: what waits for a person goes to rework, or whatever is open."""
        parts = list(self._shelf) if all_parts else self._shelf.waiting()
        return [effect for part in parts for effect in self._overdue(part, now_ns)]

    @property
    def waiting(self) -> int:
        return len(self._shelf.waiting())

    @property
    def in_flight(self) -> int:
        return len(self._shelf) - self.waiting

    @property
    def settled(self) -> bool:
        """Nothing is owed to line or disk, but for people's answers."""
        return self.in_flight == 0 and self._disk.owes == 0

    def _aside(self, event: ev.Event) -> list[Effect]:
        """The events that change no part's verdict."""
        match event:
            case ev.BadOrder(order_id, error):
                return [ev.AnswerOrder(OrderAck(id=order_id, ok=False, error=error))]
            case ev.AlreadyKnown():
                return self._already_known(event)
            case ev.ProbeCommitted():
                return self._disk.took(None)
            case ev.ReviewKept(token, error):
                return [ev.Reply(token, Answer(ok=error is None, error=error, in_time=False))]
            case ev.OrderKept(then):
                return [then]
            case ev.Echoed():
                return self._echoed(event)
            case ev.Ordered():
                return self.standing.order(event, self._recipes)
            case _:
                return []

    # ---- a part comes ----

    def _triggered(self, event: ev.Triggered, now_ns: int) -> list[Effect]:
        trigger, heard_ns = event.trigger, event.heard_ns or now_ns
        if (known := self._shelf.known(trigger)) is not None:
            return answer_again(known, now_ns)
        if (refused := self._shelf.refused(trigger)) is not None:
            return [ev.Acknowledge(refused)]
        recipe = self._recipes.get(trigger.recipe or self.standing.recipe)
        if not self.accepting or self._disk.sick:
            return self._refuse(trigger.part_id, trigger.seq, Refusal.NOT_READY)
        if recipe is None:
            return self._refuse(trigger.part_id, trigger.seq, Refusal.UNKNOWN_RECIPE)
        part = new_part(
            self._new_id(), trigger, event.at, recipe, self.standing.level, self._limits, heard_ns
        )
        if not self._has_room_for(part, now_ns):
            return self._refuse(*part.key, Refusal.OVERLOAD)
        self._shelf.add(part)
        draft = record_of(part, failsafe(part, Reason.DEADLINE), self._config_sha256, now_ns)
        return [look_of(part), ev.CommitOpening(part.inspection_id, OpenPart(draft))]

    def _has_room_for(self, part: Part, now_ns: int) -> bool:
        """Whether it can be judged in time, and so can all that are on their way."""
        crowded = self.in_flight >= self._limits.max_in_flight or part.due_ns <= now_ns
        return not crowded and self._pace.fits(part.due_ns, self._shelf.unseen_due_ns(), now_ns)

    def _refuse(self, part_id: str, seq: int, refusal: Refusal) -> list[Effect]:
        """It stays refused if the broker brings it again: the line has sent it to rework."""
        self.counters["refused"] += 1
        ack = refusal_of(part_id, seq, refusal)
        self._shelf.refuse(ack)
        return [ev.Acknowledge(ack)]

    def _already_known(self, event: ev.AlreadyKnown) -> list[Effect]:
        """The store knows the trigger from long ago, or from before a restart."""
        part = self._shelf.open(event.inspection_id)
        if part is None:
            return []
        self._shelf.forget(part)
        known = ev.Acknowledge(duplicate(part, event.known_id))
        effects: list[Effect] = [known, ev.DropFrames(part.inspection_id)]
        if event.answer is not None and event.answer.verdict is not Verdict.PASS:
            effects.append(ev.SendVerdict(event.answer))  # an old pass is no evidence for today
        return effects + self._disk.took(None)

    def _opened(self, inspection_id: str, now_ns: int) -> list[Effect]:
        part = self._shelf.open(inspection_id)
        if part is None:
            return self._opened_too_late(inspection_id, now_ns)
        part.opened = True
        self.counters["accepted"] += 1
        healed = self._disk.took(inspection_id)
        return [ev.Acknowledge(acceptance(part)), *healed, *self._commit(part, now_ns)]

    def _opened_too_late(self, inspection_id: str, now_ns: int) -> list[Effect]:
        """The trigger was refused meanwhile, but now the part stands in the ledger: as rework."""
        part = self._shelf.closed(inspection_id)
        if part is None or part.opened:
            return []
        part.opened = True
        part.decision = failsafe(part, Reason.NOT_DURABLE)
        healed = self._disk.took(inspection_id)
        return [*healed, self._record(part, now_ns), *self._keep(part)]

    # ---- it is seen and judged ----

    def _seen(self, event: ev.Seen, now_ns: int) -> list[Effect]:
        part = self._shelf.open(event.inspection_id)
        if part is None:
            return self._seen_too_late(event.inspection_id)
        if part.seen:
            self.counters["stray"] += 1
            return []
        part.seen = True
        part.views, part.stages_ms = event.views, event.stages_ms
        part.permit = permit(lower(part.permit.level, self.standing.level))  # down counts at once
        health = self.health.without(Reason.NOT_DURABLE)  # its own commit will tell
        part.decision = decide(part.inspection_id, event.looks, part.rules, part.permit, health)
        part.serial = part.decision.serial
        passed, effects = self.standing.challenged(
            part.trigger.part_id, part.decision, part.triggered_at
        )
        if passed is False:
            part.decision = failsafe(part, Reason.CHALLENGE_FAILED)
        if part.decision.verdict is Verdict.REVIEW and self.waiting >= self._limits.max_waiting:
            part.decision = failsafe(part, *part.decision.reasons)  # more than people can look at
        return effects + self._commit(part, now_ns)

    def _seen_too_late(self, inspection_id: str) -> list[Effect]:
        """The line has its rework already; the frames are still worth a look."""
        part = self._shelf.closed(inspection_id)
        if part is None or part.seen:
            self.counters["stray"] += 1
            return [ev.DropFrames(inspection_id)] if part is None else []
        self.counters["late"] += 1
        part.seen = True
        return self._keep(part)

    # ---- it is committed and told ----

    def _commit(self, part: Part, now_ns: int) -> list[Effect]:
        """Record the decision, once both it and the opening are there."""
        if part.decision is None or not part.opened or part.stage is not Stage.LOOKING:
            return []
        part.stage = Stage.COMMITTING
        return [self._record(part, now_ns)]

    def _record(self, part: Part, now_ns: int) -> ev.Commit:
        """The next revision of the record; the store takes them in order."""
        assert part.decision is not None
        part.record = record_of(part, part.decision, self._config_sha256, now_ns)
        part.revision = part.record.revision
        if part.review is not None:
            part.word_revision = part.revision
        return ev.Commit(part.inspection_id, part.revision, writes_of(part))

    def _committed(self, inspection_id: str, revision: int, now_ns: int) -> list[Effect]:
        part = self._shelf.open(inspection_id)
        if part is None:
            return self._committed_late(inspection_id, revision)
        if part.stage is not Stage.COMMITTING or revision != part.revision:
            self.counters["stray"] += 1
            return []
        assert part.decision is not None and part.record is not None
        healed = self._disk.took(inspection_id)
        health = self.health.without(Reason.NOT_DURABLE) if healed else self.health
        receipt = Receipt(inspection_id, revision, part.record.serial)
        verdict = final_verdict(part.decision, health, receipt)
        if verdict is not part.decision.verdict:  # the last look found the evidence wanting
            reason = next(iter(health.faults), Reason.BAD_PREDICTION)
            return healed + self._fail_safe(part, reason, now_ns)
        if part.decision.by is By.MODEL:
            self._pace.learn(now_ns - part.triggered_ns, part.stages_ms)
        return [*healed, *self._tell(part, now_ns), *self._settle(part), *self._echoes.in_time()]

    def _committed_late(self, inspection_id: str, revision: int) -> list[Effect]:
        """The line has its answer already. An older revision brought the person's word, if any."""
        part = self._shelf.closed(inspection_id)
        if part is not None and revision == part.word_revision:
            part.review = None
        older = part is not None and revision < part.revision
        return [] if older else self._disk.took(inspection_id)

    def _tell(self, part: Part, now_ns: int) -> list[Effect]:
        assert part.record is not None
        part.answer = answer_of(part.record, part.recipe.review_s)
        part.expires_ns = part.triggered_ns + ns(window_ms(part.record, part.recipe.review_s))
        told: list[Effect] = [ev.SendVerdict(part.answer, part.expires_ns)]
        return told + self._keep(part) + self._echoes.told(now_ns)

    def _settle(self, part: Part) -> list[Effect]:
        assert part.decision is not None
        if part.decision.verdict is Verdict.REVIEW:
            part.stage = Stage.WAITING
            part.due_ns = part.triggered_ns + ns(part.deadline_ms + part.recipe.review_s * 1000)
            return []
        self._shelf.close(part)
        return self._reply(part, in_time=True)

    def _reply(self, part: Part, in_time: bool) -> list[Effect]:
        if part.token is None:
            return []
        token, part.token = part.token, None
        return [ev.Reply(token, Answer(ok=True, in_time=in_time))]

    def _keep(self, part: Part) -> list[Effect]:
        """The frames are kept by what the line was told first."""
        if not part.seen or part.kept or not part.opened or part.record is None:
            return []
        part.kept = True
        return [ev.KeepFrames(part.inspection_id, part.record.verdict)]

    # ---- the guards ----

    def _guard(self, now_ns: int) -> list[Effect]:
        effects = self._disk.retry(now_ns)
        for part in self._shelf.overdue(now_ns):
            effects += self._overdue(part, now_ns)
        return effects

    def _overdue(self, part: Part, now_ns: int) -> list[Effect]:
        if not part.opened:
            return self._refuse_unopened(part) + self._disk.silent(now_ns)
        if part.stage is Stage.COMMITTING:
            return self._fail_safe(part, Reason.NOT_DURABLE, now_ns) + self._disk.silent(now_ns)
        late = self._echoes.late() if part.stage is Stage.LOOKING else []
        return self._fail_safe(part, Reason.DEADLINE, now_ns) + late

    def _fail_safe(
        self, part: Part, reason: Reason, now_ns: int, refused: bool = False
    ) -> list[Effect]:
        """Rework, told at once; the record follows, as a new revision if one is on its way. So is
        a person's word, if there is one: if it fails, `_owe` brings it again. A refusal took it
        along."""
        part.decision = failsafe(part, reason)
        word = part.review and part.review.model_copy(update={"in_time": False})
        part.review = word if refused else None
        commit = self._record(part, now_ns)
        part.review = word
        told = self._tell(part, now_ns)
        self._shelf.close(part)
        return [*told, commit, *self._reply(part, in_time=False)]

    def _refuse_unopened(self, part: Part) -> list[Effect]:
        """The part's opening is not durable in time: it was never accepted."""
        self._shelf.dismiss(part)
        return self._refuse(*part.key, Refusal.NOT_READY)

    def _commit_failed(self, event: ev.CommitFailed, now_ns: int) -> list[Effect]:
        effects = [] if event.refused else self._disk.failed(event.error, now_ns)
        part = self._shelf.open(event.inspection_id or "")
        if part is None:
            return effects + self._owe(event, now_ns)
        if event.revision == 0:
            return effects + self._refuse_unopened(part)
        if part.stage is Stage.COMMITTING and event.revision == part.revision:
            reason = Reason.SERIAL_DUPLICATE if event.passed_as else Reason.NOT_DURABLE
            effects += self._fail_safe(part, reason, now_ns, event.refused)
            return effects + self._owe(event, now_ns)
        return effects

    def _owe(self, event: ev.CommitFailed, now_ns: int) -> list[Effect]:
        """The line has its answer already; the record is tried again until the disk takes it.
        So is a person's word whose own commit failed."""
        part = self._shelf.closed(event.inspection_id or "")
        if part is None or part.record is None or event.refused:
            return []
        if event.revision == part.word_revision != part.revision and part.review is not None:
            return [self._record(part, now_ns)]
        if event.revision != part.revision:
            return []
        self._disk.owe(part, ev.Commit(part.inspection_id, part.revision, writes_of(part)))
        return []

    # ---- people, and the PLC's echo ----

    def _reviewed(self, event: ev.Reviewed, now_ns: int) -> list[Effect]:
        order = event.order
        part = self._shelf.open(order.inspection_id)
        if part is None:
            review = AddReview(review_of(order, event.at, in_time=False))
            return [ev.CommitReview(event.token, review)]
        if part.stage is not Stage.WAITING or part.decision is None:
            error = "the gate is just deciding this part; try again in a second"
            return [ev.Reply(event.token, Answer(ok=False, error=error))]
        part.review = review_of(order, event.at, in_time=True)
        part.token = event.token
        word = HumanWord(part.inspection_id, order.verdict, order.who)
        part.decision = decide_by_person(part.decision, word)
        part.stage = Stage.COMMITTING
        return [self._record(part, now_ns)]

    def _echoed(self, event: ev.Echoed) -> list[Effect]:
        part = self._shelf.find(event.ack.inspection_id)
        if part is None or part.trigger.part_id != event.ack.part_id:
            self.counters["stray"] += 1
            return []
        closed = part.stage is Stage.CLOSED
        acked = [ev.Note(MarkAcked(part.inspection_id))] if closed else []
        return [*self._echoes.heard(), *acked]
