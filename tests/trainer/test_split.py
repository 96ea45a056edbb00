from collections import Counter, defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.errors import LinegateError
from trainer.data.items import SPLITS, Item
from trainer.data.split import largest_remainder, split

MakeItem = Callable[..., Item]
SHARES = (60, 20, 20)


def test_hundred_parts_with_thirty_defects_are_shared_exactly_for_any_seed(
    make_item: MakeItem,
) -> None:
    items = [make_item(f"{n:03}.png", label=int(n < 30)) for n in range(100)]
    seen = set()
    for seed in range(1000):
        done = split(items, SHARES, seed)
        counts = Counter((item.split, item.label) for item in done)
        assert [counts[name, 1] for name in SPLITS] == [18, 6, 6]
        assert [counts[name, 0] for name in SPLITS] == [42, 14, 14]
        seen.add(tuple(item.path for item in done if item.split == "test"))
    assert len(seen) > 990  # and the draws differ


def test_same_seed_gives_the_same_split_whatever_the_order(make_item: MakeItem) -> None:
    items = [make_item(f"{n:03}.png", label=n % 2) for n in range(50)]
    once, again = (split(order, SHARES, 3) for order in (items, items[::-1]))
    assert {i.path: i.split for i in once} == {i.path: i.split for i in again}


def test_pictures_of_one_part_stay_together(make_item: MakeItem) -> None:
    items = [make_item(f"{n:03}.png", label=n % 4 == 0, part=f"p{n // 3}") for n in range(90)]
    splits = defaultdict(set)
    for item in split(items, SHARES, 0):
        splits[item.part].add(item.split)
    assert all(len(names) == 1 for names in splits.values())


@given(sizes=st.lists(st.integers(1, 6), min_size=30, max_size=60), seed=st.integers(0, 99))
def test_parts_of_any_size_come_close_to_their_shares(sizes: list[int], seed: int) -> None:
    items = [
        Item(f"{p}-{k}", "", p % 3 == 0, "", None, None, f"{p}", None, "", "", 8, 8, 1, b"")
        for p, size in enumerate(sizes)
        for k in range(size)
    ]
    counts = Counter(item.split for item in split(items, SHARES, seed))
    for name, wanted in zip(SPLITS, largest_remainder(len(items), SHARES), strict=True):
        assert abs(counts[name] - wanted) <= 2 * max(sizes)


def test_whole_lots_stay_together_on_demand(make_item: MakeItem) -> None:
    items = [make_item(f"{n:03}.png", label=n % 2, domain=f"lot{n // 10}") for n in range(200)]
    done = split(items, SHARES, 0, by="lot")
    splits = defaultdict(set)
    for item in done:
        splits[item.domain].add(item.split)
    assert all(len(names) == 1 for names in splits.values())
    assert Counter(item.split for item in done) == {"train": 120, "val": 40, "test": 40}


def test_lots_that_cannot_be_kept_together_are_refused(make_item: MakeItem) -> None:
    with pytest.raises(LinegateError, match="part 'p' comes in 2 lots"):
        split([make_item(n, part="p", domain=n) for n in "ab"], SHARES, 0, by="lot")
    with pytest.raises(LinegateError, match="fewer than three lots"):
        split([make_item("a"), make_item("b")], SHARES, 0, by="lot")


@pytest.mark.parametrize(
    ("n", "sizes"), [(30, [18, 6, 6]), (5, [3, 1, 1]), (1, [1, 0, 0]), (8, [5, 2, 1]), (0, [0] * 3)]
)
def test_largest_remainder(n: int, sizes: list[int]) -> None:
    assert largest_remainder(n, SHARES) == sizes
