"""Before the one fit that ships: which learner, with which settings, and what to expect of it.

`train and val in folds -> features once per learner -> scores of what was left out -> choice`.
The test split is not touched, and no threshold comes from here: its scores are those of other
models than the one that ships.
"""

import hashlib
import itertools
import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.core.clock import Clock
from edge.core.errors import LinegateError
from trainer import training
from trainer.config import Home
from trainer.data import folds, leakage
from trainer.data.items import DEFECT, Dataset, Item, count
from trainer.judge import crossval, evaluate
from trainer.judge.crossval import Candidate, Scorer
from trainer.runs import Run, Runs, code_version
from trainer.track import Track
from trainer.training import Options

if TYPE_CHECKING:
    from trainer.learn.backbone import Backbone
    from trainer.learn.samples import Sample


AUTO = "auto"
FOLDS = 5
MIN_DEFECTS = 10  # to train on: with fewer, good pictures alone are learnt
DEEP_FROM = 200  # defects in train and val: with fewer it was not worth its minutes
DEEP_S = 1800.0  # then it walks only as many folds as fit, two at least
ARTIFACT = "scores-crossval.csv"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for beside one fit."""

    folds: int | None = None
    search_minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """Train and val in folds, and the learners that were prepared for them."""

    items: tuple[Item, ...]  # good ones first
    cut: list[folds.Sides]
    pictures: list["Sample"]
    backbone: "Backbone"
    work: Path
    track: Track
    factories: dict[str, Callable[[Any], Scorer]] = field(default_factory=dict)

    def walk(self, options: Options, what: str = "") -> Iterator[evaluate.Scored]:
        """The folds with the learner and the settings of these options. Nothing is done before
        the first fold is asked for: its time holds the look at all pictures."""
        from trainer.learn import learners, scorers

        learner, settings = options.learner, learners.settings(options, self.backbone)
        if learner not in self.factories:
            place = self.work / learner
            place.mkdir(parents=True, exist_ok=True)
            self.factories[learner] = scorers.FACTORIES[learner](
                self.pictures, self.cut, self.backbone, settings, place, self.track
            )
        scorer = self.factories[learner](settings)
        what = what or f"folds, {learner}"
        yield from crossval.walk(self.items, self.cut, scorer, self.track, what)


@dataclass(frozen=True, slots=True)
class Shop:
    """Where results are kept, and what time it is there."""

    home: Home
    runs: Runs
    clock: Clock
    track: Track


def settle(run: Run, dataset: Dataset, options: Options, wish: Wish, shop: Shop) -> Options:
    """The options for the one fit; what led to them is written into the run's results."""
    work = training.work_folder(shop.home, run) / "folds"
    if options.learner == AUTO and (few := _too_few(dataset)):
        run.results["choice"] = {"learner": "good-only", "reason": few, "rows": []}
    if options.learner == AUTO and "choice" in run.results:  # or an interrupted run knows it
        options = replace(options, learner=run.results["choice"]["learner"])
    if options.learner != AUTO and wish == Wish():
        return options
    try:
        bench = _bench(dataset, options, wish.folds or FOLDS, work, shop.track)
        options = _ask(bench, run, options, wish, shop)
    except LinegateError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    finally:
        training.drop_features(work)  # gigabytes, and made anew by whoever goes on
    shutil.rmtree(work, ignore_errors=True)
    shop.runs.save(run)
    return options


def _ask(bench: Bench, run: Run, options: Options, wish: Wish, shop: Shop) -> Options:
    if wish.search_minutes is not None:
        _check_search(bench, options)
    if options.learner == AUTO:
        options = _choose(bench, run, options, shop)
    if wish.search_minutes is not None and _worth_a_search(bench, run, options):
        options = _search(bench, run, options, wish.search_minutes, shop)
    if wish.folds and "crossval" not in run.results:
        _keep(run, _candidate(bench, options, shop.clock), shop)
    return options


def _too_few(dataset: Dataset) -> str | None:
    n = count(dataset.of("train"))["defect"]
    return (
        f"{n} defective pictures to train on; the other learners need {MIN_DEFECTS}"
        if n < MIN_DEFECTS
        else None
    )


def _bench(dataset: Dataset, options: Options, k: int, work: Path, track: Track) -> Bench:
    from trainer.learn import samples

    both = [*dataset.of("train"), *dataset.of("val")]
    items = sorted(both, key=lambda item: (item.label == DEFECT, item.path))
    cut = folds.sides(items, k, options.seed)
    backbone = training.backbone(options)
    pictures = [samples.load(dataset, i, backbone.face) for i in track(items, "train and val")]
    return Bench(tuple(items), cut, pictures, backbone, work, track)


