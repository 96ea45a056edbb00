"""`linegate bench`: rows that compare rightly, and a short run of the real thing."""

import json
from random import Random

import pytest
from click.testing import CliRunner

from edge.__main__ import main
from edge.bench.line import Desk
from edge.bench.table import RAW, Budget, at_least, at_most, in_words, timed
from edge.bench.ways import WARM_UP, times_ms
from edge.plc.rules import Lane, Moved


def test_row_is_compared_with_the_raw_model() -> None:
    row = timed("x", [3.0, 3.5, 4.0], 2.5, Budget(1.0, 2.0))
    assert (row.p50_ms, row.added_ms, row.ratio) == (3.5, 1.0, 1.4)
    assert row.met and row.budget == "+1 ms, p99 +2"


@pytest.mark.parametrize(
    ("times", "budget", "met"),
    [
        ([3.6], Budget(1.0), False),
        ([3.0] * 90 + [9.0] * 10, Budget(1.0), True),
        ([3.0] * 90 + [9.0] * 10, Budget(1.0, 2.0), False),
        ([3.0], Budget(2.9, over_raw=False), False),
        ([3.0], Budget(3.0, over_raw=False), True),
    ],
)
def test_budget_is_kept_or_missed(times: list[float], budget: Budget, met: bool) -> None:
    assert timed("x", times, 2.5, budget).met is met


def test_figures_that_are_no_times_have_their_unit() -> None:
    rows = [at_most("memory", 301, "MB", 300), at_least("rate", 150, "parts/s", 150)]
    assert [row.met for row in rows] == [False, True]
    lines = in_words([timed(RAW, [1.0, 2.0], None), *rows])
    assert "MISSED" in lines[2] and "301 MB" in lines[2] and "150 parts/s" in lines[3]


def test_every_way_is_called_in_every_round() -> None:
    calls: list[str] = []
    ways = {name: (lambda name=name: calls.append(name)) for name in "abc"}
    spent = times_ms(ways, 5, Random(1))
    assert {name: len(times) for name, times in spent.items()} == dict.fromkeys("abc", 5)
    assert [set(calls[n : n + 3]) for n in range(0, len(calls), 3)] == [set("abc")] * (WARM_UP + 5)


class Plc:
    def trigger(self, part_id: str, deadline_ms: int, recipe: str) -> int:
        return 1


def test_part_takes_from_its_trigger_to_its_lane_and_a_part_under_way_has_no_time() -> None:
    desk = Desk()
    for part in ("calm-1", "calm-2", "busy-1"):
        desk.trigger(Plc(), part, "plain")  # type: ignore[arg-type]
    for part, lane in (("calm-1", Lane.PASS), ("calm-2", Lane.REVIEW), ("busy-1", Lane.REWORK)):
        desk.moved(Moved(part, 1, lane, ""))
    assert set(desk.took_ms("calm")) == {"calm-1"} and set(desk.took_ms("busy")) == {"busy-1"}


@pytest.mark.system
@pytest.mark.slow
def test_bench_measures_a_whole_station() -> None:
    result = CliRunner().invoke(main, ["bench", "--rounds", "10", "--seconds", "1", "--json"])
    assert result.exit_code in (0, 1), result.output  # 1: a budget is missed, as on a busy box
    rows = {row["name"]: row for row in json.loads(result.output.splitlines()[-1])["rows"]}
    assert rows[RAW]["p50_ms"] < rows["HTTP, JSON numbers"]["p50_ms"]
    assert rows["verdicts missed, late, double, unmatched"]["value"] == 0
    assert rows["judged, durable, answered, of 150 parts/s"]["value"] > 1
    assert {row["met"] for row in rows.values()} <= {True, False, None}
