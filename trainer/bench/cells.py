"""What is measured: a cell is one training with its exam, named so that it is measured once."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from edge.core.recipe import Orientation

# How the parts of each set may lie and still be good: what a recipe says on a line.
SETS: dict[str, Orientation] = {
    "light_guide": "mirrored",
    "magnetic_tile": "mirrored",
    "elpv": "mirrored",
    "moulded_figure": "fixed",
    "screws": "fixed",
}
CURVE = (5, 10, 20, 50)  # defects


@dataclass(frozen=True, slots=True)
class Cell:
    data: str
    learner: str
    backbone: str  # OURS, or the stem of a file
    seed: int = 0
    good: int | None = None  # None: all
    defects: int | None = None
    folds: int | None = None  # cross-validated beside

    @property
    def key(self) -> str:
        return " ".join(f"{k}={v}" for k, v in asdict(self).items() if v is not None)

    @property
    def row(self) -> tuple[str, str]:
        """Which line of the table it belongs to: learner and what it was given."""
        given = [f"{n} {word}" for n, word in ((self.good, "good"), (self.defects, "defects")) if n]
        return self.learner, ", ".join(given) or "all"

    def train_words(self, backbone: str) -> list[str]:
        """The command line behind `linegate-trainer`."""
        words = ["train", "--data", self.data, "--learner", self.learner]
        words += ["--orientation", SETS[self.data], "--seed", str(self.seed), "--json"]
        for option, value in (
            ("--backbone", backbone),
            ("--good", self.good),
            ("--defects", self.defects),
            ("--folds", self.folds),
        ):
            words += [] if value is None else [option, str(value)]
        return words


def table(
    sets: Iterable[str], backbones: Sequence[str], seeds: Sequence[int], crossval: bool = True
) -> list[Cell]:
    """The large table: each learner on each set; what is drawn or trained by chance, by each
    seed; cross-validation once, or not at all."""

    cells = []
    for data in sets:
        for backbone in backbones:
            for seed in seeds:
                all_of = partial(Cell, data, backbone=backbone, seed=seed)
                folds = 5 if crossval and seed == seeds[0] else None
                cells.append(all_of("supervised", folds=folds))
                if data != "screws":  # is a part there, or not: a matter of examples
                    cells.append(all_of("good-only", folds=folds))
                    cells.append(all_of("good-only", good=20))
                    cells.append(all_of("deep"))
    return cells


def curves(
    defects: Mapping[str, int], backbones: Sequence[str], seeds: Sequence[int]
) -> list[Cell]:
    """Supervised, from few defects to all; `defects` says how many each set has to train on."""
    return [
        Cell(data, "supervised", backbone, seed, defects=n)
        for data, there in defects.items()
        if data != "screws"
        for backbone in backbones
        for n in CURVE
        if n < there
        for seed in seeds
    ]


def defects(split_csv: str) -> int:
    """How many defects a set has to train on."""
    rows = csv.DictReader(split_csv.splitlines())
    return sum(row["split"] == "train" and row["label"] == "1" for row in rows)


def baselines(readme: str) -> dict[str, float]:
    """AUROC of the frozen-feature probe and of the patch kNN, as a set's README has them."""
    found = {}
    for name, pattern in (
        ("probe", r"probe AUROC (\d\.\d+)"),
        ("patch kNN", r"one-class kNN AUROC (\d\.\d+)"),
    ):
        match = re.search(pattern, readme)
        if match:
            found[name] = float(match[1])
    return found


@dataclass(frozen=True, slots=True)
class Measured:
    """A cell and what `train --json` and `evaluate --json` said."""

    cell: Cell
    trained: dict[str, Any]
    judged: dict[str, Any]
