"""A search for better settings of the fit, judged by cross-validation, within minutes.

Tree-structured Parzen estimator with median pruning over the folds (Optuna). Every finished trial
is in a journal file, and each draws from a seed of its own: a search that was interrupted goes on
as if nothing had happened.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from edge.core.clock import Clock, ms
from edge.core.errors import LinegateError

Knobs = dict[str, Any]
Judge = Callable[[Knobs, str], Iterator[float]]  # AUROC of each fold; the text names the trial

# Only what needs no new look at the pictures: a trial then costs nothing but its fits.
SPACE: Mapping[str, BaseDistribution] = {
    "steps": IntDistribution(100, 800, step=50),
    "rate": FloatDistribution(5e-4, 8e-3, log=True),
    "weight_decay": FloatDistribution(0.005, 0.5, log=True),
    "top_share": FloatDistribution(0.01, 0.1, log=True),
    "memory_weight": FloatDistribution(0.05, 10.0, log=True),
}
AT_RANDOM = 5  # trials before the sampler trusts what it has seen
UNPRUNED = 3  # trials that see all folds whatever comes
LEAST_FOLDS = 2  # of a trial that is pruned


@dataclass(frozen=True, slots=True)
class Tried:
    """A finished trial; one that was pruned saw fewer folds."""

    knobs: Knobs
    aurocs: tuple[float, ...]
    seconds: float
    pruned: bool

    @property
    def mean(self) -> float:
        return float(np.mean(self.aurocs))


def search(
    journal: Path, seed: int, defaults: Knobs, judge: Judge, budget_s: float, clock: Clock
) -> list[Tried]:
    """All finished trials, the defaults first. Starts no trial once those in the journal have
    taken `budget_s` seconds in all. Raises LinegateError if the journal cannot be read."""
    study = _open(journal)
    while not (done := _finished(study)) or _seconds(done) < budget_s:
        if not done:
            _try_defaults(study, defaults, judge, clock)
            continue
        study.sampler = _sampler(seed, len(done))
        spent = f"{_seconds(done) / 60:.0f} of {budget_s / 60:.0f} min"
        what = f"trial {len(done) + 1}, best {study.best_value:.4f}, {spent}"
        _try(study, what, judge, clock)
    return [_tried(trial) for trial in done]


def best(tried: list[Tried]) -> Tried:
    """The highest mean over all folds; of equal ones the first."""
    return max((one for one in tried if not one.pruned), key=lambda one: one.mean)


def _open(journal: Path) -> optuna.Study:
    """The study with what an interrupted trial left behind put away."""
    optuna.logging.set_verbosity(logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal))),
            study_name="search",
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(UNPRUNED, LEAST_FOLDS - 1),
            load_if_exists=True,
        )
    except (OSError, ValueError, KeyError) as error:
        raise LinegateError(f"{journal}: not a search that can go on: remove it") from error
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(states=[TrialState.COMPLETE, TrialState.PRUNED])


def _seconds(done: list[FrozenTrial]) -> float:
    return float(sum(trial.user_attrs["seconds"] for trial in done))


def _sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """One per trial: what it draws depends on its number and on the finished trials alone."""
    own = int(np.random.default_rng([seed, number]).integers(2**31))
    return optuna.samplers.TPESampler(seed=own, n_startup_trials=AT_RANDOM)


def _try_defaults(study: optuna.Study, defaults: Knobs, judge: Judge, clock: Clock) -> None:
    begun_ns = clock.monotonic_ns()
    aurocs = list(judge(defaults, "trial 1, the defaults"))
    study.add_trial(_complete(defaults, aurocs, ms(clock.monotonic_ns() - begun_ns) / 1000))


def _try(study: optuna.Study, what: str, judge: Judge, clock: Clock) -> None:
    begun_ns = clock.monotonic_ns()
    trial = study.ask(dict(SPACE))
    aurocs, pruned = _walk(trial, judge(trial.params, what))
    trial.set_user_attr("aurocs", aurocs)
    trial.set_user_attr("seconds", ms(clock.monotonic_ns() - begun_ns) / 1000)
    if pruned:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, float(np.mean(aurocs)))


def _walk(trial: Trial, folds: Iterator[float]) -> tuple[list[float], bool]:
    """AUROC of the folds, and whether it stopped early because it is no good."""
    aurocs: list[float] = []
    for auroc in folds:
        aurocs.append(auroc)
        trial.report(float(np.mean(aurocs)), len(aurocs) - 1)
        if trial.should_prune():
            return aurocs, True
    return aurocs, False


def _complete(knobs: Knobs, aurocs: list[float], seconds: float) -> FrozenTrial:
    """A trial as if it had been asked for."""
    means = np.cumsum(aurocs) / np.arange(1, len(aurocs) + 1)
    return optuna.trial.create_trial(
        params=knobs,
        distributions=dict(SPACE),
        value=float(means[-1]),
        intermediate_values={n: float(mean) for n, mean in enumerate(means)},
        user_attrs={"aurocs": aurocs, "seconds": seconds},
    )


def _tried(trial: FrozenTrial) -> Tried:
    attrs = trial.user_attrs
    pruned = trial.state == TrialState.PRUNED
    return Tried(dict(trial.params), tuple(attrs["aurocs"]), attrs["seconds"], pruned)