def _choose(bench: Bench, run: Run, options: Options, shop: Shop) -> Options:
    """Cheap and simple learners first; a later one must be better by more than the error."""
    tried = {
        name: _candidate(bench, replace(options, learner=name), shop.clock)
        for name in ("good-only", "supervised")
    }
    deep, why_not = _deep(bench, options, shop.clock)
    if deep is not None:
        tried["deep"] = deep
    choice = crossval.choose(list(tried.values()), len(bench.cut)) | {"no_deep": why_not}
    run.results["choice"] = choice
    _keep(run, tried[choice["learner"]], shop)
    return replace(options, learner=choice["learner"])


def _deep(bench: Bench, options: Options, clock: Clock) -> tuple[Candidate | None, str | None]:
    """It, or why it is not offered."""
    n = sum(item.label == DEFECT for item in bench.items)
    if n < DEEP_FROM:
        return None, f"{n} defective pictures; below {DEEP_FROM} it was not worth its minutes"
    try:
        return _candidate(bench, replace(options, learner="deep"), clock, DEEP_S), None
    except LinegateError as error:  # a backbone that cannot be trained
        return None, str(error)


def _candidate(bench: Bench, options: Options, clock: Clock, most_s: float = math.inf) -> Candidate:
    return crossval.candidate(options.learner, bench.walk(options), clock, most_s)


def _keep(run: Run, found: Candidate, shop: Shop) -> None:
    run.results["crossval"] = {
        "learner": found.learner,
        "seconds": found.seconds,
        "near_copies": near_copies(found.folds),
        **crossval.figures(found.folds),
    }
    shop.runs.keep(run, ARTIFACT, crossval.table(found.folds))


def near_copies(walked: Sequence[evaluate.Scored]) -> int:
    """Pictures that look like one of another fold, so were perhaps not left out after all."""
    pairs = itertools.permutations((fold.items for fold in walked), 2)
    near = (leakage.find(learnt, left_out).near for learnt, left_out in pairs)
    return len({left_out for found in near for left_out, _ in found})


def _search(bench: Bench, run: Run, options: Options, minutes: float, shop: Shop) -> Options:
    """The best settings found; what the folds said of the defaults no longer speaks for them."""
    from trainer.learn import learners, search

    def judge(knobs: dict[str, Any], what: str) -> Iterator[float]:
        for fold in bench.walk(replace(options, knobs=knobs), what):
            yield evaluate.figures(fold)["auroc"]

    name = f"{run.dataset}-{options.learner}-{_identity(bench, run, options)}.journal"
    defaults = learners.knobs(learners.settings(options, bench.backbone), search.SPACE)
    tried = search.search(
        shop.home.searches / name, options.seed, defaults, judge, minutes * 60, shop.clock
    )
    best = search.best(tried)
    gain = crossval.difference(tried[0].aurocs, best.aurocs, len(bench.cut))
    run.results["search"] = {
        "trials": len(tried),
        "pruned": sum(one.pruned for one in tried),
        "minutes": round(sum(one.seconds for one in tried) / 60, 1),
        "defaults": {"knobs": tried[0].knobs, "auroc": tried[0].mean},
        "best": {"knobs": best.knobs, "auroc": best.mean},
        "gain": asdict(gain),
    }
    if best.knobs != tried[0].knobs:
        run.results.pop("crossval", None)
        run.artifacts.pop(ARTIFACT, None)
    return replace(options, knobs=best.knobs)


def _check_search(bench: Bench, options: Options) -> None:
    if options.steps is not None:
        raise LinegateError("--search finds the number of steps itself: leave out --steps")
    if not any(item.label == DEFECT for item in bench.items):
        raise LinegateError("--search needs defective pictures to judge by; there is none")


def _worth_a_search(bench: Bench, run: Run, options: Options) -> bool:
    """Raises LinegateError if the user named a learner that has nothing to search for."""
    why_not = _nothing_to_search(bench, options)
    if why_not is None:
        return True
    if "choice" not in run.results:
        raise LinegateError(f"--search: {why_not}")
    run.results["choice"]["no_search"] = why_not
    return False


def _nothing_to_search(bench: Bench, options: Options) -> str | None:
    """Why a search would be in vain with this learner."""
    from trainer.learn import learners

    if options.learner == "deep":
        return "every trial of deep takes minutes per fold; search with another learner"
    if options.learner != "good-only":
        return None
    needed = learners.settings(options, bench.backbone).head_from
    fewest = min(sum(bench.items[n].label != DEFECT for n in sides.learnt) for sides in bench.cut)
    fewest = min(fewest, options.good or fewest)
    return (
        f"{fewest} good pictures in a fold are learnt by the memory alone, which has no settings; "
        f"from {needed} on there is a head"
        if fewest < needed
        else None
    )


def _identity(bench: Bench, run: Run, options: Options) -> str:
    """Of everything that decides a trial: only then is it the same search."""
    from trainer.learn import search

    model = bench.backbone.model.SerializeToString(deterministic=True)
    decides = [
        code_version(),
        run.revision,
        hashlib.sha256(model).hexdigest(),
        len(bench.cut),
        repr(replace(options, backbone="")),
        repr(search.SPACE),
    ]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]
