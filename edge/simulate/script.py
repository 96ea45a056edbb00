"""When which trouble begins and ends, and which parts it may excuse. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.core.errors import ConfigError
from edge.simulate.belt import Belt, Place
from edge.simulate.scenario import Fault, Trouble

RECOVERY_S = 15.0  # after a trouble the station may take so long to be well again


@dataclass(frozen=True, slots=True, order=True)
class Act:
    """A trouble begins or ends."""

    at_s: float
    begins: bool
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class Spell:
    """From when to when a trouble holds; a blow is over at once."""

    trouble: Trouble
    since_s: float
    until_s: float


def spells(faults: Sequence[Fault], belt: Belt) -> list[Spell]:
    """Raises ConfigError if a fault waits for a part or a time that never comes."""
    return [_spell(fault, belt) for fault in faults]


def acts(troubles: Sequence[Spell]) -> list[Act]:
    """What must be done, in the order of time."""
    begun = [Act(spell.since_s, True, spell.trouble) for spell in troubles]
    ended = [Act(s.until_s, False, s.trouble) for s in troubles if not s.trouble.is_a_blow]
    return sorted([*begun, *ended])


def excuses(troubles: Sequence[Spell], belt: Belt, number: int) -> bool:
    """Whether some trouble, or the recovery from it, fell into this part's way."""
    came_s, out_s = belt.when(number, Place.SENSOR_ON), belt.when(number, Place.OUT)
    return any(
        spell.since_s <= out_s and came_s <= spell.until_s + RECOVERY_S for spell in troubles
    )


def _spell(fault: Fault, belt: Belt) -> Spell:
    since_s = _begin_s(fault, belt)
    return Spell(fault.what, since_s, since_s + (fault.for_s or 0.0))


def _begin_s(fault: Fault, belt: Belt) -> float:
    if fault.at_part is None:
        assert fault.at_s is not None
        if fault.at_s >= belt.ends_s:
            raise ConfigError(
                f"fault {fault.what}: at_s {fault.at_s:g}, but the last part is out at "
                f"{belt.ends_s:.1f} s"
            )
        return fault.at_s
    if fault.at_part >= belt.parts:
        raise ConfigError(
            f"fault {fault.what}: at_part {fault.at_part}, but the last part is {belt.parts - 1}"
        )
    return belt.when(fault.at_part, Place.SENSOR_ON)
