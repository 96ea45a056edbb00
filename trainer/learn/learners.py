"""The learners by name: what the user's options mean to each, and where it starts."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from trainer.data.items import Dataset
from trainer.learn import deep, good_only, supervised
from trainer.learn.backbone import Backbone
from trainer.learn.fit import Fitting
from trainer.learn.trained import Trained
from trainer.track import Track

if TYPE_CHECKING:
    from trainer.training import Options

S = TypeVar("S", good_only.Settings, supervised.Settings)
Knobs = Mapping[str, Any]


def train(
    dataset: Dataset, backbone: Backbone, options: "Options", work: Path, track: Track
) -> Trained:
    """Run the learner that the options name."""
    return TRAIN[options.learner](dataset, backbone, settings(options, backbone), work, track)


def settings(options: "Options", backbone: Backbone) -> Any:
    """The settings of the learner that the options name, of its own kind."""
    match options.learner:
        case "good-only":
            return _good_only(options)
        case "supervised":
            return _supervised(options, supervised.Settings().fitting)
        case _:
            return _deep(options, backbone)


def tuned(settings: S, knobs: Knobs) -> S:
    """With the knobs of `search.SPACE`; all but the memory's weight are the head's."""
    fitting = {name: value for name, value in knobs.items() if name != "memory_weight"}
    return replace(
        settings,
        memory_weight=knobs["memory_weight"],
        fitting=replace(settings.fitting, **fitting),
    )


def knobs(settings: S, names: Iterable[str]) -> dict[str, Any]:
    """The values of these knobs; the way back from `tuned`."""
    return {
        name: getattr(settings if name == "memory_weight" else settings.fitting, name)
        for name in names
    }


def _fitting(options: "Options", usual: Fitting) -> Fitting:
    return usual if options.steps is None else replace(usual, steps=options.steps)


def _supervised(options: "Options", usual: Fitting) -> supervised.Settings:
    found = supervised.Settings(
        seed=options.seed,
        fitting=_fitting(options, usual),
        orientation=options.orientation,
        full_range=options.full_range,
    )
    return found if options.knobs is None else tuned(found, options.knobs)


def _deep(options: "Options", backbone: Backbone) -> deep.Settings:
    tails = _supervised(options, deep.Settings().tails.fitting)
    found = deep.Settings(seed=options.seed, orientation=options.orientation, tails=tails)
    if backbone.procedural:
        # quick to train, and as it knows no photograph, more of it needs to be
        found = replace(found, stem_stride=4, layer_rate=1e-3, least_steps=1250)
    if options.epochs is not None:
        found = replace(found, epochs=options.epochs, least_steps=1)
    return found


def _good_only(options: "Options") -> good_only.Settings:
    found = good_only.Settings(
        seed=options.seed,
        good=options.good,
        fitting=_fitting(options, good_only.Settings().fitting),
        orientation=options.orientation,
        full_range=options.full_range,
    )
    return found if options.knobs is None else tuned(found, options.knobs)


TRAIN: Mapping[str, Callable[..., Trained]] = {
    "good-only": good_only.train,
    "supervised": supervised.train,
    "deep": deep.train,
}
