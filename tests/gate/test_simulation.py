"""A hundred thousand parts through the ledger, with everything around it going wrong."""

from dataclasses import replace

import pytest
from gate_world import RULES, World

from edge.core.decide import Decision
from edge.core.messages import Verdict
from edge.gate import events as ev
from edge.gate.ledger import Ledger
from edge.gate.part import Part, Stage

SEEDS = range(50)
PARTS = 2000


@pytest.mark.parametrize("seed", SEEDS)
def test_every_accepted_part_gets_exactly_one_verdict_whatever_breaks(seed: int) -> None:
    world = World(seed, PARTS)
    world.run()
    assert world.check() == [], f"seed {seed}"
    assert len(world.books) == PARTS
    verdicts = [sent.message.verdict for book in world.books.values() for sent in book.sent]
    assert verdicts.count(Verdict.PASS) > PARTS / 20  # the world is harsh, but it does pass parts


def test_same_seed_gives_the_same_run() -> None:
    runs = []
    for _ in range(2):
        world = World(7, 500)
        world.run()
        runs.append([s.message for book in world.books.values() for s in book.sent])
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
    ],
)
def test_planted_bug_is_caught(bug: type[Ledger]) -> None:
    found: list[str] = []
    for seed in range(5):
        world = World(seed, PARTS, ledger=bug)
        world.run()
        found += world.check()
    assert found
