"""The table of `core/automation.py`, and who may change the level."""

import pytest

from edge.core.automation import ORDER, is_up, permit, refuse_change
from edge.core.messages import Level, Verdict

UP = [(low, high) for i, low in enumerate(ORDER) for high in ORDER[i + 1 :]]


def test_order_is_from_least_to_most_and_complete() -> None:
    assert ORDER == (Level.HUMAN, Level.SHADOW, Level.ASSIST, Level.PARTIAL, Level.FULL)
    assert set(ORDER) == set(Level)


@pytest.mark.parametrize(
    ("level", "asks_model", "model_decides", "shows_score", "open_band"),
    [
        (Level.HUMAN, False, False, False, Verdict.REVIEW),
        (Level.SHADOW, True, False, False, Verdict.REVIEW),
        (Level.ASSIST, True, False, True, Verdict.REVIEW),
        (Level.PARTIAL, True, True, True, Verdict.REVIEW),
        (Level.FULL, True, True, True, Verdict.REWORK),
    ],
)
def test_permits_are_those_of_the_table(
    level: Level, asks_model: bool, model_decides: bool, shows_score: bool, open_band: Verdict
) -> None:
    found = permit(level)
    assert found.level is level
    assert (found.asks_model, found.model_decides) == (asks_model, model_decides)
    assert (found.shows_score, found.open_band) == (shows_score, open_band)


@pytest.mark.parametrize("level", ORDER)
def test_no_level_passes_what_the_model_left_open(level: Level) -> None:
    assert permit(level).open_band is not Verdict.PASS


@pytest.mark.parametrize(("low", "high"), UP)
def test_up_needs_a_named_person_and_down_nobody(low: Level, high: Level) -> None:
    assert is_up(low, high) and not is_up(high, low)
    for nobody in (None, "", "  \t"):
        assert refuse_change(low, high, nobody) == (
            f"going up from {low} to {high} needs a named person in 'who'"
        )
        assert refuse_change(high, low, nobody) is None
    assert refuse_change(low, high, "Ada") is None


@pytest.mark.parametrize("level", ORDER)
def test_same_level_is_no_change(level: Level) -> None:
    assert not is_up(level, level)
    assert refuse_change(level, level, None) is None
