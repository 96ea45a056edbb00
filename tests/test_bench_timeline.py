"""`make timeline`: every point that it names is still on a part's way."""

from pathlib import Path

import pytest
from bench.timeline import __main__ as timeline
from bench.timeline import points as at
from click.testing import CliRunner

from edge.plc.broker import find_mosquitto


@pytest.mark.system
@pytest.mark.slow
def test_every_part_comes_by_every_point(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    passed = timeline.run(tmp_path, 2.0, 10.0)
    assert len(passed) == 20
    for part in passed.values():
        assert all(part[at.SENT] <= part[point] for point in at.WAY)  # else: no such point
        assert part[at.FRAMES] < part[at.ANSWERED] < part[at.CLOSED] < part[at.PUBLISHES]
        assert part[at.PUBLISHES] < part[at.ARRIVED]  # perhaps before paho is done with it
        assert part[at.OPENING] < part[at.OPENED] < part[at.CLOSED]


def test_table_names_each_step_once_and_counts_what_is_left_out() -> None:
    part = {point: n * 1_000_000 for n, point in enumerate(at.WAY)}
    part |= {at.OPENING: 0, at.OPENED: 2_500_000}
    lost = {at.SENT: 0}
    rows = timeline.table([part, part, lost])
    assert rows[0].startswith("2 of 3 parts")
    assert [row[:50].strip() for row in rows[2:-1]] == list(at.WAY[1:])
    assert rows[2].split()[-3:] == ["1.000", "1.000", "1.000"]
    assert rows[-2].split()[-1] == "20.000"
    assert rows[-1].split()[-2:] == ["2.500", "2.500"]


def test_table_of_no_whole_part_says_so() -> None:
    (said,) = timeline.table([{at.SENT: 0}])
    assert "none of 1 parts" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--seconds", "2", "--rate", "5"], "too few"), (["--rate", "0"], "range")],
)
def test_load_that_shows_nothing_is_refused(options: list[str], said: str) -> None:
    result = CliRunner().invoke(timeline.main, options)
    assert result.exit_code == 2 and said in result.output
