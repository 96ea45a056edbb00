"""After the run: the ledger's word about every trigger, and the judgement over all parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge.config import SimulatorSettings
from edge.core.manifest import Manifest
from edge.core.messages import Verdict
from edge.core.recipe import Roi
from edge.core.records import InspectionRecord
from edge.demo.summary import Post
from edge.simulate import referee, report
from edge.simulate.belt import Belt
from edge.simulate.pictures import Pictures
from edge.simulate.referee import Case, Finding, Said
from edge.simulate.scenario import Scenario
from edge.simulate.script import Spell, excuses
from edge.simulate.world import Key, World
from edge.store.rows import Inspection


def said_by(rows: Sequence[Inspection], world: World, pictures: Pictures) -> dict[Key, Said]:
    """What the ledger says about each trigger; the picture of every passed part is looked at."""
    numbers = {asked.key: part.number for part in world.parts for asked in part.asked}
    return {
        (row.part_id, row.plc_seq): _said(row, numbers.get((row.part_id, row.plc_seq)), pictures)
        for row in rows
    }


def _said(row: Inspection, number: int | None, pictures: Pictures) -> Said:
    own = None
    if row.verdict is Verdict.PASS and number is not None:
        own = pictures.shows(InspectionRecord.model_validate_json(row.body), number)
    return Said(row.verdict, row.plc_acked, own)


@dataclass(frozen=True, slots=True)
class Books:
    """All that the run left behind."""

    world: World
    rows: Sequence[Inspection]
    plc: dict[str, Any]  # PlcRules.summary
    post: Post
    timing: report.Timing
    undone: tuple[str, ...]  # of the script
    simulator: SimulatorSettings
    roi: Roi | None  # of the recipe's only view
    manifest: Manifest


def close_books(
    scenario: Scenario, belt: Belt, troubles: Sequence[Spell], own_plc: bool, books: Books
) -> tuple[dict[str, Any], list[Finding]]:
    """The figures, and how every promise was kept."""
    world, timing = books.world, books.timing
    said = said_by(books.rows, world, Pictures(books.simulator, books.manifest.face, books.roi))

    def excused(number: int) -> bool:
        return number in timing.held_up or excuses(troubles, belt, number)

    found: list[Case] = referee.cases(world, belt, said, excused)
    result = report.figures(
        found, books.rows, books.plc, books.post, books.simulator, timing, belt.most_in_flight()
    )
    guarantee = books.manifest.thresholds.guarantee
    alpha = guarantee.alpha if guarantee else None
    return result, [
        *referee.judge(found, scenario, own_plc),
        referee.strays(world, own_plc),
        *report.station_findings(result, bool(troubles), alpha, timing),
        report.script_finding(len(troubles), books.undone),
    ]
