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
    Reason,
    RecipeOrder,
    Verdict,
)
from edge.core.orders import Answer
from edge.core.records import EventRecord
from edge.gate.events import AnswerOrder, ClearCause, Effect, Note, Ordered, RaiseCause, Reply
from edge.store.writes import AddEvent, SetMeta

REMEMBERED_ORDERS = 200
MAX_CHALLENGES = 50


class Standing:
    """Sans-I/O. Orders are wishes with an id: the same id twice is done once."""

    def __init__(self, level: Level, recipe: str) -> None:
        self.level = level
        self.recipe = recipe
        self.block: Reason | None = None  # why no part may pass at present
        self._done: OrderedDict[str, OrderAck] = OrderedDict()
        self._challenges: dict[str, Verdict] = {}

    def order(self, event: Ordered, recipes: Container[str]) -> list[Effect]:
        done = self._done.get(event.order.id)
        if done is not None:
            return [self._reply(event, done)]
        error, effects = self._carry_out(event, recipes)
        ack = OrderAck(id=event.order.id, ok=error is None, error=error)
        self._done[ack.id] = ack
        while len(self._done) > REMEMBERED_ORDERS:
            self._done.popitem(last=False)
        return [*effects, self._reply(event, ack)]

    def challenged(
        self, part_id: str, decision: Decision, at: datetime
    ) -> tuple[bool | None, list[Effect]]:
        """Was this a challenge part, and did the model see it as expected?

        A part that must go to rework has passed the challenge if the model alone would not have
        passed it. A failed challenge lets no part pass until one succeeds.
        """
        expected = self._challenges.pop(part_id, None)
        if expected is None:
            return None, []
        passed = (decision.opinion is Verdict.PASS) == (expected is Verdict.PASS)
        self.block = None if passed else Reason.CHALLENGE_FAILED
        said = decision.opinion or "nothing"
        text = f"challenge part {part_id}: the model said {said}, expected was {expected}"
        event = EventRecord(code="challenge", text=text, at=at, detail={"passed": passed})
        state = ClearCause("challenge_failed") if passed else RaiseCause("challenge_failed", text)
        return passed, [Note(AddEvent(event)), state]

    def _carry_out(
        self, event: Ordered, recipes: Container[str]
    ) -> tuple[str | None, list[Effect]]:
        match event.order:
            case LevelOrder(level=level, who=who):
                return self._set_level(level, who, event.at)
            case RecipeOrder(recipe=recipe):
                return self._set_recipe(recipe, recipes, event.at)
            case ChallengeOrder(part_id=part_id, expect=expect):
                return self._announce(part_id, expect)

    def _set_level(
        self, level: Level, who: str | None, at: datetime
    ) -> tuple[str | None, list[Effect]]:
        error = refuse_change(self.level, level, who)
        if error is not None:
            return error, []
        text = f"level {self.level} -> {level}"
        self.level = level
        event = EventRecord(code="level", text=text, at=at, detail={"who": who, "level": level})
        return None, [Note(SetMeta("level", level)), Note(AddEvent(event))]

    def _set_recipe(
        self, recipe: str, recipes: Container[str], at: datetime
    ) -> tuple[str | None, list[Effect]]:
        if recipe not in recipes:
            return f"no recipe is named {recipe!r}", []
        text = f"recipe {self.recipe} -> {recipe}"
        self.recipe = recipe
        event = EventRecord(code="recipe", text=text, at=at, detail={"recipe": recipe})
        return None, [Note(SetMeta("recipe", recipe)), Note(AddEvent(event))]

    def _announce(self, part_id: str, expect: Verdict) -> tuple[str | None, list[Effect]]:
        if len(self._challenges) >= MAX_CHALLENGES:
            return f"{MAX_CHALLENGES} challenge parts are announced and have not come yet", []
        self._challenges[part_id] = expect
        return None, []

    def _reply(self, event: Ordered, ack: OrderAck) -> Effect:
        if event.token is not None:
            return Reply(event.token, Answer(ok=ack.ok, error=ack.error))
        return AnswerOrder(ack)
