"""Serials on a whole station: printed on the parts, read from the frame, passed once."""

import json
import signal
import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from line import TestLine, station, wait_for

from edge.__main__ import main
from edge.core.messages import Reason, StateWord, Verdict
from edge.explain import explain
from edge.store.reader import LedgerReader
from edge.store.rows import Inspection

pytestmark = [pytest.mark.system, pytest.mark.slow]

FRAMES = 'width_px = 864\nheight_px = 480\ncodes = "data_matrix"'
VIEWS = """\
[[views]]
roi = { x_px = 112, y_px = 0, w_px = 640, h_px = 480 }
[views.code]
roi = { x_px = 0, y_px = 0, w_px = 112, h_px = 480 }
pattern = "SIM-[0-9]{6}"
is_part_id = true
"""


@pytest.fixture(scope="module")
def line() -> Iterator[TestLine]:
    with station(frames=FRAMES, views=VIEWS) as line:
        yield line


def inspected(line: TestLine, serial: str, count: int) -> tuple[Inspection, ...]:
    """All inspections of a serial, once there are so many with a verdict."""
    reader = LedgerReader(line.config.ledger_path)

    def there() -> tuple[Inspection, ...]:
        found = reader.of_serial(serial, 99)
        return found if len(found) == count else ()

    return wait_for(there, 10, lambda: f"{serial}: {reader.of_serial(serial, 99)}")


def passed_one(line: TestLine) -> str:
    """The serial of a new part that has passed."""
    for _ in range(20):
        serial = f"SIM-{line.number:06d}"
        line.feed(1)
        if inspected(line, serial, 1)[0].verdict is Verdict.PASS:
            return serial
    raise AssertionError("no part of twenty passed")


def told(line: TestLine, serial: str, count: int) -> tuple[Verdict | None, tuple[Reason, ...]]:
    last = inspected(line, serial, count)[-1]
    return last.verdict, last.reasons


DUPLICATE = (Verdict.REWORK, (Reason.SERIAL_DUPLICATE,))


def test_part_that_passed_does_not_pass_again_even_after_a_crash(line: TestLine) -> None:
    serial = passed_one(line)
    line.plc.trigger(serial, 1000)
    assert told(line, serial, 2) == DUPLICATE
    line.signal("gate", signal.SIGKILL)
    line.until(StateWord.OFFLINE, 10)
    line.until(StateWord.READY, 20)
    line.plc.trigger(serial, 1000)
    assert told(line, serial, 3) == DUPLICATE


def test_of_parts_close_behind_each_other_with_one_serial_one_passes(line: TestLine) -> None:
    for number in range(900, 910):
        for _ in range(3):
            line.plc.trigger(f"SIM-{number:06d}", 2000)
            time.sleep(0.03)
    assert line.plc.wait_idle(15)
    rows = LedgerReader(line.config.ledger_path).newest(40)
    passed = [row.serial for row in rows if row.verdict is Verdict.PASS and row.plc_acked]
    assert passed and len(passed) == len(set(passed))
    assert any(row.reasons == (Reason.SERIAL_DUPLICATE,) for row in rows)


def test_code_that_could_not_be_read_is_rework_and_the_part_may_come_again(line: TestLine) -> None:
    line.fault(tag="")
    number = line.number
    line.feed(1)
    reader = LedgerReader(line.config.ledger_path)
    row = wait_for(
        lambda: next((r for r in reader.newest(3) if r.part_id == f"SIM-{number:06d}" and r.by), 0),
        10,
        lambda: "no verdict",
    )
    assert (row.verdict, row.reasons) == (Verdict.REWORK, (Reason.CODE_UNREADABLE,))
    line.fault(tag="SIM-000777")
    line.feed(1)
    assert told(line, "SIM-000777", 1) == (Verdict.REWORK, (Reason.SERIAL_MISMATCH,))
    line.fault()
    line.plc.trigger(row.part_id, 1000)
    (again,) = inspected(line, row.part_id, 1)
    assert again.reasons in ((), (Reason.DEFECT,))


def test_explain_finds_and_reproduces_a_part_by_its_serial(line: TestLine) -> None:
    serial = passed_one(line)
    line.plc.trigger(serial, 1000)
    first, second = inspected(line, serial, 2)
    ids = (first.inspection_id, second.inspection_id)
    wait_for(lambda: all(explain(line.config, one).same for one in ids), 10, lambda: "differs")
    config = ["--config", str(line.folder / "station.toml")]
    told = CliRunner().invoke(main, ["explain", serial, *config])
    assert told.exit_code == 0, told.output
    assert f"attempt 1: {first.inspection_id} pass" in told.output
    assert f"attempt 2: {second.inspection_id} rework, this one" in told.output
    machine = CliRunner().invoke(main, ["explain", serial, "--json", *config])
    answer = json.loads(machine.output.splitlines()[-1])
    assert answer["inspection_id"] == second.inspection_id and answer["reproduced"] is True
    assert [one["verdict"] for one in answer["attempts"]] == ["pass", "rework"]
    assert CliRunner().invoke(main, ["explain", "nobody", *config]).exit_code == 1


def test_books_are_in_order(line: TestLine) -> None:
    line.check_books(missed=True, late=True)
