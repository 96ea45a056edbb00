"""Degrees of automation: what the model may decide and what a person must.

| level   | the person                      | the line gets                              |
|---------|---------------------------------|--------------------------------------------|
| human   | decides, sees no score          | the person's verdict; no model is asked    |
| shadow  | decides, sees no score          | the person's verdict; the model's is kept  |
| assist  | decides, sees score and heatmap | the person's verdict                       |
| partial | decides what the model leaves   | the model's where it is sure, else review  |
| full    | audits afterwards               | the model's; the open band is rework       |
"""

from dataclasses import dataclass

from edge.core.messages import Level, Verdict

ORDER = (Level.HUMAN, Level.SHADOW, Level.ASSIST, Level.PARTIAL, Level.FULL)


@dataclass(frozen=True, slots=True)
class Permit:
    """What a level allows. `open_band` is the answer where the model is not sure."""

    level: Level
    asks_model: bool
    model_decides: bool
    shows_score: bool
    open_band: Verdict


_PERMITS = {
    Level.HUMAN: Permit(Level.HUMAN, False, False, False, Verdict.REVIEW),
    Level.SHADOW: Permit(Level.SHADOW, True, False, False, Verdict.REVIEW),
    Level.ASSIST: Permit(Level.ASSIST, True, False, True, Verdict.REVIEW),
    Level.PARTIAL: Permit(Level.PARTIAL, True, True, True, Verdict.REVIEW),
    Level.FULL: Permit(Level.FULL, True, True, True, Verdict.REWORK),
}


def permit(level: Level) -> Permit:
    return _PERMITS[level]


def is_up(current: Level, wanted: Level) -> bool:
    """Whether the change gives the model more to decide."""
    return ORDER.index(wanted) > ORDER.index(current)


def lower(one: Level, other: Level) -> Level:
    """The level that leaves less to the model."""
    return min(one, other, key=ORDER.index)


def refuse_change(current: Level, wanted: Level, who: str | None) -> str | None:
    """Why the change is not allowed, or None. Down is always allowed, up needs a named person."""
    if is_up(current, wanted) and not (who or "").strip():
        return f"going up from {current} to {wanted} needs a named person in 'who'"
    return None
