"""Every verdict can be explained again, to the bit."""

import json
import random
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from line import TestLine, station

from edge.__main__ import main
from edge.explain import explain
from edge.store.reader import LedgerReader

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture(scope="module")
def line() -> Iterator[TestLine]:
    with station(level="partial") as line:
        line.feed(130, gap_s=0.04)
        line.fault(lamp=0.0)
        line.feed(5)
        line.plc.wait_idle(10)
        line.supervisor.end("gate")  # all frames are kept now
        yield line


def test_a_hundred_random_parts_are_reproduced_exactly(line: TestLine) -> None:
    rows = LedgerReader(line.config.ledger_path).newest(1000)
    chosen = random.Random(1).sample(rows, 100)
    explained = [explain(line.config, row.inspection_id) for row in chosen]
    assert [e.record.inspection_id for e in explained if e.same is not True] == []
    scored = [e for e in explained if e.record.score is not None]
    assert len(scored) > 80
    assert all(e.score == e.record.score for e in scored)


def test_changed_frame_is_not_reproduced(line: TestLine) -> None:
    reader = LedgerReader(line.config.ledger_path)
    first, second = (
        row
        for row in reader.newest(1000)
        if row.images and row.score is not None and row.inspection_id in _scored_pair(reader)
    )
    folder = line.config.images_dir
    path = folder / first.images[0].sha256[:2] / f"{first.images[0].sha256}.png"
    kept = path.read_bytes()
    other = folder / second.images[0].sha256[:2] / f"{second.images[0].sha256}.png"
    path.write_bytes(other.read_bytes())
    try:
        result = CliRunner().invoke(main, ["explain", first.inspection_id, *_config(line)])
        assert result.exit_code == 1
    finally:
        path.write_bytes(kept)


def test_command_says_why_and_answers_machines(line: TestLine) -> None:
    row = LedgerReader(line.config.ledger_path).newest(50)[-1]
    told = CliRunner().invoke(main, ["explain", row.inspection_id, *_config(line)])
    assert told.exit_code == 0
    assert "reproduced exactly" in told.output and row.part_id in told.output
    asked = CliRunner().invoke(main, ["explain", row.inspection_id, *_config(line), "--json"])
    answer = json.loads(asked.output.splitlines()[-1])
    assert answer["reproduced"] is True and answer["score"] == row.score


def test_unknown_inspection_is_one_sentence(line: TestLine) -> None:
    result = CliRunner().invoke(main, ["explain", "nobody", *_config(line)])
    assert result.exit_code == 1
    assert "no inspection and no serial 'nobody'" in result.output


def _config(line: TestLine) -> list[str]:
    return ["--config", str(line.folder / "station.toml")]


def _scored_pair(reader: LedgerReader) -> set[str]:
    rows = [row for row in reader.newest(1000) if row.images and row.score is not None]
    return {rows[0].inspection_id, rows[1].inspection_id}
