"""Thresholds of a finished run, set anew: on its kept val scores, or on another set's pictures."""

from typing import Any

from edge.core.errors import LinegateError
from edge.core.manifest import Face
from trainer.data import leakage
from trainer.data.items import GOOD, Dataset
from trainer.judge import evaluate, record, reference, scores
from trainer.judge.scores import Row
from trainer.judge.thresholds import Risk
from trainer.runs import Run, Runs
from trainer.track import Track


def calibrate(runs: Runs, run: Run, risk: Risk, domain: str | None, command: str) -> None:
    """On the val split that it was trained beside, for all of its parts or for one domain's.
    Evaluations with the old thresholds are dropped."""
    table = scores.read(runs.artifact(run, "scores-val.csv"))
    own = run.results.get("own_reference")
    found = {"calibrated_on": None} | ({} if own is None else {"reference": own})
    _keep(runs, run, record.thresholds(table, risk, domain) | found, command)


def calibrate_on(
    runs: Runs,
    run: Run,
    trained_on: Dataset,
    other: Dataset,
    risk: Risk,
    domain: str | None,
    command: str,
    track: Track,
) -> None:
    """On the val split of another data set, which from then on is what normal looks like. Raises
    LinegateError if the run was trained on any of its pictures."""
    if trained_on.revision != run.revision:
        raise LinegateError(
            f"data set {trained_on.name!r} has changed since run {run.id} was trained on it: what "
            "it has learnt from is no longer known. Train again"
        )
    items = other.of("val")
    if known := leakage.learnt(trained_on, items):
        raise LinegateError(
            f"run {run.id} was trained on {len(known)} of these pictures, such as {known[0]}: "
            "thresholds need pictures that it never saw"
        )
    face = Face.model_validate(run.results["face"])
    scored, twin = (
        evaluate.score(runs.artifact(run, name), face, other, items, track)
        for name in ("model.onnx", "float.onnx")
    )
    good = [item for item in items if item.label == GOOD]
    table: list[Row] = scores.rows(scored, twin)
    found = record.thresholds(table, risk, domain) | {
        "calibrated_on": f"{other.name} {other.revision}",
        "reference": reference.statistics(other, good, scored.of(GOOD)),
        "own_reference": run.results.get("own_reference", run.results["reference"]),
    }
    runs.keep(run, "scores-calibration.csv", scores.write(table))
    _keep(runs, run, found, command)


def _keep(runs: Runs, run: Run, found: dict[str, Any], command: str) -> None:
    kept = {name: v for name, v in run.results.items() if not name.startswith("evaluation-")}
    run.results = kept | found | {"calibrated_by": command}
    runs.save(run)
