"""Troubles begin and end in time, and excuse only the parts that they can have touched."""

import pytest

from edge.core.errors import ConfigError
from edge.simulate.belt import Belt
from edge.simulate.line import plan
from edge.simulate.scenario import Fault, Trouble
from edge.simulate.script import RECOVERY_S, Act, acts, excuses, spells


def test_script_is_in_order_and_a_blow_has_no_end(belt: Belt) -> None:
    """Part 1 is at the sensor at 4 s."""
    faults = (
        Fault(what=Trouble.CAMERA_LOST, at_s=3, for_s=2),
        Fault(what=Trouble.GATE_KILLED, at_part=1),
    )
    assert acts(spells(faults, belt)) == [
        Act(3.0, True, Trouble.CAMERA_LOST),
        Act(4.0, True, Trouble.GATE_KILLED),
        Act(5.0, False, Trouble.CAMERA_LOST),
    ]


def test_trouble_excuses_who_was_on_the_way_or_came_in_the_recovery(small) -> None:
    """Part n is on its way from 2 + 2n to 11 + 2n s."""
    belt = Belt(small(count=30))
    found = spells((Fault(what=Trouble.CAMERA_LOST, at_s=20, for_s=1),), belt)
    excused = [number for number in range(30) if excuses(found, belt, number)]
    assert excused == list(range(5, (21 + int(RECOVERY_S) - 2) // 2 + 1))


def test_fault_at_a_part_that_never_comes_is_refused(belt: Belt) -> None:
    with pytest.raises(ConfigError, match="the last part is 4"):
        spells((Fault(what=Trouble.GATE_KILLED, at_part=5),), belt)


@pytest.mark.parametrize(
    ("what", "own_plc", "own_broker"),
    [(Trouble.PLC_SILENT, False, True), (Trouble.BROKER_AWAY, True, False)],
)
def test_trouble_for_what_is_not_ours_is_refused(small, what, own_plc, own_broker) -> None:
    scenario = small(fault=[{"what": what, "at_s": 1, "for_s": 1}])
    assert plan(scenario, own_plc=True, own_broker=True).troubles
    with pytest.raises(ConfigError, match="is not ours"):
        plan(scenario, own_plc, own_broker)


def test_fault_after_the_last_part_is_refused(belt: Belt) -> None:
    late = Fault(what=Trouble.GATE_KILLED, at_s=belt.ends_s)
    with pytest.raises(ConfigError, match=r"the last part is out at 19\.0 s"):
        spells((late,), belt)
