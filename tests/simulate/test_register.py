"""The shift register finds each part again where the belt has brought it."""

from hypothesis import given
from hypothesis import strategies as st

from edge.simulate.register import Reached, ShiftRegister, Station

CAMERA, DIVERTER, CLEAR = Station


def register() -> ShiftRegister:
    return ShiftRegister({CAMERA: 100, DIVERTER: 250, CLEAR: 300})


def test_part_reaches_each_station_once_at_its_count() -> None:
    line = register()
    assert line.enter(1000) == 0
    assert line.scan(1099) == []
    assert line.scan(1100) == [Reached(1100, 0, CAMERA)]
    assert line.scan(1100) == []
    assert line.scan(1400) == [Reached(1250, 0, DIVERTER), Reached(1300, 0, CLEAR)]


def test_parts_in_flight_are_kept_apart() -> None:
    line = register()
    line.enter(0)
    line.enter(90)
    line.enter(180)
    assert line.scan(260) == [
        Reached(100, 0, CAMERA),
        Reached(190, 1, CAMERA),
        Reached(250, 0, DIVERTER),
    ]


@given(
    st.lists(st.integers(60, 500), min_size=1, max_size=30),
    st.lists(st.integers(1, 300), min_size=1, max_size=60),
)
def test_every_part_reaches_every_station_in_order_however_rare_the_scans(
    spacings: list[int], steps: list[int]
) -> None:
    line, reached, count, next_at = register(), [], 0, 0
    waiting = list(spacings)
    for step in [*steps, 100_000]:
        count += step
        while waiting and next_at + waiting[0] <= count:
            next_at += waiting.pop(0)
            line.enter(next_at)
        reached += line.scan(count)
    for station in Station:
        numbers = [each.number for each in reached if each.station is station]
        assert numbers == list(range(len(spacings)))
