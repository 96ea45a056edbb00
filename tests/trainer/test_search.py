"""The search on a made-up objective: finds, prunes, stops, goes on as if nothing had happened."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import log
from pathlib import Path
from typing import Any

import pytest

from edge.core.errors import LinegateError
from trainer import training
from trainer.learn import backbone, learners
from trainer.learn.search import SPACE, Knobs, best, search

pytestmark = pytest.mark.torch
DEFAULTS = {
    "steps": 400,
    "rate": 2e-3,
    "weight_decay": 0.05,
    "top_share": 0.03,
    "memory_weight": 0.3,
}


class Watch:
    """Time passes only while a fold is fitted: a second."""

    def __init__(self) -> None:
        self.s = 0

    def monotonic_ns(self) -> int:
        return self.s * 1_000_000_000

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 12, tzinfo=UTC)


class Bench:
    """Folds whose AUROC depends on the memory's weight alone; the power may fail."""

    def __init__(self, fails_after: int = 10**9) -> None:
        self.watch, self.folds, self.fails_after = Watch(), 0, fails_after
        self.asked: list[Knobs] = []

    def judge(self, knobs: Knobs, what: str) -> Iterator[float]:
        self.asked.append(knobs)
        for fold in range(5):
            self.folds += 1
            self.watch.s += 1
            if self.folds > self.fails_after:
                raise KeyboardInterrupt
            yield 0.9 - abs(log(knobs["memory_weight"])) / 20 + fold / 100

    def search(self, journal: Path, budget_s: float, **more: Any) -> list[Any]:
        seed = more.get("seed", 3)
        return search(journal, seed, DEFAULTS, self.judge, budget_s, self.watch)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "search" / "parts.journal"


def test_better_settings_are_found_and_hopeless_ones_stop_early(journal: Path) -> None:
    tried = Bench().search(journal, 40)
    assert tried[0].knobs == DEFAULTS and not tried[0].pruned
    assert best(tried).mean > tried[0].mean + 0.03
    assert all(set(one.knobs) == set(SPACE) for one in tried)
    assert {len(one.aurocs) for one in tried if not one.pruned} == {5}
    assert {len(one.aurocs) for one in tried if one.pruned} == {2}


@pytest.mark.parametrize("learner", ["good-only", "supervised"])
def test_defaults_of_every_learner_lie_in_the_space(learner: str, tiny_backbone: Path) -> None:
    settings = learners.settings(training.Options(learner=learner), backbone.load(tiny_backbone))
    knobs = learners.knobs(settings, SPACE)
    assert all(SPACE[name].low <= value <= SPACE[name].high for name, value in knobs.items())  # type: ignore[attr-defined]
    assert learners.tuned(settings, knobs) == settings


def test_same_seed_tries_the_same_and_another_seed_does_not(tmp_path: Path) -> None:
    one, again = (Bench().search(tmp_path / name, 12) for name in "ab")
    assert one == again
    assert Bench().search(tmp_path / "c", 12, seed=4)[1:] != one[1:]


@pytest.mark.parametrize("fails_after", [3, 22])
def test_search_that_was_interrupted_ends_like_one_that_was_not(
    tmp_path: Path, fails_after: int
) -> None:
    whole = Bench().search(tmp_path / "whole", 30)
    broken = Bench(fails_after)
    with pytest.raises(KeyboardInterrupt):
        broken.search(tmp_path / "broken", 30)
    assert Bench().search(tmp_path / "broken", 30) == whole


def test_budget_counts_what_earlier_calls_took(journal: Path) -> None:
    first = Bench().search(journal, 8)
    idle = Bench()
    assert idle.search(journal, 8) == first and idle.asked == []
    more = Bench().search(journal, 18)
    assert more[: len(first)] == first and len(more) > len(first)


def test_file_that_is_no_journal_is_refused(journal: Path) -> None:
    journal.parent.mkdir()
    journal.write_text("these are not trials\n")
    with pytest.raises(LinegateError, match="not a search that can go on"):
        Bench().search(journal, 8)
