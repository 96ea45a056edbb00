"""The shift register by hand: who passes, who does not, and what locks the line."""

import pytest

from edge.core.messages import Verdict
from edge.plc.tracking import (
    MAX_PARTS,
    Acknowledged,
    Belt,
    Confirmed,
    Decided,
    Entered,
    Event,
    Key,
    Lost,
    Moved,
    Told,
    Tracker,
)

MM = 1000
S = 1_000_000_000


class Line:
    """A belt in mm: diverter at 500, window 20 to both sides, gap 60, confirmed within 100."""

    def __init__(
        self,
        confirm: bool = False,
        rest_passes: bool = False,
        clear: bool = True,
        diverter_mm: int = 500,
    ) -> None:
        belt = Belt(
            diverter_um=diverter_mm * MM,
            window_um=20 * MM,
            min_gap_um=60 * MM,
            stale_ns=60 * S,
            confirm_um=100 * MM if confirm else None,
            rest_passes=rest_passes,
        )
        self.at_mm = 0.0
        self.now_s = 0.0
        self.tracker = Tracker(belt, 0)
        self.decided: list[Decided] = []
        if clear:
            self.run(2 * diverter_mm, step_mm=10)

    def do(self, event: Event) -> None:
        self.decided += self.tracker.handle(event, round(self.at_mm * MM), round(self.now_s * S))

    def run(self, mm: float, step_mm: float = 1.0) -> None:
        """Forward, or backward; 1000 mm/s."""
        for _ in range(round(abs(mm) / step_mm)):
            self.at_mm += step_mm if mm > 0 else -step_mm
            self.now_s += step_mm / 1000
            self.do(Moved())

    def part(self, name: str, word: Verdict | None = None) -> Key:
        key = (name, 1)
        self.do(Entered(key))
        if word is not None:
            self.do(Told(key, word))
        return key

    @property
    def passing(self) -> bool:
        return self.tracker.passing

    @property
    def rejecting(self) -> bool:
        return self.tracker.rejecting

    def why(self, name: str) -> str | None:
        return [d.why for d in self.decided if d.key[0] == name][-1]


def test_passed_part_opens_the_diverter_for_its_window_alone() -> None:
    line = Line()
    line.part("A", Verdict.PASS)
    line.run(479)
    assert (line.passing, line.rejecting) == (False, False)
    line.run(1)
    assert (line.passing, line.rejecting) == (True, False)
    line.run(40)
    assert line.passing
    line.run(1)
    assert (line.passing, line.rejecting) == (False, False)
    assert line.decided == [Decided(("A", 1), None)]


@pytest.mark.parametrize("word", [None, Verdict.REWORK, Verdict.REVIEW])
def test_part_without_a_pass_is_rejected(word: Verdict | None) -> None:
    line = Line()
    line.part("A", word)
    line.run(500)
    assert (line.passing, line.rejecting) == (False, True)


def test_pass_that_comes_into_the_window_is_too_late() -> None:
    line = Line()
    key = line.part("A")
    line.run(480)
    line.do(Told(key, Verdict.PASS))
    line.run(10)
    assert not line.passing and line.why("A") == "no verdict in time"


def test_rework_that_follows_a_pass_counts_even_in_the_window() -> None:
    line = Line()
    key = line.part("A", Verdict.PASS)
    line.run(490)
    assert line.passing
    line.do(Told(key, Verdict.REWORK))
    assert not line.passing and line.rejecting
    line.do(Told(key, Verdict.PASS))
    assert not line.passing


def test_persons_pass_after_a_review_counts_in_time() -> None:
    line = Line()
    key = line.part("A", Verdict.REVIEW)
    line.do(Told(key, Verdict.PASS))
    line.run(500)
    assert line.passing


def test_three_in_flight_get_their_own_verdicts_in_whatever_order_these_come() -> None:
    line = Line()
    keys = []
    for name in "ABC":
        keys.append(line.part(name))
        line.run(100)
    line.do(Told(keys[2], Verdict.PASS))
    line.do(Told(keys[1], Verdict.REWORK))
    line.do(Told(keys[0], Verdict.PASS))
    line.run(200)
    seen = []
    for _ in range(3):
        seen.append(line.passing)
        line.run(100)
    assert seen == [True, False, True]


