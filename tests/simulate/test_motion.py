"""Where the belt is when: known answers, and what holds for any script of changes."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.simulate.motion import Motion
from edge.simulate.scenario import Change, Conveyor


def conveyor(*changes: tuple[float, float, float], speed: float = 100.0, repeat_s=None) -> Conveyor:
    """Changes as (at_s, speed_mm_s, ramp_s)."""
    made = tuple(Change(at_s=at, speed_mm_s=v, ramp_s=ramp) for at, v, ramp in changes)
    return Conveyor(speed_mm_s=speed, change=made, repeat_s=repeat_s)


@pytest.mark.parametrize(
    ("at_s", "way_mm"),
    [
        (0, 0),
        (2, 200),  # 100 mm/s up to here
        (3, 325),  # 2 s ramp to 200 mm/s: its first half at 100..150
        (4, 500),  # all of it: 2 s at 150 on average
        (6, 900),
        (6.5, 975),  # brakes to 0 within 1 s: half a second at 200..100
        (9, 1000),
    ],
)
def test_way_on_a_ramp_is_the_area_below_the_speed(at_s: float, way_mm: float) -> None:
    motion = Motion(conveyor((2, 200, 2), (6, 0, 1)))
    assert motion.travelled(at_s) == pytest.approx(way_mm)


def test_belt_that_stops_for_good_never_gets_further() -> None:
    motion = Motion(conveyor((6, 0, 1)))
    assert motion.travelled(7) == motion.travelled(1000) == pytest.approx(650)
    assert motion.when(650) == pytest.approx(7)
    assert motion.when(650.01) == inf


def test_part_comes_to_a_place_before_the_stop_that_keeps_it_there() -> None:
    motion = Motion(conveyor((1, 0, 0), (5, 100, 0)))
    assert motion.when(100) == pytest.approx(1)
    assert motion.when(101) == pytest.approx(5.01)


def test_changes_are_repeated_from_the_speed_that_holds_then() -> None:
    motion = Motion(conveyor((1, 0, 0), (2, 50, 0), repeat_s=10))
    assert motion.travelled(10) == pytest.approx(100 + 8 * 50)
    assert motion.travelled(12) == pytest.approx(500 + 50)  # 1 s at 50, then it stands again
    assert motion.travelled(22) == pytest.approx(1000 + 0)


@st.composite
def conveyors(draw) -> Conveyor:
    changes, at_s = [], 0.0
    for _ in range(draw(st.integers(0, 6))):
        at_s += draw(st.floats(0, 20))
        ramp_s = draw(st.sampled_from([0.0, 0.1, 3.0]))
        speed = draw(st.sampled_from([0.0, 1.0, 250.0, 1000.0]))
        changes.append((at_s, speed, ramp_s))
        at_s += ramp_s
    changes.append((at_s, 100.0, 0.5))  # it runs again at the end
    return conveyor(*changes, speed=draw(st.sampled_from([1.0, 300.0])))


@given(conveyors(), st.lists(st.floats(0, 200), min_size=2, max_size=20))
def test_belt_never_moves_back(made: Conveyor, times: list[float]) -> None:
    motion = Motion(made)
    ways = [motion.travelled(at_s) for at_s in sorted(times)]
    assert all(before <= after + 1e-6 for before, after in pairwise(ways))


@given(conveyors(), st.floats(0, 5000))
def test_when_is_the_first_time_at_which_it_has_moved_so_far(made: Conveyor, way_mm: float) -> None:
    motion = Motion(made)
    at_s = motion.when(way_mm)
    assert motion.travelled(at_s) == pytest.approx(way_mm, abs=1e-3)
    assert motion.travelled(max(0.0, at_s - 0.01)) <= way_mm + 1e-3
