"""Cut a data set into train, val and test: by whole parts, and with each label's share exact.

The sizes come from the largest remainder (Hamilton): 100 parts with 30 defective at 60/20/20
give 18, 6 and 6 defective ones, whatever the seed.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

from trainer.data.items import SPLITS, Item

Shares = tuple[int, int, int]  # of train, val and test, in percent
Label = int | None


def largest_remainder(n: int, shares: Sequence[int]) -> list[int]:
    """Whole numbers that add up to n, each within one of its exact share; ties to the first."""
    exact = [n * share / sum(shares) for share in shares]
    sizes = [int(e) for e in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: sizes[i] - exact[i])
    for i in by_remainder[: n - sum(sizes)]:
        sizes[i] += 1
    return sizes


def split(items: Sequence[Item], shares: Shares, seed: int) -> list[Item]:
    """Items with their split set. Large parts are placed first, where they fill the need best."""
    left = _wanted(items, shares)
    placed = []
    for part in _shuffled_parts(items, seed):
        labels = Counter(item.label for item in part)
        best = max(SPLITS, key=lambda name: _need(left[name], labels))
        for label, n in labels.items():
            left[best][label] -= n
        placed += [item.moved(best) for item in part]
    return placed


def _wanted(items: Sequence[Item], shares: Shares) -> dict[str, dict[Label, int]]:
    """Pictures of each label that each split shall get."""
    wanted: dict[str, dict[Label, int]] = {name: {} for name in SPLITS}
    for label, n in Counter(item.label for item in items).items():
        for name, size in zip(SPLITS, largest_remainder(n, shares), strict=True):
            wanted[name][label] = size
    return wanted


def _need(left: dict[Label, int], labels: Counter[Label]) -> float:
    """How well a part fits: what a split still lacks of the part's labels."""
    return sum(n * left[label] for label, n in labels.items())


def _shuffled_parts(items: Sequence[Item], seed: int) -> list[list[Item]]:
    parts = defaultdict(list)
    for item in sorted(items, key=lambda item: item.path):
        parts[item.part].append(item)
    ordered = list(parts.values())
    random.Random(seed).shuffle(ordered)
    return sorted(ordered, key=len, reverse=True)
