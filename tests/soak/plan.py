"""What will be done to the station and when; the same for the same seed. Pure."""

import math
from dataclasses import dataclass
from random import Random

PREDICTOR_GAP_S, PREDICTOR_STOPS_S = 30.0, (0.1, 5.0)
DISK_GAP_S, DISK_STALLS_S = 10.0, (0.02, 2.0)


@dataclass(frozen=True, slots=True)
class Spell:
    """A trouble, in seconds since the first part."""

    at_s: float
    lasts_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    seconds: float
    parts_per_s: float
    seed: int
    predictor: tuple[Spell, ...]
    disk: tuple[Spell, ...]

    @property
    def parts(self) -> int:
        return round(self.seconds * self.parts_per_s)


def make_plan(seconds: float, parts_per_s: float, seed: int) -> Plan:
    """Predictor stops of any length alike; disk stalls of every order of magnitude alike, some
    beyond the parts' deadline. Both come at random, so they also come together."""
    rng = Random(seed)
    stops = [
        Spell(at, rng.uniform(*PREDICTOR_STOPS_S)) for at in _times(rng, seconds, PREDICTOR_GAP_S)
    ]
    low, high = (math.log(limit) for limit in DISK_STALLS_S)
    stalls = [
        Spell(at, math.exp(rng.uniform(low, high))) for at in _times(rng, seconds, DISK_GAP_S)
    ]
    return Plan(seconds, parts_per_s, seed, _apart(stops), _apart(stalls))


def _times(rng: Random, seconds: float, gap_s: float) -> list[float]:
    """Times as of a process without memory, `gap_s` from one to the next on average; at least one,
    so that a short run has something to bear, too."""
    times = [rng.uniform(0.1, 0.5) * min(seconds, gap_s)]
    while (at := times[-1] + rng.expovariate(1 / gap_s)) < seconds:
        times.append(at)
    return times


def _apart(spells: list[Spell]) -> tuple[Spell, ...]:
    """None begins before the one before it is over."""
    kept: list[Spell] = []
    for spell in spells:
        if not kept or spell.at_s > kept[-1].at_s + kept[-1].lasts_s:
            kept.append(spell)
    return tuple(kept)
