"""A run in words: one JSON object and one page of Markdown."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from soak.books import Evidence, Goal, figures, goals
from soak.plan import Plan


def as_dict(plan: Plan, evidence: Evidence) -> dict[str, object]:
    found = goals(evidence)
    return {
        "met": all(goal.met is not False for goal in found),
        "goals": [asdict(goal) for goal in found],
        "plan": asdict(plan),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, Linux {platform.release()}",
        **figures(evidence),
        "jobs": {name: asdict(trend) for name, trend in evidence.trends.items()},
        "samples": [asdict(sample) for sample in evidence.samples],
    }


def write(folder: Path, result: dict[str, object], found: Sequence[Goal]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "soak.json").write_text(json.dumps(result, indent=1, default=str))
    (folder / "soak.md").write_text(page(result, found))


def page(result: dict[str, object], found: Sequence[Goal]) -> str:
    plan = result["plan"]
    assert isinstance(plan, dict)
    lines = [
        "# Soak",
        "",
        f"{plan['seconds'] / 60:g} minutes at {plan['parts_per_s']:g} parts/s, seed "
        f"{plan['seed']}: stress-ng on every core, predictor stopped {len(plan['predictor'])} "
        f"times for {_seconds(plan['predictor'])}, disk stalled {len(plan['disk'])} times for "
        f"{_seconds(plan['disk'])}. {result['machine']}.",
        "",
        "| promise | seen | wanted | |",
        "|---|---|---|---|",
        *(_row(goal) for goal in found),
        "",
    ]
    for goal in found:
        lines += [f"- {goal.name}: {part}" for part in goal.parts]
    lines += ["", "| figure | |", "|---|---|"]
    shown = ("parts", "verdict_in_time_of_all", "lanes", "by", "refused", "reasons",
             "rest_moved_by", "took_ms", "late_ms", "plc", "plc_itself")  # fmt: skip
    lines += [f"| {name} | {_words(result[name])} |" for name in shown]
    lines += ["", "The latest verdicts, in ms (late: after the deadline), and where the time went:"]
    latest = result["latest"]
    assert isinstance(latest, list)
    return "\n".join([*lines, "", *(f"- {_words(each)}" for each in latest), ""])


def _row(goal: Goal) -> str:
    said = {True: "met", False: "MISSED", None: "not judged"}[goal.met]
    return f"| {goal.name} | {goal.value} | {goal.wanted} | {said} |"


def _seconds(spells: Sequence[dict[str, float]]) -> str:
    lasts = [spell["lasts_s"] for spell in spells]
    return f"{min(lasts):.2g} to {max(lasts):.2g} s" if lasts else "no time"


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:.1f}" if isinstance(value, float) else str(value)
