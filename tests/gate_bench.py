"""A clock that only moves when told, and a ledger with its parts at hand."""

from datetime import UTC, datetime, timedelta

from gate_world import LIMITS, RECIPE, RULES, SHA

from edge.core.clock import ns
from edge.core.decide import FreshFrame, Look, Prediction
from edge.core.messages import Level, Trigger, Verdict, VerdictMessage
from edge.gate import events as ev
from edge.gate.ledger import Ledger
from edge.gate.rules import RecipeRules
from edge.gate.standing import Standing
from edge.watch.conditions import Conditions

START = datetime(2026, 1, 1, tzinfo=UTC)


class Bench:
    """Drives one ledger by hand: `tell` an event, `wait` some time, read what it wants done."""

    def __init__(self, level: Level = Level.PARTIAL) -> None:
        self.now_ns = 0
        self.ids = iter(f"I{n}" for n in range(1, 1000))
        self.ledger = Ledger(
            {"disc": RecipeRules(RECIPE, RULES, "toy-1")},
            Standing(level, "disc"),
            LIMITS,
            SHA,
            lambda: next(self.ids),
        )
        self.effects: list[ev.Effect] = []
        self.conditions = Conditions(needed=())

    def tell(self, event: ev.Event) -> list[ev.Effect]:
        self.ledger.health = self.conditions.health
        self.effects = self.ledger.handle(event, self.now_ns)
        for effect in self.effects:
            if isinstance(effect, ev.RaiseCause):
                self.conditions.raise_(effect.code, effect.detail, self.at())
            if isinstance(effect, ev.ClearCause):
                self.conditions.clear(effect.code)
        return self.effects

    def wait(self, ms: float) -> list[ev.Effect]:
        self.now_ns += ns(ms)
        return self.tell(ev.Tick())

    def at(self) -> datetime:
        return START + timedelta(microseconds=self.now_ns // 1000)

    def trigger(self, part_id: str = "P1", seq: int = 1, **more: object) -> list[ev.Effect]:
        trigger = Trigger(part_id=part_id, seq=seq, **more)  # type: ignore[arg-type]
        return self.tell(ev.Triggered(trigger, self.at()))

    def open(self, part_id: str = "P1", seq: int = 1) -> str:
        """Trigger and open; returns the inspection's id."""
        effects = self.trigger(part_id, seq)
        inspection_id = next(e for e in effects if isinstance(e, ev.LookAt)).inspection_id
        self.tell(ev.Opened(inspection_id))
        return inspection_id

    def see(
        self, inspection_id: str, score: float = 0.1, stages_ms: dict[str, float] | None = None
    ) -> list[ev.Effect]:
        looks = tuple(
            Look(
                view,
                FreshFrame(inspection_id, view, SHA),
                Prediction(inspection_id, view, score, SHA),
            )
            for view in RULES.views
        )
        return self.tell(ev.Seen(inspection_id, looks, (), stages_ms or {}))

    def pass_one(self, part_id: str = "P1", seq: int = 1) -> str:
        inspection_id = self.open(part_id, seq)
        self.see(inspection_id)
        self.tell(ev.Committed(inspection_id, 1))
        return inspection_id


def verdicts(effects: list[ev.Effect]) -> list[VerdictMessage]:
    return [effect.message for effect in effects if isinstance(effect, ev.SendVerdict)]


def words(effects: list[ev.Effect]) -> list[Verdict]:
    return [message.verdict for message in verdicts(effects)]
