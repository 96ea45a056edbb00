"""Cut labelled pictures into folds: each is left out once, by whole parts.

Labels are shared as in `split`: by the largest remainder, large parts placed first.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edge.core.errors import LinegateError
from trainer.data.items import DEFECT, GOOD, Item
from trainer.data.split import deal, shuffled

ASIDE = 5  # a fifth of a fold's good pictures to learn from is set aside


@dataclass(frozen=True, slots=True)
class Sides:
    """One fold, as places in the list of items. Nothing of `left_out` may reach a fit."""

    fold: int
    learnt: tuple[int, ...]
    aside: tuple[int, ...]  # good ones, kept from the fit to bring its answers to one scale
    left_out: tuple[int, ...]


def folds(items: Sequence[Item], k: int, seed: int) -> list[int]:
    """The fold, 0 to k - 1, of each item; no part is in two.

    Raises LinegateError if a label has too few parts for every fold to have one.
    """
    _check_parts(items, k)
    groups = shuffled(items, seed)
    dealt = zip(deal(groups, [1] * k), groups, strict=True)
    fold_of = {group[0].part: fold for fold, group in dealt}
    found = [fold_of[item.part] for item in items]
    _check_labels(items, found, k)
    return found


def sides(items: Sequence[Item], k: int, seed: int) -> list[Sides]:
    """Every fold with what is learnt while it is left out. Raises LinegateError as `folds` does."""
    found = folds(items, k, seed)
    return [_sides(items, found, fold, seed) for fold in range(k)]


def _sides(items: Sequence[Item], found: list[int], fold: int, seed: int) -> Sides:
    rest = [n for n, own in enumerate(found) if own != fold]
    aside = _aside([items[n] for n in rest if items[n].label == GOOD], seed)
    return Sides(
        fold=fold,
        learnt=tuple(n for n in rest if items[n].path not in aside),
        aside=tuple(n for n in rest if items[n].path in aside),
        left_out=tuple(n for n, own in enumerate(found) if own == fold),
    )


def _aside(good: Sequence[Item], seed: int) -> set[str]:
    """Paths of a share of them, by whole parts. Raises LinegateError if that is not even one."""
    groups = shuffled(good, seed)
    dealt = zip(deal(groups, (1, ASIDE - 1)), groups, strict=True)
    aside = {item.path for share, group in dealt if share == 0 for item in group}
    if not aside:
        raise LinegateError(
            f"{len(good)} good pictures beside a fold are too few to learn from: collect more"
        )
    return aside


def _check_parts(items: Sequence[Item], k: int) -> None:
    for label, name in ((GOOD, "good"), (DEFECT, "defective")):
        parts = {item.part for item in items if item.label == label}
        if len(parts) < k and (parts or label == GOOD):
            raise LinegateError(
                f"{len(parts)} parts with {name} pictures do not make {k} folds: "
                "collect more parts, or ask for fewer --folds"
            )


def _check_labels(items: Sequence[Item], found: list[int], k: int) -> None:
    """Large parts may leave a fold without a label."""
    counts = Counter(zip(found, (item.label for item in items), strict=True))
    for label in {item.label for item in items}:
        if not all(counts[fold, label] for fold in range(k)):
            raise LinegateError(
                f"the parts are so uneven that one of {k} folds would lack a label: "
                "ask for fewer --folds"
            )
