"""Folds: whole parts, labels shared exactly, nothing left out is learnt."""

from collections import Counter, defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.errors import LinegateError
from trainer.data.folds import folds, sides
from trainer.data.items import DEFECT, GOOD, Item

MakeItem = Callable[..., Item]
LABELS = st.lists(st.sampled_from([GOOD, DEFECT]), min_size=20, max_size=80)


def picture(part: int, number: int, label: int) -> Item:
    path = f"{part}-{number}"
    return Item(path, "", label, "", None, None, f"{part}", None, "", "", 8, 8, 1, b"")


@given(
    good=st.integers(5, 60), defects=st.integers(5, 40), k=st.integers(2, 5), seed=st.integers(0, 9)
)
def test_single_parts_are_shared_to_within_one_per_label(
    good: int, defects: int, k: int, seed: int
) -> None:
    items = [picture(n, 0, int(n < defects)) for n in range(good + defects)]
    counts = Counter(zip((item.label for item in items), folds(items, k, seed), strict=True))
    for label in (GOOD, DEFECT):
        sizes = [counts[label, fold] for fold in range(k)]
        assert max(sizes) - min(sizes) <= 1


@given(sizes=st.lists(st.integers(1, 6), min_size=30, max_size=60), seed=st.integers(0, 9))
def test_no_part_is_in_two_folds(sizes: list[int], seed: int) -> None:
    items = [
        picture(part, k, int((part + k) % 3 == 0))  # parts of both labels, too
        for part, size in enumerate(sizes)
        for k in range(size)
    ]
    seen = defaultdict(set)
    for item, fold in zip(items, folds(items, 4, seed), strict=True):
        seen[item.part].add(fold)
    assert all(len(found) == 1 for found in seen.values())


@given(labels=LABELS, seed=st.integers(0, 9))
def test_every_picture_is_left_out_once_and_never_learnt_then(labels: list[int], seed: int) -> None:
    labels = [GOOD] * 10 + [DEFECT] * 5 + labels
    items = [picture(n, 0, label) for n, label in enumerate(labels)]
    found = sides(items, 5, seed)
    assert sorted(n for side in found for n in side.left_out) == list(range(len(items)))
    for side in found:
        together = [*side.learnt, *side.aside, *side.left_out]
        assert sorted(together) == list(range(len(items)))
        assert side.aside and {items[n].label for n in side.aside} == {GOOD}


def test_seed_decides_and_order_does_not() -> None:
    items = [picture(n, 0, int(n < 10)) for n in range(40)]
    once, again = folds(items, 5, 3), folds(items[::-1], 5, 3)
    assert once == again[::-1] and once != folds(items, 5, 4)


def test_good_pictures_alone_make_folds() -> None:
    assert Counter(folds([picture(n, 0, GOOD) for n in range(20)], 5, 0)) == dict.fromkeys(
        range(5), 4
    )


def test_too_few_good_pictures_to_learn_from_are_refused() -> None:
    items = [picture(n, 0, int(n < 8)) for n in range(12)]
    with pytest.raises(LinegateError, match="2 good pictures beside a fold are too few"):
        sides(items, 2, 0)


@pytest.mark.parametrize(("good", "defects", "name"), [(4, 9, "4 .* good"), (9, 4, "4 .* defect")])
def test_fewer_parts_than_folds_are_refused(good: int, defects: int, name: str) -> None:
    items = [picture(n, 0, int(n < defects)) for n in range(good + defects)]
    with pytest.raises(LinegateError, match=f"{name}.* do not make 5 folds"):
        folds(items, 5, 0)


def test_many_pictures_of_few_parts_are_few_parts() -> None:
    items = [picture(n % 3, n, DEFECT) for n in range(30)] + [picture(n, 0, GOOD) for n in range(9)]
    with pytest.raises(LinegateError, match="3 parts with defective pictures"):
        folds(items, 5, 0)
