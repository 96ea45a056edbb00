"""How far the belt has moved, by edges and by time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.plc.odometer import WRAP, EdgeNumbers, EdgesLost, EncodedBelt, TimedBelt

FORWARD = [("a", True), ("b", True), ("a", False), ("b", False)]
BACKWARD = [("b", True), ("a", True), ("b", False), ("a", False)]


def test_time_alone_moves_a_belt_of_known_speed() -> None:
    belt = TimedBelt(400.0)
    assert belt.at_um(2_500_000_000) - belt.at_um(0) == 1_000_000
    assert belt.when_ns(1_000_000) == 2_500_000_000


@given(st.floats(0.1, 20_000), st.integers(0, 10**12))
def test_belt_stands_where_it_should_when_it_said_it_would(mm_s: float, at_um: int) -> None:
    belt = TimedBelt(mm_s)
    when_ns = belt.when_ns(at_um)
    assert when_ns is not None and belt.at_um(when_ns) >= at_um


def test_one_channel_counts_pulses_forward() -> None:
    belt = EncodedBelt(2.5)
    for _ in range(3):
        belt.edge("a", True)
    assert belt.at_um(0) == 7500 and belt.when_ns(1) is None


@pytest.mark.parametrize(("edges", "um"), [(FORWARD, 2000), (BACKWARD, -2000)])
def test_two_channels_know_the_direction(edges: list[tuple[str, bool]], um: int) -> None:
    belt = EncodedBelt(2.0, False, False)
    for edge in edges:
        belt.edge(*edge)
    assert belt.at_um(0) == um


def test_channels_may_stand_anywhere_at_the_start() -> None:
    belt = EncodedBelt(4.0, True, True)
    belt.edge("a", False)
    assert belt.at_um(0) == 1000


def test_belt_that_shakes_on_an_edge_stays_where_it_is() -> None:
    belt = EncodedBelt(4.0, False, False)
    for _ in range(1000):
        belt.edge("a", True)
        belt.edge("a", False)
    assert belt.at_um(0) == 0


def test_two_edges_of_the_same_kind_say_that_one_was_lost() -> None:
    belt = EncodedBelt(4.0, False, False)
    belt.edge("a", True)
    with pytest.raises(EdgesLost):
        belt.edge("a", True)


@given(st.lists(st.booleans(), max_size=200))
def test_way_back_is_the_way_there(steps: list[bool]) -> None:
    belt = EncodedBelt(4.0, False, False)
    at = 0
    for forward in steps:
        at += 1 if forward else -1
        channel, rising = FORWARD[(at - 1) % 4] if forward else _undone(FORWARD[at % 4])
        belt.edge(channel, rising)
    assert belt.at_um(0) == at * 1000


def _undone(edge: tuple[str, bool]) -> tuple[str, bool]:
    return edge[0], not edge[1]


def test_numbers_of_edges_wrap_without_a_gap() -> None:
    numbers = EdgeNumbers()
    follow = [numbers.follows(n % WRAP) for n in range(WRAP - 3, WRAP + 3)]
    assert all(follow) and numbers.follows(3)
    assert not numbers.follows(5)
    assert numbers.follows(6)
