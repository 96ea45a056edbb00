"""The plan of the troubles: seeded, apart from each other, as long as wanted."""

from itertools import pairwise

import pytest

from soak.plan import DISK_STALLS_S, PREDICTOR_STOPS_S, make_plan


def test_same_seed_gives_the_same_plan_and_another_one_does_not() -> None:
    assert make_plan(600, 10, seed=3) == make_plan(600, 10, seed=3)
    assert make_plan(600, 10, seed=3).disk != make_plan(600, 10, seed=4).disk


@pytest.mark.parametrize("seconds", [1.0, 20.0, 3600.0])
def test_troubles_come_one_after_the_other_and_always_at_least_once(seconds: float) -> None:
    plan = make_plan(seconds, 10, seed=1)
    assert plan.parts == seconds * 10
    for spells, (least_s, most_s) in (
        (plan.predictor, PREDICTOR_STOPS_S),
        (plan.disk, DISK_STALLS_S),
    ):
        assert spells and all(spell.at_s < seconds for spell in spells)
        assert all(least_s <= spell.lasts_s <= most_s for spell in spells)
        assert all(a.at_s + a.lasts_s < b.at_s for a, b in pairwise(spells))


def test_hour_brings_a_hundred_stops_and_three_hundred_stalls() -> None:
    plan = make_plan(3600, 10, seed=1)
    assert 70 < len(plan.predictor) < 150 and 200 < len(plan.disk) < 450
    assert any(spell.lasts_s > 0.5 for spell in plan.disk)  # longer than a part may take
