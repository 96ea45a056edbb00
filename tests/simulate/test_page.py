"""docs/simulate.md knows every trouble, every promise and every topic."""

from pathlib import Path

from edge.simulate import referee, report
from edge.simulate.belt import Belt
from edge.simulate.scenario import Scenario, Trouble, load_scenario
from edge.simulate.their_plc import IoTopics
from edge.simulate.world import World

TEXT = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text()


def test_every_trouble_is_on_the_page() -> None:
    assert [what for what in Trouble if f"`{what}`" not in TEXT] == []


def test_every_topic_is_on_the_page() -> None:
    topics = IoTopics(Scenario().layout.io_topics)
    names = [name for name, value in vars(IoTopics).items() if isinstance(value, property)]
    assert [name for name in names if f"`{getattr(topics, name)}`" not in TEXT] == []


def test_every_promise_is_on_the_page_with_its_mend(small, belt: Belt, world: World) -> None:
    figures = {
        "plc": {}, "parts": 0, "inspections": 0, "verdicts": {"pass": 0, "rework": 0}, "went_by": 0,
        "truth": {"escapes": 0, "n_defect": 0, "n_good": 0, "overkill": 0},
        "records": 0, "delivered": 0,
    }  # fmt: skip
    timing = report.Timing(0, 0)
    found = [
        *referee.judge([], small(), own_plc=True),
        referee.strays(world, own_plc=True),
        *report.station_findings(figures, False, 0.05, timing),
        report.script_finding(0, ()),
    ]
    names = [finding.rule.partition(":")[0] for finding in found]
    assert [name for name in names if f"| {name} |" not in TEXT] == []
    assert (
        len(set(names))
        == TEXT.partition("## The promises")[2].partition("**A part")[0].count("\n| ") - 1
    )


def test_example_of_the_page_is_a_line_that_works(tmp_path: Path) -> None:
    file = tmp_path / "line.toml"
    file.write_text(TEXT.partition("```toml\n")[2].partition("```")[0])
    assert Belt(load_scenario(file)).parts == 1000
