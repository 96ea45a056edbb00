"""Our own PLC without a broker: it follows the parts; what it cannot ask about is rework."""

import pytest

from edge.camera.parts import part_id
from edge.config import Plc
from edge.plc.rules import Lane
from edge.simulate.belt import Belt, Passing, Place
from edge.simulate.diverter import Diverter
from edge.simulate.own_plc import OwnPlc
from edge.simulate.world import Asked, Ordered, World


class Rig:
    """The PLC at the small line, scanned every 10 ms; `late_s`: how late this machine is."""

    def __init__(self, small, lane_of) -> None:
        scenario = small()
        self.belt = Belt(scenario)
        self.world = World(self.belt, Diverter(0.05))
        self.told: list[object] = []
        self.late_s = 0.0
        self._at_s = 0.0
        self.plc = OwnPlc(
            scenario, self.belt, Plc(port=1), self.tell, lambda: self._at_s + self.late_s, lane_of
        )

    def tell(self, event) -> None:
        self.told.append(event)
        self.world.take(event)

    def run(self) -> list[bool]:
        """Whether each part went by."""
        turn = 0
        while self.world.busy:
            self._at_s = turn / 100
            for passing in self.world.advance(self._at_s):
                part = self.world.parts[passing.number]
                self.plc.passing(passing, self.belt.count(passing.at_s), part)
            self.plc.scan(self.belt.count(self._at_s), self._at_s)
            turn += 1
        self.plc.close()
        return [part.let_by for part in self.world.parts]


@pytest.fixture
def rig(small):
    return lambda lane_of: Rig(small, lane_of)


def test_without_a_broker_every_part_is_thrown(rig) -> None:
    assert rig(lambda line, seq: line.lane(seq)).run() == [False] * 5


def test_each_part_goes_where_its_own_lane_is(rig) -> None:
    lanes = [Lane.PASS, Lane.REWORK, Lane.PASS, Lane.REVIEW, None]
    played = rig(lambda line, seq: lanes[seq - first(played)])
    assert played.run() == [True, False, True, False, False]
    assert not any(part.diverter_moved for part in played.world.parts)
    asked = [event for event in played.told if isinstance(event, Asked)]
    assert [event.key[0] for event in asked] == [part_id(number) for number in range(5)]
    assert [played.belt.before_camera(event.at_s) for event in asked] == list(range(5))


def first(played: Rig) -> int:
    return next(event.key[1] for event in played.told if isinstance(event, Asked))


def test_trigger_that_would_come_too_late_is_not_sent(rig) -> None:
    """A quarter of the half second for which the part still stands before the camera."""
    played = rig(lambda line, seq: Lane.PASS)
    played.late_s = 0.126
    assert played.run() == [False] * 5
    assert played.plc.held_up == set(range(5))
    assert not any(isinstance(event, Asked) for event in played.told)


def test_orders_are_stamped_with_the_time_of_their_turn(rig) -> None:
    played = rig(lambda line, seq: Lane.PASS)
    played.late_s = 0.12
    assert played.run() == [True] * 5
    opened = [event.at_s for event in played.told if isinstance(event, Ordered) and event.let_by]
    decisions = [played.belt.when(number, Place.DECISION) for number in range(5)]
    assert opened == pytest.approx(decisions, abs=0.011)


def test_plc_sees_no_more_of_the_belt_than_its_sensor(rig) -> None:
    played = rig(lambda line, seq: Lane.PASS)
    for place in set(Place) - {Place.SENSOR_ON}:
        played.plc.passing(Passing(1.0, 0, place), 100, played.world.parts[0])
    played.plc.scan(100_000, 100.0)
    played.plc.close()
    assert played.told == []
