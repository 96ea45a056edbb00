"""What was measured, as tables of Markdown and as curves."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev

from trainer.bench.cells import Measured

Groups = dict[tuple[str, str, str, str], list[Measured]]
LEARNERS = ("good-only", "supervised", "deep")
HEAD = (
    "| set | learner | given | backbone | AUROC | AP | recall at 1 % FR | at 5 % FR | float AUROC "
    "| grouped folds | train s | peak MB | MB | ms 1 thread | ms 2 threads | heatmap |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)

DRIFT_HEAD = (
    "| drift | trained on | backbone | old parts: AUROC | recall at 5 % FR | new parts: AUROC "
    "| recall at 5 % FR | train s |\n|---|---|---|---|---|---|---|---|"
)


def markdown(measured: Iterable[Measured], baselines: dict[str, dict[str, float]]) -> str:
    """One line per set, learner and backbone: means over seeds, with their spread."""
    lines, groups = [HEAD], _grouped(measured)
    for data, known in baselines.items():
        lines += [
            f"| {data} | {name} | all | ImageNet | {auroc:.3f} |" + " |" * 11
            for name, auroc in known.items()
        ]
        lines += [_line(key, runs) for key, runs in groups.items() if key[0] == data]
    return "\n".join(lines) + "\n"


def _grouped(measured: Iterable[Measured]) -> Groups:
    groups: Groups = defaultdict(list)
    for each in measured:
        groups[(each.cell.data, *each.cell.row, each.cell.backbone)].append(each)
    return dict(sorted(groups.items(), key=lambda group: _place(group[0])))


def _place(key: tuple[str, str, str, str]) -> tuple[int, bool, str, str]:
    """Where a line stands within its set."""
    _, learner, given, backbone = key
    return LEARNERS.index(learner), given != "all", given, backbone


def _line(key: tuple[str, str, str, str], runs: Sequence[Measured]) -> str:
    judged = [each.judged for each in runs]
    cells = [*key]
    for name in ("auroc", "ap", "recall_at_1pct_fr", "recall_at_5pct_fr"):
        cells.append(_spread([j[name] for j in judged]))
    cells.append(_spread([j["int8"]["auroc_float"] for j in judged]))
    folds = [f["auroc"] for each in runs if (f := each.trained["crossval"])]
    cells.append(f"{folds[0]['mean']:.3f} ± {folds[0]['sd']:.3f}" if folds else "")
    alone = [each.trained for each in runs if each.cell.folds is None] or [
        each.trained for each in runs
    ]
    cells.append(f"{mean(trained['seconds'] for trained in alone):.0f}")
    cells.append(f"{max(trained['peak_mb'] for trained in alone):.0f}")
    for name, digits in (("mb", 2), ("ms_1t", 2), ("ms_2t", 2)):
        cells.append(f"{mean(j['int8'][name] for j in judged):.{digits}f}")
    cells.append(str(judged[0]["heatmap"] or ""))
    return "| " + " | ".join(cells) + " |"


def _spread(values: Sequence[float]) -> str:
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread}"


def drifts(measured: Iterable[Measured]) -> str:
    """One line per drift, backbone and stage: means over seeds."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for each in measured:
        groups.setdefault((each.cell.data, each.cell.backbone), []).append(each)
    return (
        "\n".join([DRIFT_HEAD, *(_drift_line(*key, runs) for key, runs in groups.items())]) + "\n"
    )


def _drift_line(data: str, backbone: str, runs: Sequence[Measured]) -> str:
    name, _, stage = data.partition(": ")
    figures = [
        f"{mean(each.judged[which][key] for each in runs):.3f}"
        for which in ("old", "new")
        for key in ("auroc", "recall_at_5pct_fr")
    ]
    seconds = f"{mean(each.trained['seconds'] for each in runs):.0f}"
    return "| " + " | ".join([name, stage, backbone, *figures, seconds]) + " |"


def curves(measured: Iterable[Measured], file: Path) -> None:
    """AUROC of `supervised` against the number of defects, one panel per set."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = _points(measured)
    sets = sorted({data for (data, _), curve in points.items() if len(curve) > 1})
    figure = Figure(figsize=(4 * max(1, len(sets)), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, max(1, len(sets)), squeeze=False)[0]
    for panel, data in zip(panels, sets, strict=False):
        for backbone in sorted({b for d, b in points if d == data}):
            curve = points[data, backbone]
            counts = sorted(curve)
            middle = [mean(curve[n]) for n in counts]
            low, high = [min(curve[n]) for n in counts], [max(curve[n]) for n in counts]
            panel.plot(counts, middle, marker="o", label=backbone)
            panel.fill_between(counts, low, high, alpha=0.2)
        panel.set(title=data, xscale="log", xlabel="defects to learn from", ylabel="test AUROC")
        panel.set_xticks(counts, [str(n) for n in counts])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
        panel.legend(fontsize="small")
    figure.savefig(file, dpi=110)


def _points(measured: Iterable[Measured]) -> dict[tuple[str, str], dict[int, list[float]]]:
    """(set, backbone) -> defects -> AUROCs."""
    points: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for each in measured:
        if each.cell.learner == "supervised" and each.cell.good is None:
            n = each.cell.defects or each.trained["learnt"]["defect"]
            points[each.cell.data, each.cell.backbone][n].append(each.judged["auroc"])
    return points