def test_parts_too_close_to_be_told_apart_are_both_rejected() -> None:
    line = Line()
    line.part("A", Verdict.PASS)
    line.run(59)
    line.part("B", Verdict.PASS)
    line.run(61)
    line.part("C", Verdict.PASS)
    line.run(600)
    assert line.why("A") == line.why("B") == "too close to its neighbour"
    assert line.why("C") is None


def test_third_without_a_gap_means_that_the_distance_is_wrong_and_nothing_is_believed() -> None:
    """An encoder that is broken while the belt runs."""
    line = Line(rest_passes=True)
    for name in "ABC":
        line.part(name, Verdict.PASS)
    assert line.rejecting and not line.passing


def test_repeated_trigger_is_no_second_part() -> None:
    line = Line()
    key = line.part("A", Verdict.PASS)
    line.run(600)
    line.do(Entered(key))
    line.do(Told(key, Verdict.PASS))
    line.run(500)
    assert not line.passing


def test_verdict_of_an_unknown_part_moves_nothing() -> None:
    line = Line()
    line.do(Told(("X", 9), Verdict.PASS))
    line.run(600)
    assert not line.passing and line.decided == []


def test_nothing_passes_until_what_lay_on_the_belt_at_the_start_has_left() -> None:
    line = Line(clear=False)
    assert line.rejecting
    line.part("A", Verdict.PASS)
    line.run(41)
    line.run(479)
    assert not line.passing and line.rejecting
    line.run(1)
    assert not line.rejecting


def test_stopped_belt_keeps_its_parts_and_a_pass_may_come_meanwhile() -> None:
    line = Line()
    key = line.part("A")
    line.run(300)
    line.now_s += 30
    line.do(Told(key, Verdict.PASS))
    line.run(200)
    assert line.passing


def test_part_that_lay_on_a_stopped_belt_for_too_long_is_rejected() -> None:
    line = Line()
    line.part("A", Verdict.PASS)
    line.run(300)
    line.now_s += 61
    line.run(200)
    assert not line.passing and line.why("A") == "it was on its way for too long"


def test_belt_that_stops_in_the_window_for_too_long_closes_it() -> None:
    line = Line()
    line.part("A", Verdict.PASS)
    line.run(490)
    assert line.passing
    line.now_s += 61
    line.do(Moved())
    assert not line.passing and line.rejecting


def test_belt_that_creeps_back_as_it_stops_loses_nothing() -> None:
    line = Line()
    line.part("A", Verdict.PASS)
    line.run(490)
    line.run(-15)
    assert not line.passing
    line.run(15)
    assert line.passing


def test_belt_that_runs_back_is_cleared_before_anything_passes() -> None:
    line = Line()
    line.part("A", Verdict.PASS)
    line.run(300)
    line.run(-21)
    assert line.rejecting
    line.run(221)
    assert not line.passing
    line.run(400)
    line.part("B", Verdict.PASS)
    line.run(500)
    assert line.passing


def test_lost_edges_clear_the_belt() -> None:
    line = Line()
    line.part("A", Verdict.PASS)
    line.do(Lost("edges"))
    line.run(500)
    assert not line.passing and line.rejecting


def test_more_parts_than_it_can_hold_clear_the_belt() -> None:
    line = Line(rest_passes=True, diverter_mm=20_000)
    for n in range(MAX_PARTS):
        line.part(f"P{n}", Verdict.PASS)
        line.run(60, step_mm=10)
    assert not line.rejecting
    line.part("last", Verdict.PASS)
    assert line.rejecting


# ---- an output that comes too late ----


def test_window_that_was_overrun_passes_nothing_where_rest_rejects() -> None:
    line = Line()
    line.part("A", Verdict.PASS)
    line.run(600, step_mm=300)
    assert line.why("A") == "it was past the diverter before that could move"
    assert line.tracker.locked is None


def test_window_that_was_overrun_locks_where_rest_passes() -> None:
    line = Line(rest_passes=True)
    line.part("A", Verdict.REWORK)
    line.run(600, step_mm=300)
    assert line.tracker.locked == "part A was past the diverter before that could move"


