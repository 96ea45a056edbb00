"""The rig itself, for ten seconds: real jobs under load, stopped and stalled, stay safe; and a
line that is not is found. How fast it was is not asserted: `make soak` measures."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from edge.plc.rules import Lane
from soak import report, rig
from soak.books import Evidence, goals
from soak.plan import Plan, make_plan

pytestmark = [pytest.mark.system, pytest.mark.slow]

OF_TIME = ("verdict by deadline", "told by deadline", "descriptors")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(10, 10, seed=1)


@pytest.fixture(scope="module")
def evidence(plan: Plan) -> Iterator[Evidence]:
    lack = rig.lacking()
    if lack is not None:
        pytest.skip(lack)
    with TemporaryDirectory(prefix="lg") as name:  # short: Unix sockets lie below it
        yield rig.soak(plan, Path(name), sample_s=1.0)


def test_loaded_stopped_and_stalled_station_lets_nothing_escape(evidence: Evidence) -> None:
    found = [goal for goal in goals(evidence) if not goal.name.startswith(OF_TIME)]
    assert [goal for goal in found if goal.met is False] == []
    seen = evidence.outcome.sightings
    assert len(seen) == 100
    assert {each.lane for each in seen} == {Lane.PASS, Lane.REWORK}
    assert set(evidence.trends) == set(rig.NAMES)


def test_part_that_goes_on_against_the_gates_word_is_found(evidence: Evidence) -> None:
    reworked = next(s for s in evidence.outcome.sightings if s.lane is Lane.REWORK)
    taken = replace(reworked, lane=Lane.PASS)
    sightings = tuple(taken if s is reworked else s for s in evidence.outcome.sightings)
    outcome = replace(evidence.outcome, sightings=sightings)
    escapes = next(g for g in goals(replace(evidence, outcome=outcome)) if "escapes" in g.name)
    assert escapes.met is False and escapes.parts[0].startswith(reworked.part_id)


def test_report_says_all_goals_in_both_forms(
    evidence: Evidence, plan: Plan, tmp_path: Path
) -> None:
    found = goals(evidence)
    report.write(tmp_path, report.as_dict(plan, evidence), found)
    assert len(json.loads((tmp_path / "soak.json").read_text())["goals"]) == len(found)
    page = (tmp_path / "soak.md").read_text()
    assert all(goal.name in page for goal in found)
