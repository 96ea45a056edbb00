"""How the station works at present: level, recipe, challenges; and the orders that change it."""

from collections import OrderedDict
from collections.abc import Container
from datetime import datetime

from edge.core.automation import refuse_change
from edge.core.decide import Decision
from edge.core.messages import (
    ChallengeOrder,
    Level,
    LevelOrder,
    OrderAck,
    RecipeOrder,
    Verdict,
)
from edge.core.orders import Answer
from edge.core.records import EventRecord
from edge.gate.events import (
    AnswerOrder,
    ClearCause,
    CommitOrder,
    Effect,
    Note,
    Ordered,
    RaiseCause,
    Reply,
)
from edge.store.writes import AddEvent, SetMeta, Write

OrderedBy = LevelOrder | RecipeOrder | ChallengeOrder

CHALLENGE_FAILED = "challenge_failed"  # the cause, and where the ledger remembers it
REMEMBERED_ORDERS = 200
MAX_CHALLENGES = 50


class Standing:
    """Sans-I/O. Orders are wishes with an id: the same id twice is done once."""

    def __init__(self, level: Level, recipe: str) -> None:
        self.level = level
        self.recipe = recipe
        self._done: OrderedDict[str, tuple[OrderedBy, OrderAck]] = OrderedDict()
        self._challenges: dict[str, Verdict] = {}

    def order(self, event: Ordered, recipes: Container[str]) -> list[Effect]:
        """An order of the control socket is always new; on the line the same id is done once."""
        if event.token is not None:
            error, writes = self._carry_out(event, recipes)
            reply = Reply(event.token, Answer(ok=error is None, error=error))
            return [CommitOrder(writes, reply)]
        known = self._done.get(event.order.id)
        if known is not None:
            return [AnswerOrder(_again(event.order, *known))]
        error, writes = self._carry_out(event, recipes)
        ack = OrderAck(id=event.order.id, ok=error is None, error=error)
        self._done[ack.id] = (event.order, ack)
        while len(self._done) > REMEMBERED_ORDERS:
            self._done.popitem(last=False)
        return [CommitOrder(writes, AnswerOrder(ack))]

    def challenged(
        self, part_id: str, decision: Decision, at: datetime
    ) -> tuple[bool | None, list[Effect]]:
        """Was this a challenge part, and did the model see it as expected?

        A part that must go to rework has passed the challenge if the model alone would not have
        passed it. A part that the model gave no score proves nothing, either way.
        """
        expected = self._challenges.pop(part_id, None)
        if expected is None:
            return None, []
        if decision.score is None or decision.opinion is None:
            text = f"challenge part {part_id} got no score and proves nothing; announce it again"
            return None, [Note(AddEvent(EventRecord(code="challenge", text=text, at=at)))]
        passed = (decision.opinion is Verdict.PASS) == (expected is Verdict.PASS)
        text = f"challenge part {part_id}: the model said {decision.opinion}, not {expected}"
        if passed:
            text = f"challenge part {part_id}: the model said {decision.opinion}, as expected"
        event = EventRecord(code="challenge", text=text, at=at, detail={"passed": passed})
        lasting = SetMeta(CHALLENGE_FAILED, "" if passed else text)
        state = ClearCause(CHALLENGE_FAILED) if passed else RaiseCause(CHALLENGE_FAILED, text)
        return passed, [Note(lasting), Note(AddEvent(event)), state]

    def _carry_out(
        self, event: Ordered, recipes: Container[str]
    ) -> tuple[str | None, tuple[Write, ...]]:
        """What speaks against it, or what makes it last."""
        match event.order:
            case LevelOrder(level=level, who=who):
                return self._set_level(level, who, event.at)
            case RecipeOrder(recipe=recipe, who=who):
                return self._set_recipe(recipe, who, recipes, event.at)
            case ChallengeOrder(part_id=part_id, expect=expect):
                return self._announce(part_id, expect), ()

    def _set_level(
        self, level: Level, who: str | None, at: datetime
    ) -> tuple[str | None, tuple[Write, ...]]:
        error = refuse_change(self.level, level, who)
        if error is not None:
            return error, ()
        text = f"level {self.level} -> {level}"
        self.level = level
        event = EventRecord(code="level", text=text, at=at, detail={"who": who, "level": level})
        return None, (SetMeta("level", level), AddEvent(event))

    def _set_recipe(
        self, recipe: str, who: str | None, recipes: Container[str], at: datetime
    ) -> tuple[str | None, tuple[Write, ...]]:
        if recipe not in recipes:
            return f"no recipe is named {recipe!r}", ()
        text = f"recipe {self.recipe} -> {recipe}"
        self.recipe = recipe
        event = EventRecord(code="recipe", text=text, at=at, detail={"who": who, "recipe": recipe})
        return None, (SetMeta("recipe", recipe), AddEvent(event))

    def _announce(self, part_id: str, expect: Verdict) -> str | None:
        if len(self._challenges) >= MAX_CHALLENGES:
            return f"{MAX_CHALLENGES} challenge parts are announced and have not come yet"
        self._challenges[part_id] = expect
        return None


def _again(order: OrderedBy, first: OrderedBy, ack: OrderAck) -> OrderAck:
    if order == first:
        return ack
    return OrderAck(id=ack.id, ok=False, error="this id was used for another order; take a new one")