def test_part_that_slipped_through_behind_another_locks() -> None:
    line = Line()
    line.part("A", Verdict.PASS)
    line.run(100)
    line.part("B", Verdict.REWORK)
    line.run(400)
    assert line.passing
    line.run(101, step_mm=101)
    assert line.tracker.locked == "part B was past the diverter before that could move"


# ---- seen to leave ----


def test_confirmed_rejects_leave_the_line_unlocked() -> None:
    line = Line(confirm=True)
    for name in "ABC":
        line.part(name, Verdict.REWORK)
        line.run(70)
    line.run(500 - 210 + 30)
    for _ in range(3):
        line.do(Confirmed())
        line.run(70)
    line.run(500)
    assert line.tracker.locked is None


def test_reject_that_was_not_seen_to_leave_locks_the_line_until_it_is_acknowledged() -> None:
    line = Line(confirm=True)
    line.part("A", Verdict.REWORK)
    line.run(200)
    line.part("B", Verdict.PASS)
    line.run(419)
    assert line.tracker.locked is None
    line.run(2)
    assert line.tracker.locked == "part A was not seen to leave"
    line.run(60)
    assert not line.passing  # B has its pass, but the line is locked
    line.run(300)
    line.do(Acknowledged())
    line.part("C", Verdict.PASS)
    line.run(500)
    assert line.passing and line.tracker.locked is None


def test_later_confirmation_does_not_unlock() -> None:
    """The part that was lost lies among the good ones: only a person can find it."""
    line = Line(confirm=True)
    line.part("A", Verdict.REWORK)
    line.run(700)
    line.part("B", Verdict.PASS)
    line.run(520)
    line.do(Confirmed())
    line.run(500)
    assert line.tracker.locked == "part A was not seen to leave"


def test_parts_on_the_belt_at_the_acknowledgement_are_rejected() -> None:
    line = Line(confirm=True)
    line.part("A", Verdict.REWORK)
    line.run(500)
    line.part("B", Verdict.PASS)
    line.run(200)
    line.do(Acknowledged())
    line.run(300)
    assert not line.passing
    assert line.why("B") == "on the belt when the alarm was acknowledged"
    line.run(500)
    assert line.tracker.locked is None  # B may be taken off by hand


@pytest.mark.parametrize("word", [Verdict.PASS, None])
def test_what_leaves_through_the_reject_lane_unrejected_locks_the_line(
    word: Verdict | None,
) -> None:
    line = Line(confirm=True)
    if word is not None:
        line.part("A", word)
    line.run(510)
    line.do(Confirmed())
    assert line.tracker.locked == "something left through the reject lane that was not rejected"


def test_two_touching_parts_may_be_seen_as_two() -> None:
    line = Line(confirm=True)
    line.part("A", Verdict.REWORK)
    line.run(510)
    line.do(Confirmed())
    line.run(20)
    line.do(Confirmed())
    line.run(500)
    assert line.tracker.locked is None


def test_unknown_parts_of_the_start_may_be_seen_leaving() -> None:
    line = Line(confirm=True, clear=False)
    line.run(300)
    line.do(Confirmed())
    line.run(800)
    assert line.tracker.locked is None


def test_lock_from_before_a_restart_holds() -> None:
    line = Line()
    locked = Tracker(line.tracker._belt, 0, locked="part A was not seen to leave")
    locked.handle(Moved(), 600 * MM, 0)
    locked.handle(Entered(("B", 1)), 600 * MM, 0)
    locked.handle(Told(("B", 1), Verdict.PASS), 600 * MM, 0)
    locked.handle(Moved(), 1100 * MM, 0)
    assert not locked.passing


def test_where_rest_passes_the_diverter_moves_for_each_part_without_a_pass() -> None:
    line = Line(rest_passes=True)
    line.part("A", Verdict.PASS)
    line.run(100)
    line.part("B")
    line.run(400)
    assert not line.rejecting
    line.run(100)
    assert line.rejecting


def test_due_is_where_the_next_window_begins_or_ends() -> None:
    line = Line()
    line.part("A", Verdict.PASS)
    at_um = round(line.at_mm * MM)
    assert line.tracker.due_um() == at_um + 480 * MM
    line.run(480)
    assert line.tracker.due_um() == at_um + 520 * MM + 1
    line.run(600)
    assert line.tracker.due_um() is None
