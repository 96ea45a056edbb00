"""What the learners are held to, beside what they reached: test AUROC of the int8 file."""

from collections.abc import Iterable, Sequence
from statistics import mean

from trainer.bench.cells import Measured
from trainer.shipped import OURS

SETS = ("light_guide", "magnetic_tile", "elpv", "moulded_figure")
FOLDS = "supervised, grouped folds"
GOALS = {  # by learner and what it is given; AUROC with ImageNet weights, by set
    "good-only, all": (0.985, 0.91, 0.81, 0.99),
    "good-only, 20 good": (0.95, 0.86, 0.78, 0.99),
    "supervised, all": (0.995, 0.975, 0.88, 0.99),
    FOLDS: (0.995, 0.94, 0.90, 0.98),
    "deep, all": (0.995, 0.98, 0.90, 0.98),
}
OURS_MAY_LACK = 0.03  # a backbone that never saw a real picture


def against_goals(measured: Iterable[Measured]) -> str:
    """One line per learner: the goal, then what each backbone reached; an asterisk: missed."""
    runs = list(measured)
    backbones = sorted({run.cell.backbone for run in runs}, key=lambda name: (name == OURS, name))
    lines = [
        f"| goal: {', '.join(backbones)} | {' | '.join(SETS)} |",
        "|---" * (1 + len(SETS)) + "|",
    ]
    for row, goals in GOALS.items():
        told = [_told(runs, row, *goal, backbones) for goal in zip(SETS, goals, strict=True)]
        lines.append(f"| {row} | {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


def _told(
    runs: Sequence[Measured], row: str, data: str, goal: float, backbones: Sequence[str]
) -> str:
    reached = []
    for name in backbones:
        found = [run for run in runs if (run.cell.data, run.cell.backbone) == (data, name)]
        values = _folds(found) if row == FOLDS else _exams(found, row)
        wanted = goal - (OURS_MAY_LACK if name == OURS else 0.0)
        reached.append(_mark(mean(values), wanted) if values else "-")
    return f"{goal:.3f}: {', '.join(reached)}"


def _folds(runs: Iterable[Measured]) -> list[float]:
    crossed = [run.trained["crossval"] for run in runs if run.cell.row == ("supervised", "all")]
    return [folds["auroc"]["mean"] for folds in crossed if folds]


def _exams(runs: Iterable[Measured], row: str) -> list[float]:
    return [run.judged["auroc"] for run in runs if ", ".join(run.cell.row) == row]


def _mark(reached: float, wanted: float) -> str:
    """Compared as shown, in thousandths."""
    return f"{reached:.3f}" + ("" if round(reached, 3) >= round(wanted, 3) else " *")
