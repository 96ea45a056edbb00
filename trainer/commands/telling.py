"""How the commands say what a model does: thresholds, intervals, parity, domains."""

from collections.abc import Mapping, Sequence
from typing import Any

from edge.core.manifest import Thresholds


def run_lines(results: Mapping[str, Any]) -> list[str]:
    """All that a run knows of its thresholds and of its int8 file; older runs know less."""
    lines = []
    if "backbone" in results:
        lines.append(f"backbone {results['backbone']}")
    if "shares" in results:
        other = (results.get("calibrated_on") or "").rpartition(" ")[0]
        lines += describe(Thresholds.model_validate(results["thresholds"])).splitlines()
        if results.get("no_reject_promise"):
            lines.append(f"false rejects are not promised: {results['no_reject_promise']}")
        lines += [f"on val{f' of {other}' if other else ''}, where they were set:"]
        lines += outcome_lines(results["outcome"], results["cost"])
        lines += domain_lines(results["domains"])
    if "parity" in results:
        lines += parity_lines(results["parity"], results.get("parity_kinds", []))
    if "saturation" in results:
        lines += processor_lines(results["saturation"])
    return lines


def figure(value: float | None) -> str:
    return "  -   " if value is None else f"{value:.4f}"


def describe(thresholds: Thresholds) -> str:
    """Both cuts and their promises in one sentence each, or why there is none."""
    whose = f", for {thresholds.domain}" if thresholds.domain else ""
    lines = [
        f"pass below {thresholds.pass_below:.4f}, rework from {thresholds.rework_from:.4f}, "
        f"a person between{whose}"
    ]
    if thresholds.guarantee is None:
        lines.append(f"no guarantee: {thresholds.no_guarantee}")
    else:
        g = thresholds.guarantee
        lines.append(
            f"guarantee: at most {g.alpha:.1%} of defects pass, with {1 - g.delta:.0%} "
            f"confidence, from {g.n_defects} held-out defects of which {g.missed} were missed "
            f"({g.runtime}, {g.architecture})"
        )
    if thresholds.false_rejects is not None:
        f = thresholds.false_rejects
        lines.append(
            f"and at most {f.beta:.1%} of good parts are reworked by the model alone, with "
            f"{1 - f.delta:.0%} confidence, from {f.n_good} held-out good parts of which "
            f"{f.rejected} were"
        )
    return "\n".join(lines)


def outcome_lines(outcome: Mapping[str, str], cost: float | None) -> list[str]:
    """What thresholds do to held-out parts, each share with its interval."""
    lines = [
        f"  escapes, of defective parts        {outcome['escapes']}",
        f"  overkill, of good parts            {outcome['overkill']}",
        f"  for a person, of the line's parts  {outcome['review']}",
    ]
    return lines if cost is None else [*lines, f"  expected cost of a part            {cost:.4g}"]


def parity_lines(parity: Mapping[str, Any], kinds: Sequence[Mapping[str, Any]]) -> list[str]:
    """int8 against its float twin: one sentence, then good parts and each kind of defect."""
    head = (
        f"int8 against its float twin: AUROC {figure(parity['auroc_int8'])} against "
        f"{figure(parity['auroc_float'])}; a score moved by up to {parity['max_score_change']:.3f}"
    )
    if parity.get("flips") is None:
        return [head]
    head += (
        f" (99 % of them by at most {parity['p99_score_change']:.3f}); {parity['flips']} of "
        f"{parity['n']} decisions differ, {parity['defect_to_pass']} defect(s) pass with int8 alone"
    )
    columns = f"  {'kind':20} {'n':>5} {'AUROC':>7} {'float':>7} {'largest':>8} {'99 %':>6}"
    rows = [
        f"  {k['kind'][:20]:20} {k['n']:5} {figure(k['auroc_int8']):>7} "
        f"{figure(k['auroc_float']):>7} {k['max_score_change']:8.3f} {k['p99_score_change']:6.3f} "
        f"{k['flips']:7} {k['to_pass']:8}"
        for k in kinds
    ]
    return [head, f"{columns} {'differ':>7} {'to pass':>8}", *rows]


def domain_lines(domains: Sequence[Mapping[str, Any]]) -> list[str]:
    """What one threshold for all domains wastes, beside what each one's own would do."""
    if not domains:
        return []

    def share(value: float | None) -> str:
        return "     -" if value is None else f"{value:6.1%}"

    def row(d: Mapping[str, Any]) -> str:
        cells = (
            f"{share(d['with_the_runs'][key])} /{share(d['with_its_own'][key])}"
            for key in ("good_passed", "defects_reworked", "escapes")
        )
        carried = "yes" if d["thresholds"]["guarantee"] else "no"
        counts = f"{d['domain'][:16]:16} {d['n_good']:5} {d['n_defect']:7}"
        return f"  {counts}  {'  '.join(cells)}  {carried}"

    heads = ("good passed", "defects reworked", "escapes")
    return [
        "per domain: these thresholds / its own (`calibrate --domain NAME`), on the same parts:",
        f"  {'domain':16} {'good':>5} {'defects':>7}  {'  '.join(f'{h:>15}' for h in heads)}  "
        "own guarantee",
        *map(row, domains),
    ]


def processor_lines(sums: Mapping[str, Any]) -> list[str]:
    """On which processors the int8 file computes what it was judged by, if not on all."""
    if not sums["may_saturate"]:
        return []
    return [
        f"for {sums['target']} only: elsewhere {sums['may_saturate']} of {sums['pairs']} pairs of "
        "its 8-bit weights may saturate, and scores would differ"
    ]


def layer_lines(layers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Worst first: where int8 and float part."""
    return [
        "signal to noise of int8 against float, in dB (6 dB are one bit), worst layer first:",
        f"  {'map':24} {'made by':10} {'after it':>8} {'its rounding':>12} {'noise it adds':>13}",
        *(
            f"  {x['name'][:24]:24} {x['made_by'][:10]:10} {x['after_db']:8.1f} "
            f"{x['rounding_db']:12.1f} {x['added']:13.3%}"
            for x in layers
        ),
    ]
