"""The station's own word, as it is shown: pure."""

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
    )


def _since(at: datetime | None, zone: tzinfo | None) -> str | None:
    return None if at is None else at.astimezone(zone).strftime("%H:%M:%S, %d %b")
