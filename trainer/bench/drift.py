"""After a drift: what is known of the old parts, and of the new ones, before and after retraining.

Two sets of real parts hold a drift: solar cells of another make, tiles with defects that were not
known. The learner is trained on the old parts, on the old and a few of the new ones, and on all;
each is examined on old and on new parts that no training saw.
"""

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.core.recipe import Orientation
from trainer.bench.cells import SETS, Cell, Measured
from trainer.bench.walk import Bench
from trainer.track import Track

Rows = list[dict[str, str]]

FEW = (50, 200)  # new pictures that are labelled after a drift
BEFORE, ALL = "before", "all new"
EXAMS = ("old", "new")


@dataclass(frozen=True, slots=True)
class Drift:
    """`is_new` says of a row whether it came with the drift; an exam on new defects alone takes
    the good parts of the old exam."""

    data: str
    is_new: Callable[[dict[str, str]], bool]

    @property
    def orientation(self) -> Orientation:
        return SETS[self.data]


DRIFTS = {
    "elpv, mono to poly": Drift("elpv", lambda row: row["domain"] == "poly"),
    "magnetic_tile, crack and fray": Drift(
        "magnetic_tile", lambda row: row["defect_kind"] in ("crack", "fray")
    ),
}


def stages(rows: Rows, drift: Drift) -> list[str]:
    """Before, and after more and more new pictures to learn from."""
    there = sum(row["split"] == "train" and drift.is_new(row) for row in rows)
    return [BEFORE, *(f"{few} new" for few in FEW if few < there), ALL]


def learnt(rows: Rows, drift: Drift, stage: str, seed: int) -> Rows:
    """Train and val of a stage. A few new ones are drawn from train; val takes as large a share of
    its own."""
    held = [row for row in rows if row["split"] in ("train", "val")]
    old, new = ([row for row in held if drift.is_new(row) == which] for which in (False, True))
    if stage == BEFORE:
        return old
    if stage == ALL:
        return old + new
    share = int(stage.split()[0]) / sum(row["split"] == "train" for row in new)
    rng = np.random.default_rng(seed)
    for split in ("train", "val"):
        of = [row for row in new if row["split"] == split]
        chosen = np.sort(rng.permutation(len(of))[: round(share * len(of))])
        old += [of[int(n)] for n in chosen]
    return old


def exam(rows: Rows, drift: Drift, which: str) -> Rows:
    test = [row for row in rows if row["split"] == "test"]
    chosen = [row for row in test if drift.is_new(row) == (which == "new")]
    if not any(row["label"] == "0" for row in chosen):
        chosen += [row for row in test if row["label"] == "0"]
    return chosen


def lay_out(source: Path, folder: Path, rows: Rows) -> Path:
    """A set of some of the rows, its pictures borrowed from the source."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("images", "masks"):
        if (source / name).is_dir() and not (folder / name).exists():
            os.symlink(source / name, folder / name)
    with (folder / "split.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)
    return folder


def run(bench: Bench, backbones: Sequence[str], seeds: int, track: Track) -> list[Measured]:
    """Measure what is still open; all that is wanted, in order."""
    cells = [
        (name, Cell(f"{name}: {stage}", "supervised", backbone, seed))
        for name, drift in DRIFTS.items()
        for backbone in backbones
        for stage in stages(_rows(bench, drift), drift)
        for seed in range(seeds)
    ]
    done = {each.cell.key for each in bench.measured()}
    for name, cell in track([each for each in cells if each[1].key not in done], "drifts"):
        _measure(bench, DRIFTS[name], cell)
    wanted = {cell.key for _, cell in cells}
    return [each for each in bench.measured() if each.cell.key in wanted]


def _measure(bench: Bench, drift: Drift, cell: Cell) -> None:
    source, sets = (bench.data / drift.data).resolve(), bench.folder / "sets"
    rows = _rows(bench, drift)
    stage = cell.data.partition(": ")[2]
    name = f"{drift.data}-{stage.replace(' ', '-')}-{cell.seed}"
    bench.take_in(lay_out(source, sets / name, learnt(rows, drift, stage, cell.seed)), name)
    words = ["train", "--data", name, "--orientation", drift.orientation, "--json"]
    words += ["--seed", str(cell.seed), "--backbone", bench.backbone(cell.backbone)]
    trained, judged = bench.linegate(words), {}
    for which in EXAMS:
        other = f"{drift.data}-{which}"
        bench.take_in(lay_out(source, sets / other, exam(rows, drift, which)), other)
        asked = ["evaluate", "--run", trained["run"], "--data", other, "--json"]
        judged[which] = bench.linegate(asked)
    bench.keep(Measured(cell, trained, judged))


def _rows(bench: Bench, drift: Drift) -> Rows:
    text = (bench.data / drift.data / "split.csv").read_text()
    return list(csv.DictReader(text.splitlines()))
