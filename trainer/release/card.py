"""The card of a model: what it is for, what it was learnt from, how good, where it ends."""

from typing import Any

from edge.core.manifest import Manifest, Parity, Thresholds
from trainer.report import folds, looks
from trainer.runs import Run


def text(run: Run, manifest: Manifest, purpose: str) -> str:
    """Markdown for people; every figure with its n."""
    return "\n".join(
        [
            f"# {manifest.label}",
            "",
            purpose,
            "",
            *_inside(run, manifest),
            *_figures(run),
            *folds.markdown(run.results),
            *_thresholds(manifest.thresholds),
            *_calibrated(run),
            *_domains(run),
            *_parity(run, manifest.parity),
            *_limits(run),
            *_origin(run, manifest),
        ]
    )


def _inside(run: Run, manifest: Manifest) -> list[str]:
    face = manifest.face
    return [
        "## What it is",
        "",
        f"- learner `{manifest.learner}` on the backbone {manifest.provenance.backbone}; static "
        "int8, one ONNX file, bytes in",
        f"- input: {face.width_px} x {face.height_px} {face.colour}; heatmap {face.heatmap[1]} x "
        f"{face.heatmap[0]}; embedding {face.embedding}",
        *_processors(run.results.get("saturation")),
        f"- sha256 of model.onnx `{manifest.sha256}`",
        "",
    ]


def _processors(sums: dict[str, Any] | None) -> list[str]:
    """Where int8 computes what it was judged by; runs of older versions do not know."""
    if sums is None:
        return []
    if not sums["may_saturate"]:
        return ["- for any processor: no 16-bit sum of its int8 kernels can saturate"]
    return [
        f"- **only for x86 with VNNI and for Arm**: elsewhere {sums['may_saturate']} of "
        f"{sums['pairs']} pairs of weights may saturate, and scores would differ"
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
            f"With its thresholds, on {_parts_of(v)}: escapes {outcome['escapes']}; "
            f"overkill {outcome['overkill']}; for a person {outcome['review']}. "
            f"{v['int8']['mb']:.2f} MB, {v['int8']['ms_1t']:.1f} ms on one thread of the machine "
            f"it was judged on; AUROC of its float twin {_figure(v['int8']['auroc_float'])}."
        )
        lines.append("")
    return lines


def _row(name: str, figures: dict[str, Any]) -> str:
    def cell(key: str) -> str:
        low, high = figures["intervals"][key]
        return f"{_figure(figures[key])} ({low:.3f} to {high:.3f})"

    return (
        f"| {name} | {figures['n_good']} | {figures['n_defect']} | {cell('auroc')} | "
        f"{_figure(figures['ap'])} | {cell('recall_at_1pct_fr')} | {cell('recall_at_5pct_fr')} |"
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _parts_of(evaluation: dict[str, Any]) -> str:
    domain = f", domain {evaluation['domain']}" if evaluation.get("domain") else ""
    return f"{evaluation['split']} of {evaluation['data']}{domain}"


def _thresholds(thresholds: Thresholds) -> list[str]:
    lines = [
        "## Thresholds",
        "",
        *(
            [f"For parts of the domain **{thresholds.domain}**, and for no others.", ""]
            if thresholds.domain
            else []
        ),
        f"Pass below {thresholds.pass_below:.6f}, rework from {thresholds.rework_from:.6f}, a "
        "person between.",
        "",
    ]
    if f := thresholds.false_rejects:
        lines += [
            f"At most {f.beta:.1%} of good parts are reworked by the model alone, with "
            f"{1 - f.delta:.0%} confidence, from {f.n_good} held-out good parts of which "
            f"{f.rejected} were.",
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


def _calibrated(run: Run) -> list[str]:
    other = run.results.get("calibrated_on")
    return [f"Set on the val split of the data set {other}.", ""] if other else []


def _domains(run: Run) -> list[str]:
    """What one threshold for all wastes."""
    domains = run.results.get("domains", [])
    if not domains:
        return []
    return [
        "Per domain of the val split, with these thresholds / with cuts of its own:",
        "",
        "| domain | good | defective | good parts that pass alone | defects reworked | escapes |",
        "|---|---|---|---|---|---|",
        *(
            f"| {d['domain']} | {d['n_good']} | {d['n_defect']} | {_both(d, 'good_passed')} | "
            f"{_both(d, 'defects_reworked')} | {_both(d, 'escapes')} |"
            for d in domains
        ),
        "",
    ]


def _both(domain: dict[str, Any], key: str) -> str:
    values = (domain[cuts][key] for cuts in ("with_the_runs", "with_its_own"))
    return " / ".join("-" if value is None else f"{value:.1%}" for value in values)


def _parity(run: Run, parity: Parity) -> list[str]:
    lines = [
        "## int8 against float",
        "",
        f"On {parity.n} held-out pictures"
        + (f", {parity.measured_on}" if parity.measured_on else "")
        + f": AUROC {_figure(parity.auroc_int8)} against {_figure(parity.auroc_float)}; a single "
        f"score moved by up to {parity.max_score_change:.3f}. Everything behind the backbone was "
        "fitted to int8, so the float net is a comparison only; thresholds belong to the int8 "
        "file.",
        "",
    ]
    kinds = run.results.get("parity_kinds", [])
    if parity.flips is None or not kinds:
        return lines
    return [
        *lines,
        f"{parity.flips} of {parity.n} decisions differ; {parity.defect_to_pass} defects pass "
        "with int8 that float would have held.",
        "",
        "| kind | n | AUROC int8 | float | largest change | 99 % of them | decisions differ | "
        "passes with int8 alone |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {k['kind']} | {k['n']} | {_figure(k['auroc_int8'])} | {_figure(k['auroc_float'])} "
            f"| {k['max_score_change']:.3f} | {k['p99_score_change']:.3f} | {k['flips']} | "
            f"{k['to_pass']} |"
            for k in kinds
        ),
        "",
    ]


def _limits(run: Run) -> list[str]:
    return [
        "## Limits",
        "",
        "- It knows the part, the camera and the light of its data set, and no others; the "
        "reference statistics in the manifest say what that looked like.",
        "- The guarantee speaks of defects drawn like the held-out ones. A kind that was never "
        "shown has none.",
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
