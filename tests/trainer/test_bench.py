"""The bench of the learners: what it measures, that it measures once, what it prints."""

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from edge.core.errors import LinegateError
from trainer.bench import cells, goals, report
from trainer.bench.cells import Cell, Measured
from trainer.bench.walk import Bench

pytestmark = pytest.mark.torch


def measured(cell: Cell, auroc: float) -> Measured:
    judged = {
        "auroc": auroc,
        "ap": 0.9,
        "recall_at_1pct_fr": 0.8,
        "recall_at_5pct_fr": 0.85,
        "int8": {"auroc_float": auroc, "mb": 1.0, "ms_1t": 2.0, "ms_2t": 1.5},
        "heatmap": None,
    }
    trained = {"seconds": 60.0, "peak_mb": 900.0, "crossval": None, "learnt": {"defect": 100}}
    return Measured(cell, trained, judged)


def test_every_learner_is_measured_on_every_set_with_every_seed() -> None:
    table = cells.table(cells.SETS, ["ours", "net"], range(3))
    assert len({cell.key for cell in table}) == len(table)
    for backbone in ("ours", "net"):
        of = [c for c in table if c.data == "elpv" and c.backbone == backbone]
        assert [c.row for c in of if c.seed == 2] == [
            ("supervised", "all"),
            ("good-only", "all"),
            ("good-only", "20 good"),
            ("deep", "all"),
        ]
        folds = [(c.learner, c.seed) for c in of if c.folds]
        assert folds == [("supervised", 0), ("good-only", 0)]


def test_without_folds_every_cell_trains_once() -> None:
    table = cells.table(cells.SETS, ["ours"], range(1), crossval=False)
    assert len(table) == len(cells.table(cells.SETS, ["ours"], range(1)))
    assert [cell for cell in table if cell.folds] == []


def test_command_line_says_what_the_cell_says() -> None:
    words = Cell("elpv", "supervised", "net", 2, defects=5, folds=5).train_words("net.onnx")
    line = " ".join(words)
    assert "train --data elpv --learner supervised --orientation mirrored --seed 2" in line
    assert "--backbone net.onnx" in line and "--defects 5" in line and "--folds 5" in line


def test_baselines_are_read_from_the_readme() -> None:
    readme = "probe AUROC 0.832 AP 0.773 (C=0.1, val AUROC 0.7) | one-class kNN AUROC 0.771 AP"
    assert cells.baselines(readme) == {"probe": 0.832, "patch kNN": 0.771}
    assert cells.baselines("nothing") == {}


def test_table_shows_the_mean_over_seeds_with_its_spread() -> None:
    runs = [measured(Cell("elpv", "deep", "ours", s), a) for s, a in enumerate((0.9, 0.92, 0.94))]
    text = report.markdown(runs, {"elpv": {"probe": 0.832}})
    assert "| elpv | probe | all | ImageNet | 0.832 |" in text
    assert "| elpv | deep | all | ours | 0.920 ± 0.020 |" in text
    widths = {line.count("|") for line in text.splitlines()}
    assert len(widths) == 1


def test_lines_of_a_set_stand_in_the_order_of_the_learners() -> None:
    runs = [measured(Cell("elpv", name, "ours"), 0.9) for name in ("deep", "supervised")]
    runs += [measured(Cell("elpv", "good-only", "ours", good=n), 0.9) for n in (None, 20)]
    lines = report.markdown(runs, {"elpv": {}}).splitlines()[2:]
    assert [line.split(" | ")[1:3] for line in lines] == [
        ["good-only", "all"],
        ["good-only", "20 good"],
        ["supervised", "all"],
        ["deep", "all"],
    ]


def test_what_misses_its_goal_has_an_asterisk_and_ours_may_lack_a_little() -> None:
    runs = [measured(Cell("elpv", "deep", name), 0.8996) for name in ("net", "ours")]
    runs += [measured(Cell("elpv", "good-only", "net", good=20), 0.7794)]
    runs += [
        measured(Cell("elpv", "supervised", "ours", s, folds=f), 0.849) for s, f in ((0, 5), (1, 0))
    ]
    runs[-2].trained["crossval"] = {"auroc": {"mean": 0.869}}
    rows = [line.strip("| ").split(" | ") for line in goals.against_goals(runs).splitlines()]
    told = {row[0]: row[3] for row in rows if len(row) == 5}
    assert told["deep, all"] == "0.900: 0.900, 0.900"
    assert told["good-only, 20 good"] == "0.780: 0.779 *, -"
    assert told["supervised, all"] == "0.880: -, 0.849 *"
    assert told["supervised, grouped folds"] == "0.900: -, 0.869 *"


