"""The station's own word, as it is shown: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from edge.core.messages import StateMessage, StateWord
from edge.core.orders import Condition, Status
from edge.page import words


@dataclass(frozen=True, slots=True)
class StationView:
    """The state word, the first cause with what to do, and everything else that is wrong."""

    key: str
    word: str
    cause: str
    action: str | None
    detail: str | None  # for whoever mends it
    since: str | None
    others: tuple[Condition, ...]
    level: str
    level_key: str | None
    recipe: str
    model: str
    cameras: tuple[tuple[str, str], ...]  # those that missed something: name, what


def station_view(status: Status | None, away: str | None, zone: tzinfo | None) -> StationView:
    """`status` None: the gate does not answer; `away` says why."""
    state = status.state if status else StateMessage(state=StateWord.OFFLINE)
    others = tuple(c for c in status.conditions if c.cause != state.cause) if status else ()
    gone = status is None
    cause = words.GATE_AWAY_CAUSE if gone else state.cause
    level = words.LEVELS[state.level] if state.level else None
    return StationView(
        key=state.state.value,
        word=words.STATES[state.state],
        cause=cause or words.MEANINGS[state.state],
        action=words.GATE_AWAY_ACTION if gone else state.action,
        detail=away,
        since=_since(state.since, zone),
        others=others,
        level=f"{level.name}: {level.short}" if level else "not known",
        level_key=state.level.value if state.level else None,
        recipe=state.recipe or "not known",
        model=state.model or "none",
        cameras=missed(status.cameras) if status else (),
    )


def missed(cameras: Mapping[str, Mapping[str, int]]) -> tuple[tuple[str, str], ...]:
    """The cameras that missed something since the gate started, and what."""
    found = []
    for name, counts in cameras.items():
        shots, lost = counts.get("shots", 0), counts.get("missed_frames", 0)
        without = shots - counts.get("frames", 0)
        said = [f"{without:,} of {shots:,} pictures did not come"] if without else []
        said += [f"{lost:,} frame{'' if lost == 1 else 's'} lost on the way"] if lost else []
        if said:
            found.append((name, ", ".join(said)))
    return tuple(found)


def _since(at: datetime | None, zone: tzinfo | None) -> str | None:
    return None if at is None else at.astimezone(zone).strftime("%H:%M:%S, %d %b")
