"""Parts by the hundred thousand through the gate, with everything around it going wrong.

For a million of them: `LINEGATE_GATE_SEEDS=0:50 python -m pytest tests/gate/test_simulation.py`.
"""

import logging
import os
from dataclasses import replace

import pytest
import structlog
from gate_world import RECIPE, RULES
from gate_world.eye import BLUNDERS, CODE_BLUNDERS
from gate_world.world import RECIPES, STEPS, World

from edge.core.decide import Decision, Health
from edge.core.messages import By, Reason, Refusal, Verdict
from edge.gate import events as ev
from edge.gate.ledger import Ledger
from edge.gate.part import Part, Stage
from edge.watch.conditions import CAUSES

FIRST, LAST = map(int, os.environ.get("LINEGATE_GATE_SEEDS", "0:3").split(":"))
PARTS = 20_000  # for each seed, and some more
SOME = 1000

# What must have happened in every single run, or it proves nothing.
FAULTS = {
    # the words of the gate itself: a new one must come up, too
    *(f"reason: {reason}" for reason in Reason),
    *(f"refusal: {refusal}" for refusal in Refusal),
    *(f"cause: {code}" for code in CAUSES),
    *(f"{verdict} by {by}" for verdict, by in (("pass", By.MODEL), ("pass", By.HUMAN),
      ("review", By.MODEL), ("review", By.FAILSAFE), ("rework", By.MODEL), ("rework", By.HUMAN),
      ("rework", By.FAILSAFE))),
    # the line
    "a challenge was announced",
    "a verdict came twice",
    "a verdict found no broker",
    "an ack came twice",
    "an order came twice",
    "an order was done",
    "an order was refused",
    "garbage on the line",
    "the PLC asked again",
    "the PLC echoed nothing",
    "the broker went",
    "the gate heard nothing that it could answer",
    "triggers in no time",
    "what the PLC said came twice",
    "what the PLC said was lost",
    # camera, model and code
    "a frame before its trigger",
    "a frame long after its trigger",
    "a look came too late to begin",
    "a look was about another part",
    "a look was lost",
    "a look was told twice",
    "a view is missing",
    "the eye has no room",
    "the next part overtook a look",
    "two parts with one serial",
    *(f"eye: {what}" for what in BLUNDERS),
    *(f"code: {what}" for what in CODE_BLUNDERS),
    # the disk
    "a contradiction was refused",
    "a serial was refused",
    "a write landed unheard",
    "the disk broke",
    "the disk failed",
    "the disk stalled",
    "the queue to the disk is full",
    # the box, and people
    *(f"power cut after {step}" for step in STEPS),
    "a pass was taken back",
    "a person judged a part that nobody knows",
    "the gate was stopped in order",
    "the power was cut",
    "the process had no CPU",
    "the wall clock jumped",
    "two people judged one part",
}  # fmt: skip
log = logging.getLogger(__name__)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """The gate has a lot to say about all this."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.mark.parametrize("seed", range(FIRST, LAST))
def test_every_accepted_part_gets_exactly_one_verdict_whatever_breaks(seed: int) -> None:
    world = World(seed, PARTS).run_all()
    passed = world.happened["a part passed"]
    log.info(
        "seed %d: %d parts, %d passed, the gate ended %d times, %d kinds of things happened",
        seed, len(world.books.parts), passed, len(world.deaths), len(world.happened),
    )  # fmt: skip
    assert world.books.check() == [], f"seed {seed}"
    assert len(world.books.parts) >= PARTS
    assert FAULTS - set(world.happened) == set()
    assert passed > PARTS / 5  # the world is harsh, but it lets parts pass


def test_same_seed_gives_the_same_run() -> None:
    runs = []
    for _ in range(2):
        world = World(7, 500).run_all()
        runs.append([told.message for book in world.books.parts.values() for told in book.told])
    assert runs[0] == runs[1]


class TellsBeforeTheDiskHasIt(Ledger):
    def _commit(self, part: Part, now_ns: int) -> list[ev.Effect]:
        commit = super()._commit(part, now_ns)
        return [*self._tell(part, now_ns), *commit] if commit else []


class HasNoDeadlineGuard(Ledger):
    def _guard(self, now_ns: int) -> list[ev.Effect]:
        return self._disk.retry(now_ns)

    def due_ns(self) -> int | None:
        return self._disk.due_ns()


class TakesAnyPartsSight(Ledger):
    def _seen(self, event: ev.Seen, now_ns: int) -> list[ev.Effect]:
        open_part = next((p for p in self._shelf if not p.seen), None)
        if open_part is not None:
            looks = tuple(
                replace(
                    look,
                    frame=look.frame and replace(look.frame, inspection_id=open_part.inspection_id),
                    prediction=look.prediction
                    and replace(look.prediction, inspection_id=open_part.inspection_id),
                )
                for look in event.looks
            )
            event = replace(event, inspection_id=open_part.inspection_id, looks=looks)
        return super()._seen(event, now_ns)


class ForgetsToAmendTheRecord(Ledger):
    def _fail_safe(self, *how) -> list[ev.Effect]:  # type: ignore[no-untyped-def]
        effects = super()._fail_safe(*how)
        return [effect for effect in effects if not isinstance(effect, ev.Commit)]


class AnswersTwice(Ledger):
    def _committed(self, inspection_id: str, revision: int, now_ns: int) -> list[ev.Effect]:
        effects = super()._committed(inspection_id, revision, now_ns)
        closed = self._shelf.closed(inspection_id)
        if closed is not None and closed.answer is not None and now_ns % 7 == 0:
            effects.append(ev.SendVerdict(closed.answer))
        return effects


class TrustsAnyFrame(Ledger):
    """Passes what the model liked, whatever the last look at the evidence says."""

    def _committed(self, inspection_id: str, revision: int, now_ns: int) -> list[ev.Effect]:
        part = self._shelf.open(inspection_id)
        if part is not None and part.stage is Stage.COMMITTING and part.decision is not None:
            liked = _liked(part.decision)
            if liked:
                assert part.record is not None
                part.record = part.record.model_copy(update={"verdict": Verdict.PASS})
                effects = self._tell(part, now_ns)
                self._shelf.close(part)
                return effects
        return super()._committed(inspection_id, revision, now_ns)


class TellsWhatTheDiskRefused(Ledger):
    """Takes a refusal for a success: the second part with a serial passes, too."""

    def _commit_failed(self, event: ev.CommitFailed, now_ns: int) -> list[ev.Effect]:
        part = self._shelf.open(event.inspection_id or "")
        if event.passed_as and part is not None and part.decision is not None:
            told = self._tell(part, now_ns)
            self._shelf.close(part)
            return told
        return super()._commit_failed(event, now_ns)


class IgnoresTheStation(Ledger):
    def handle(self, event: ev.Event, now_ns: int) -> list[ev.Effect]:
        self.health = Health()
        return super().handle(event, now_ns)


class SaysOldPassesAgain(Ledger):
    def _triggered(self, event: ev.Triggered, now_ns: int) -> list[ev.Effect]:
        known, effects = self._shelf.known(event.trigger), super()._triggered(event, now_ns)
        told = known is not None and known.answer is not None
        return [effects[0], ev.SendVerdict(known.answer)] if told else effects


def _liked(decision: Decision) -> bool:
    scores = [look.prediction.score for look in decision.looks if look.prediction]
    return bool(scores) and not max(scores) >= RULES.pass_below


@pytest.mark.parametrize(
    "bug",
    [
        TellsBeforeTheDiskHasIt,
        HasNoDeadlineGuard,
        TakesAnyPartsSight,
        ForgetsToAmendTheRecord,
        AnswersTwice,
        TrustsAnyFrame,
        TellsWhatTheDiskRefused,
        IgnoresTheStation,
        SaysOldPassesAgain,
    ],
)
def test_planted_bug_is_caught(bug: type[Ledger]) -> None:
    found: list[str] = []
    for seed in range(5):
        found += World(seed, SOME, ledger=bug).run_all().books.check()
    assert found


def test_recipe_that_takes_any_later_frame_is_caught() -> None:
    any_time = replace(RECIPES["disc"], recipe=RECIPE)
    found: list[str] = []
    for seed in range(5):
        found += World(seed, SOME, recipes={**RECIPES, "disc": any_time}).run_all().books.check()
    assert any("another part's frames" in wrong for wrong in found)
