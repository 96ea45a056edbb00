"""Spans behave as the sets of numbers that they stand for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.core.spans import common, contains, holes, minus, unbroken, union

numbers = st.sets(st.integers(1, 40))


def spans(members):
    return union((n, n) for n in members)


def members(parts):
    return {n for first, last in parts for n in range(first, last + 1)}


def is_tidy(parts):
    return all(first <= last for first, last in parts) and all(
        before[1] + 1 < after[0] for before, after in pairwise(parts)
    )


@given(numbers, numbers)
def test_union_minus_and_common_are_those_of_sets(one, other):
    a, b = spans(one), spans(other)
    for result, expected in (
        (union(a, b), one | other),
        (minus(a, b), one - other),
        (common(a, b), one & other),
    ):
        assert members(result) == expected
        assert is_tidy(result)


@given(numbers)
def test_holes_are_what_lacks_below_the_largest(held):
    assert members(holes(spans(held))) == set(range(1, max(held, default=0))) - held


@given(numbers, st.integers(0, 41))
def test_contains_and_unbroken(held, number):
    assert contains(spans(held), number) == (number in held)
    run = unbroken(spans(held))
    assert set(range(1, run + 1)) <= held
    assert run + 1 not in held


def test_backward_spans_are_empty():
    assert union([(5, 4)], [(1, 0)]) == ()