def test_curve_ends_where_the_defects_do() -> None:
    there = {"elpv": 600, "moulded_figure": 30, "screws": 99}
    planned = cells.curves(there, ["ours"], range(2))
    wanted = {name: {c.defects for c in planned if c.data == name} for name in there}
    assert wanted == {"elpv": {5, 10, 20, 50}, "moulded_figure": {5, 10, 20}, "screws": set()}
    assert len(planned) == 2 * 7
    text = "path,split,label\na.png,train,1\nb.png,train,0\nc.png,test,1\nd.png,train,1\n"
    assert cells.defects(text) == 2


def test_curves_are_drawn(tmp_path: Path) -> None:
    runs = [measured(Cell("elpv", "supervised", "ours", 0, defects=n), 0.8) for n in (5, 10)]
    report.curves([*runs, measured(Cell("elpv", "supervised", "ours"), 0.9)], tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def shared(tmp_path: Path, parts: Path, tiny_backbone: Path) -> Path:
    """Tiny parts and a tiny backbone, lying as the real ones do."""
    (tmp_path / "shared" / "weights").mkdir(parents=True)
    shutil.copy(tiny_backbone, tmp_path / "shared" / "weights" / "tiny.onnx")
    data = tmp_path / "shared" / "data" / "light_guide"
    shutil.copytree(parts, data)
    rows = list(csv.DictReader((data / "parts.csv").read_text().splitlines()))
    (data / "parts.csv").unlink()
    with (data / "split.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, [*rows[0], "split"])
        out.writeheader()
        splits = ("train", "val", "test")
        out.writerows({**r, "split": splits[n // 3 % 3]} for n, r in enumerate(rows))
    (data / "README.md").write_text("no reference")
    return tmp_path / "shared"


@pytest.mark.slow
def test_what_was_measured_is_not_measured_again(tmp_path: Path, shared: Path) -> None:
    walked: list[int] = []

    def track(todo: list[Cell], what: str) -> list[Cell]:
        walked.append(len(todo))
        return todo

    bench = Bench(tmp_path / "bench", shared, dict(os.environ))
    cell = Cell("light_guide", "good-only", "tiny", good=20)
    bench.run([cell], track)
    bench.run([cell], track)
    assert walked == [1, 0]
    (found,) = bench.measured()
    assert found.cell == cell and found.trained["run"] == "light_guide-1"
    assert 0 <= found.judged["auroc"] <= 1 and found.judged["int8"]["ms_2t"] > 0
    assert "| light_guide | good-only | 20 good | tiny |" in report.markdown(
        [found], {"light_guide": {}}
    )
    kept = json.loads((tmp_path / "bench" / "cells.jsonl").read_text())
    assert kept["cell"]["good"] == 20


def test_failed_command_says_which_and_why(tmp_path: Path, shared: Path) -> None:
    bench = Bench(tmp_path / "bench", shared, dict(os.environ))
    with pytest.raises(LinegateError, match=r"import .*elpv.*: .*elpv"):
        bench.run([Cell("elpv", "good-only", "tiny")], lambda todo, what: todo)


def test_line_torn_by_a_power_cut_is_measured_again_and_hurts_no_other(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tmp_path, {})
    first, second = (measured(Cell("elpv", "deep", "ours", seed), 0.9) for seed in (0, 1))
    bench.keep(first)
    file = tmp_path / "cells.jsonl"
    file.write_text(file.read_text() + '{"cell": {"data": "el')
    bench.keep(second)
    assert bench.measured() == [first, second]


def test_seconds_are_of_trainings_without_folds(tmp_path: Path) -> None:
    runs = [measured(Cell("elpv", "deep", "ours", s, folds=f), 0.9) for s, f in ((0, 5), (1, None))]
    runs[0].trained.update(seconds=700.0, peak_mb=5000.0)
    assert "| 60 | 900 |" in report.markdown(runs, {"elpv": {}})
