"""The bench of drifts: who learns what, and that no exam is learnt."""

import csv
import os
import shutil
from pathlib import Path

import pytest

from trainer.bench import drift, report
from trainer.bench.cells import Cell, Measured
from trainer.bench.walk import Bench

ELPV = drift.DRIFTS["elpv, mono to poly"]
TILES = drift.DRIFTS["magnetic_tile, crack and fray"]


def rows(data: str, n: int = 900) -> drift.Rows:
    """A third in each split; every other one new; every third defective."""
    splits = ("train", "val", "test")
    kinds = ("blowhole", "crack") if data == "magnetic_tile" else ("p100", "p100")
    return [
        {
            "path": f"images/{i}.png",
            "label": "1" if i % 3 == 0 else "0",
            "defect_kind": kinds[i % 2] if i % 3 == 0 else "good",
            "split": splits[i % 9 // 3],
            "domain": ("mono", "poly")[i % 2],
        }
        for i in range(n)
    ]


def test_stages_learn_old_parts_then_few_then_all_new_ones() -> None:
    table = rows("elpv", 3000)
    stages = drift.stages(table, ELPV)
    assert stages == ["before", "50 new", "200 new", "all new"]
    before, few, more, full = (drift.learnt(table, ELPV, stage, 0) for stage in stages)
    assert {row["domain"] for row in before} == {"mono"}
    for some, wanted in ((few, 50), (more, 200)):
        new = [row for row in some if row["domain"] == "poly"]
        assert sum(row["split"] == "train" for row in new) == wanted
        assert sum(row["split"] == "val" for row in new) == wanted  # as many, as its share is one
    assert len(full) == sum(row["split"] != "test" for row in table)
    assert all(row["split"] != "test" for row in [*before, *few, *more, *full])


def test_few_are_drawn_by_the_seed() -> None:
    table = rows("elpv", 3000)
    one, same, other = (drift.learnt(table, ELPV, "200 new", seed) for seed in (1, 1, 2))
    assert one == same != other


def test_stage_that_would_take_all_there_are_is_left_out() -> None:
    assert drift.stages(rows("magnetic_tile", 90), TILES) == ["before", "all new"]


def test_exam_on_new_kinds_of_defect_takes_the_good_parts() -> None:
    table = rows("magnetic_tile")
    new, old = (drift.exam(table, TILES, which) for which in ("new", "old"))
    assert {row["defect_kind"] for row in new} == {"crack", "good"}
    assert {row["defect_kind"] for row in old} == {"blowhole", "good"}
    assert {row["domain"] for row in drift.exam(rows("elpv"), ELPV, "new")} == {"poly"}


def test_table_has_a_line_per_stage_with_means_over_seeds() -> None:
    def judged(auroc: float) -> dict[str, dict[str, float]]:
        return {which: {"auroc": auroc, "recall_at_5pct_fr": 0.5} for which in drift.EXAMS}

    runs = [
        Measured(Cell("d: before", "supervised", "ours", s), {"seconds": 60.0}, judged(a))
        for s, a in enumerate((0.8, 0.9))
    ]
    assert "| d | before | ours | 0.850 | 0.500 | 0.850 | 0.500 | 60 |" in report.drifts(runs)


@pytest.mark.torch
@pytest.mark.slow
def test_drift_is_measured_by_the_commands_and_only_once(
    tmp_path: Path, parts: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    (shared / "weights").mkdir(parents=True)
    shutil.copy(tiny_backbone, shared / "weights" / "tiny.onnx")
    data = shared / "data" / "elpv"
    shutil.copytree(parts, data)
    table = list(csv.DictReader((data / "parts.csv").read_text().splitlines()))
    (data / "parts.csv").unlink()
    for n, row in enumerate(table):
        row["split"] = ("train", "val", "test")[n // 6 % 3]
        row["domain"] = ("mono", "poly")[n // 3 % 2]
    drift.lay_out(data, data, table)
    monkeypatch.setattr(drift, "DRIFTS", {"elpv": ELPV})
    folder, wanted = tmp_path / "bench", drift.stages(table, ELPV)
    bench = Bench(folder, shared, dict(os.environ))
    for _ in range(2):
        measured = drift.run(bench, ["tiny"], 1, lambda todo, what: todo)
        assert [each.cell.data for each in measured] == [f"elpv: {s}" for s in wanted]
    assert all(0 <= each.judged["new"]["auroc"] <= 1 for each in measured)
    assert len(bench.measured()) == len(wanted) == 2
