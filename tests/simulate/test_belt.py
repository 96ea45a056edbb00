"""Which part is where when: known answers on the small line, and what holds on any."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.errors import ConfigError
from edge.simulate.belt import Belt, Place
from edge.simulate.scenario import Change, Conveyor, Parts, Scenario


def test_first_part_passes_every_place_at_its_time(belt: Belt) -> None:
    """Its front is at the sensor after 200 mm; 100 mm/s; the diverter needs 10 mm."""
    times = {place: belt.when(0, place) for place in Place}
    assert times == pytest.approx(
        {
            Place.SENSOR_ON: 2.0,
            Place.SENSOR_OFF: 3.0,
            Place.CAMERA: 5.5,
            Place.DECISION: 9.9,
            Place.DIVERTER: 10.0,
            Place.OUT: 11.0,
        }
    )


def test_encoder_counts_what_the_belt_moves(belt: Belt) -> None:
    assert belt.count(2.0) == 400
    assert belt.count(belt.when(0, Place.CAMERA)) - belt.count(2.0) == belt.pulses(Place.CAMERA)


def test_camera_looks_at_the_part_below_it_or_at_the_belt(belt: Belt) -> None:
    seen = [belt.before_camera(at_s) for at_s in (4.9, 5.01, 5.99, 6.5, 7.01)]
    assert seen == [None, 0, 0, None, 1]


def test_several_parts_are_in_flight(belt: Belt) -> None:
    assert belt.most_in_flight() == 3  # 450 mm from trigger to diverter, one each 200 mm


def test_as_many_parts_come_as_the_time_allows(small) -> None:
    parts = {"seconds": 10, "length_mm": 100, "spacing_mm": [200, 200]}
    assert Belt(small(parts=parts)).parts == 5  # at 2, 4, 6, 8 and 10 s


def test_belt_that_stops_for_good_with_parts_on_it_is_refused(small) -> None:
    conveyor = {"speed_mm_s": 100, "change": [{"at_s": 5, "speed_mm_s": 0}]}
    with pytest.raises(ConfigError, match="stops for good"):
        Belt(small(conveyor=conveyor))


@st.composite
def scenarios(draw) -> Scenario:
    changes = [
        Change(at_s=5.0 * n, speed_mm_s=draw(st.sampled_from([0, 50, 200, 400])), ramp_s=1)
        for n in range(draw(st.integers(0, 4)))
    ]
    changes.append(Change(at_s=30, speed_mm_s=300))
    return Scenario(
        parts=Parts(
            count=draw(st.integers(1, 40)), seed=draw(st.integers(0, 9)), spacing_mm=(130, 300)
        ),
        conveyor=Conveyor(
            speed_mm_s=draw(st.sampled_from([100, 400])),
            change=tuple(changes),
            repeat_s=draw(st.sampled_from([None, 35])),
        ),
    )


@given(scenarios())
def test_every_part_passes_every_place_once_and_the_order_is_kept(scenario: Scenario) -> None:
    belt = Belt(scenario)
    passings = list(belt.passings())
    assert [p.at_s for p in passings] == sorted(p.at_s for p in passings)
    for place in Place:
        assert [p.number for p in passings if p.place is place] == list(range(belt.parts))
    for number in range(belt.parts):
        times = [belt.when(number, place) for place in Place]
        assert all(before <= after for before, after in pairwise(times))


@given(scenarios())
def test_two_parts_are_never_at_one_place(scenario: Scenario) -> None:
    belt = Belt(scenario)
    for number in range(belt.parts - 1):
        assert belt.when(number, Place.SENSOR_OFF) < belt.when(number + 1, Place.SENSOR_ON)
        assert belt.when(number, Place.OUT) < belt.when(number + 1, Place.DIVERTER)
        assert belt.stands[number][1] < belt.stands[number + 1][0]
        assert belt.before_camera(belt.when(number, Place.CAMERA)) == number
