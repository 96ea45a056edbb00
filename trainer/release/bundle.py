"""A run as a bundle: manifest.json, model.onnx, golden/, card.md (docs/models.md).

The same run gives the same bytes: whatever is dated carries the run's own end.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.core.errors import LinegateError
from edge.core.manifest import MAX_MODEL_BYTES, Face, Manifest, Parity, Provenance, Thresholds
from trainer.data.items import Dataset
from trainer.release.golden import Example
from trainer.runs import Run


@dataclass(frozen=True, slots=True)
class Facts:
    """What a release says beyond what its run knows."""

    name: str
    version: int
    purpose: str
    licences: tuple[str, ...]
    people: tuple[str, ...]
    commands: tuple[str, ...]


def describe(
    run: Run, dataset: Dataset, model: bytes, examples: Sequence[Example], facts: Facts
) -> Manifest:
    """The manifest of a run's model."""
    return Manifest(
        name=facts.name,
        version=facts.version,
        sha256=hashlib.sha256(model).hexdigest(),
        learner=run.learner,
        face=Face.model_validate(run.results["face"]),
        thresholds=Thresholds.model_validate(run.results["thresholds"]),
        reference=run.results["reference"],
        parity=Parity.model_validate(run.results["parity"]),
        golden=tuple(example.entry for example in examples),
        provenance=Provenance(
            code=run.code,
            dataset=f"{dataset.name} {run.revision}",
            run=run.id,
            made_at=datetime.fromisoformat(run.finished_at),
            people=facts.people,
            licences=facts.licences,
            commands=facts.commands,
            backbone=run.results["backbone"],
        ),
    )


def write(
    folder: Path, manifest: Manifest, model: bytes, examples: Sequence[Example], card: str
) -> None:
    """Write the bundle beside its place, then move it there whole; the old one is put aside first
    and goes last, so that one of both is always there.

    Raises LinegateError if `folder` holds something else than a bundle, or the model is too big.
    """
    if len(model) > MAX_MODEL_BYTES:
        raise LinegateError(f"the model has {len(model)} bytes, a box takes {MAX_MODEL_BYTES}")
    if folder.exists() and any(folder.iterdir()) and not (folder / "manifest.json").is_file():
        raise LinegateError(f"{folder} holds something else than a bundle: choose another --to")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "bundle"
        (made / "golden").mkdir(parents=True)
        (made / "manifest.json").write_text(manifest.model_dump_json(indent=2) + "\n")
        (made / "model.onnx").write_bytes(model)
        (made / "card.md").write_text(card)
        for example in examples:
            (made / example.entry.file).write_bytes(example.png())
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        made.rename(folder)
