"""Cut a data set into train, val and test: by whole parts or lots, each label shared exactly.

The sizes come from the largest remainder (Hamilton): 100 parts with 30 defective at 60/20/20
give 18, 6 and 6 defective ones, whatever the seed.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

from edge.core.errors import LinegateError
from trainer.data.items import SPLITS, Item

Shares = tuple[int, int, int]  # of train, val and test, in percent
Label = int | None
By = Literal["part", "lot"]


def largest_remainder(n: int, shares: Sequence[int]) -> list[int]:
    """Whole numbers that add up to n, each within one of its exact share; ties to the first."""
    exact = [n * share / sum(shares) for share in shares]
    sizes = [int(e) for e in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: sizes[i] - exact[i])
    for i in by_remainder[: n - sum(sizes)]:
        sizes[i] += 1
    return sizes


def split(items: Sequence[Item], shares: Shares, seed: int, by: By = "part") -> list[Item]:
    """Items with their split set. Large groups are placed first, where they fill the need best.

    `by` lot keeps whole lots (column `domain`) together: then the exam asks for lots that were
    never seen. Raises LinegateError if there are too few lots, or a part in two of them.
    """
    if by == "lot":
        _check_lots(items)
    groups = shuffled(items, seed, by)
    dealt = zip(deal(groups, shares), groups, strict=True)
    return [item.moved(SPLITS[best]) for best, group in dealt for item in group]


def deal(groups: Sequence[Sequence[Item]], shares: Sequence[int]) -> list[int]:
    """Which of the shares each group goes to: always where it fills the need of its labels best.
    Give large groups first."""
    left = _wanted([item for group in groups for item in group], shares)
    dealt = []
    for group in groups:
        labels = Counter(item.label for item in group)
        dealt.append(max(range(len(shares)), key=lambda n: _need(left[n], labels)))
        for label, n in labels.items():
            left[dealt[-1]][label] -= n
    return dealt


def _wanted(items: Sequence[Item], shares: Sequence[int]) -> list[dict[Label, int]]:
    """Pictures of each label that each share shall get."""
    wanted: list[dict[Label, int]] = [{} for _ in shares]
    for label, n in Counter(item.label for item in items).items():
        for own, size in zip(wanted, largest_remainder(n, shares), strict=True):
            own[label] = size
    return wanted


def _need(left: dict[Label, int], labels: Counter[Label]) -> float:
    """How well a group fits: what a split still lacks of its labels."""
    return sum(n * left[label] for label, n in labels.items())


def _check_lots(items: Sequence[Item]) -> None:
    lots = defaultdict(set)
    for item in items:
        lots[item.part].add(item.domain)
    torn = next((part for part, its in lots.items() if len(its) > 1), None)
    if torn is not None:
        raise LinegateError(f"part {torn!r} comes in {len(lots[torn])} lots: split by part")
    if len({item.domain for item in items}) < len(SPLITS):
        raise LinegateError("fewer than three lots (column `domain`): split by part")


def shuffled(items: Sequence[Item], seed: int, by: By = "part") -> list[list[Item]]:
    """The parts (or lots) in an order that only the seed decides, but large ones first."""
    groups = defaultdict(list)
    for item in sorted(items, key=lambda item: item.path):
        groups[item.part if by == "part" else item.domain].append(item)
    ordered = list(groups.values())
    random.Random(seed).shuffle(ordered)
    return sorted(ordered, key=len, reverse=True)
