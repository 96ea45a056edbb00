"""What people said about the sheet of a run: accepted or rejected, by whom, when and why.

Every look is kept; the last one counts.
"""

from dataclasses import asdict, dataclass

from edge.core.errors import LinegateError
from trainer.report.preview import ARTIFACT
from trainer.runs import Run

KEY = "looks"  # in the run's results


@dataclass(frozen=True, slots=True)
class Look:
    """One person's answer to one sheet."""

    accepted: bool
    by: str
    why: str
    at: str  # ISO 8601
    sheet: str  # sha256

    def __str__(self) -> str:
        word = "accepted" if self.accepted else "rejected"
        return f"{word} by {self.by}, {self.at}{f': {self.why}' if self.why else ''}"


def record(run: Run, accepted: bool, by: str, why: str, at: str) -> Look:
    """Raises LinegateError if the run has no sheet."""
    if ARTIFACT not in run.artifacts:
        raise LinegateError(f"run {run.id} has no {ARTIFACT}: it was made before; train again")
    look = Look(accepted, by, why, at, run.artifacts[ARTIFACT])
    run.results[KEY] = [*run.results.get(KEY, []), asdict(look)]
    return look


def last(run: Run) -> Look | None:
    """What counts, or None while nobody has looked."""
    looks = run.results.get(KEY)
    return Look(**looks[-1]) if looks else None


def refuse_rejected(run: Run) -> None:
    """Raises LinegateError if the last who looked rejected the sheet."""
    look = last(run)
    if look is not None and not look.accepted:
        raise LinegateError(
            f"run {run.id}: what it learnt from was {look}. Mend the pictures, their labels or the "
            f"recipe's orientation and train again; or, if it is in order after all, "
            f"`linegate-trainer preview --run {run.id} --accept --by NAME`"
        )
