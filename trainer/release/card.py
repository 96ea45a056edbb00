"""The card of a model: what it is for, what it was learnt from, how good, where it ends."""

from typing import Any

from edge.core.manifest import Manifest, Thresholds
from trainer.report import looks
from trainer.runs import Run


def text(run: Run, manifest: Manifest, purpose: str) -> str:
    """Markdown for people; every figure with its n."""
    return "\n".join(
        [
            f"# {manifest.label}",
            "",
            purpose,
            "",
            *_inside(manifest),
            *_figures(run),
            *_thresholds(manifest.thresholds),
            *_limits(run, manifest),
            *_origin(run, manifest),
        ]
    )


def _inside(manifest: Manifest) -> list[str]:
    face = manifest.face
    return [
        "## What it is",
        "",
        f"- learner `{manifest.learner}` on the backbone {manifest.provenance.backbone}; static "
        "int8, one ONNX file, bytes in",
        f"- input: {face.width_px} x {face.height_px} {face.colour}; heatmap {face.heatmap[1]} x "
        f"{face.heatmap[0]}; embedding {face.embedding}",
        f"- sha256 of model.onnx `{manifest.sha256}`",
        "",
    ]


def _figures(run: Run) -> list[str]:
    rows = [("val (thresholds were set on it)", run.results["val"])]
    evaluations = [v for k, v in sorted(run.results.items()) if k.startswith("evaluation-")]
    rows += [(f"{v['split']} of {v['data']}", v) for v in evaluations]
    lines = [
        "## Figures",
        "",
        "Of the int8 file in ONNX Runtime; in brackets the 95 % interval.",
        "",
        "| pictures | good | defective | AUROC | AP | recall at 1 % false rejects | at 5 % |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, figures) for name, figures in rows),
        "",
    ]
    for v in evaluations:
        outcome = v["outcome"]
        lines.append(
            f"With its thresholds, on {v['split']} of {v['data']}: escapes {outcome['escapes']}; "
            f"overkill {outcome['overkill']}; for a person {outcome['review']}. "
            f"{v['int8']['mb']:.2f} MB, {v['int8']['ms_1t']:.1f} ms on one thread of the machine "
            f"it was judged on; AUROC of its float twin {v['int8']['auroc_float']:.4f}."
        )
        lines.append("")
    return lines


def _row(name: str, figures: dict[str, Any]) -> str:
    def cell(key: str) -> str:
        low, high = figures["intervals"][key]
        return f"{figures[key]:.4f} ({low:.3f} to {high:.3f})"

    return (
        f"| {name} | {figures['n_good']} | {figures['n_defect']} | {cell('auroc')} | "
        f"{figures['ap']:.4f} | {cell('recall_at_1pct_fr')} | {cell('recall_at_5pct_fr')} |"
    )


def _thresholds(thresholds: Thresholds) -> list[str]:
    lines = [
        "## Thresholds",
        "",
        f"Pass below {thresholds.pass_below:.6f}, rework from {thresholds.rework_from:.6f}, a "
        "person between.",
        "",
    ]
    g = thresholds.guarantee
    if g is None:
        return [*lines, f"**No guarantee**: {thresholds.no_guarantee}.", ""]
    return [
        *lines,
        f"Guarantee: at most {g.alpha:.1%} of defects pass, with {1 - g.delta:.0%} confidence, "
        f"from {g.n_defects} held-out defects of which {g.missed} were missed. It holds for this "
        f"file on {g.runtime}, {g.architecture}, and for defects like those it was counted on.",
        "",
    ]


def _limits(run: Run, manifest: Manifest) -> list[str]:
    parity = manifest.parity
    return [
        "## Limits",
        "",
        "- It knows the part, the camera and the light of its data set, and no others; the "
        "reference statistics in the manifest say what that looked like.",
        "- The guarantee speaks of defects drawn like the held-out ones. A kind that was never "
        "shown has none.",
        f"- int8 against float on {parity.n} held-out pictures: AUROC {parity.auroc_int8:.4f} "
        f"against {parity.auroc_float:.4f}; a single score moved by up to "
        f"{parity.max_score_change:.3f}. Thresholds belong to the int8 file.",
        f"- Near-copies between training and held-out pictures: {run.results['near_copies']}.",
        f"- The sheet of training copies and synthetic defects: "
        f"{looks.last(run) or 'nobody has looked at it'}.",
        "",
    ]


def _origin(run: Run, manifest: Manifest) -> list[str]:
    origin = manifest.provenance
    return [
        "## Origin",
        "",
        f"- data set {origin.dataset}",
        f"- run {origin.run}: {run.seconds:.0f} s, {run.peak_mb:.0f} MB of memory at most; made "
        f"with {origin.code}, {origin.made_at.isoformat()}",
        f"- licences: {'; '.join(origin.licences) or 'not stated'}",
        f"- people: {', '.join(origin.people) or 'not stated'}",
        "",
        "Made by:",
        "",
        "```",
        *origin.commands,
        "```",
        "",
    ]
