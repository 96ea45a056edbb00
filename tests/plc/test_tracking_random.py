"""Whatever the order of events, no part goes through without its own pass verdict.

A belt with real things on it, some of which nobody knows, is moved, stopped, shaken and stalled at
random. What the diverter does while a thing's middle crosses it is what counts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from edge.core.messages import Verdict
from edge.plc.tracking import (
    Acknowledged,
    Belt,
    Confirmed,
    Entered,
    Event,
    Key,
    Lost,
    Moved,
    Told,
    Tracker,
)

MM = 1000
DIVERTER, WINDOW, GAP, LANE = 300, 20, 60, 80
STALE_S = 60


@dataclass
class Thing:
    """On the belt, `at_mm` behind the trigger. Its keys: it is seen again after a way back."""

    at_mm: int
    keys: list[Key] = field(default_factory=list)


class BeltMachine(RuleBasedStateMachine):
    kind: type[Tracker] = Tracker

    @initialize(
        rest_passes=st.booleans(),
        confirm=st.booleans(),
        cleared=st.booleans(),
        unknown=st.lists(st.integers(0, DIVERTER), max_size=3),
    )
    def begin(self, rest_passes: bool, confirm: bool, cleared: bool, unknown: list[int]) -> None:
        belt = Belt(
            diverter_um=DIVERTER * MM,
            window_um=WINDOW * MM,
            min_gap_um=GAP * MM,
            stale_ns=STALE_S * 10**9,
            confirm_um=LANE * MM if confirm else None,
            rest_passes=rest_passes,
        )
        self.rest_passes = rest_passes
        self.told_mm = 2**32 - 1000  # what the encoder says, from anywhere
        self.tracker = self.kind(belt, self.told_mm * MM)
        self.now_ns = 0
        self.things = [Thing(at) for at in unknown]
        self.granted: dict[Key, int] = {}  # when the pass came
        self.entered: dict[Key, int] = {}
        self.count = 0
        for _ in range(40 if cleared else 0):
            self._move(10)

    # ---- what can happen ----

    @rule(gap_mm=st.integers(0, 2 * GAP))
    def part_enters(self, gap_mm: int) -> None:
        for _ in range(gap_mm):
            self._move(1)
        self.things.append(Thing(0))
        self._see(self.things[-1])

    @precondition(lambda self: self.entered)
    @rule(data=st.data(), word=st.sampled_from(Verdict))
    def verdict_arrives(self, data: st.DataObject, word: Verdict) -> None:
        key = data.draw(st.sampled_from([*self.entered]))
        self._tell(key, word)

    @precondition(lambda self: self.entered)
    @rule()
    def newest_part_passes(self) -> None:
        self._tell([*self.entered][-1], Verdict.PASS)

    @precondition(lambda self: self.entered)
    @rule(left_mm=st.integers(1, WINDOW))
    def newest_part_passes_too_late(self, left_mm: int) -> None:
        """It is already at the diverter."""
        key = [*self.entered][-1]
        thing = next(thing for thing in self.things if key in thing.keys)
        while thing.at_mm < DIVERTER - left_mm:
            self._move(min(10, DIVERTER - left_mm - thing.at_mm))
        self._tell(key, Verdict.PASS)

    @rule()
    def stranger_is_told(self) -> None:
        self._do(Told(("stranger", 1), Verdict.PASS))

    @precondition(lambda self: self.entered)
    @rule(data=st.data())
    def trigger_is_repeated(self, data: st.DataObject) -> None:
        self._do(Entered(data.draw(st.sampled_from([*self.entered]))))

    @rule(gap_mm=st.integers(1, 2 * GAP))
    def good_part_enters(self, gap_mm: int) -> None:
        """Else hardly any part would pass."""
        self.part_enters(gap_mm)
        self.newest_part_passes()

    @rule(mm=st.integers(1, 15), times=st.integers(1, 30))
    def belt_runs(self, mm: int, times: int) -> None:
        for _ in range(times):
            self._move(mm)

    @rule(mm=st.integers(1, 300))
    def outputs_stall(self, mm: int) -> None:
        self._move(mm)

    @rule(mm=st.integers(1, 80))
    def belt_runs_back(self, mm: int) -> None:
        for _ in range(mm):
            self._move(-1)

    @rule(mm=st.integers(1, 30))
    def edges_are_lost(self, mm: int) -> None:
        self._carry(mm)
        self._do(Lost("edges"))

    @rule(s=st.integers(1, 2 * STALE_S))
    def belt_stands(self, s: int) -> None:
        self.now_ns += s * 10**9
        self._do(Moved())

    @rule()
    def reject_lane_sees_something(self) -> None:
        self._do(Confirmed())

    @rule()
    def person_acknowledges(self) -> None:
        self._do(Acknowledged())

    # ---- how it goes on ----

    def _see(self, thing: Thing) -> None:
        self.count += 1
        key = (f"P{self.count}", self.count)
        thing.keys.append(key)
        self.entered[key] = self.now_ns
        self._do(Entered(key))

    def _tell(self, key: Key, word: Verdict) -> None:
        thing = next(thing for thing in self.things if key in thing.keys)
        if word is not Verdict.PASS:
            self.granted.pop(key, None)
        elif thing.at_mm < DIVERTER - WINDOW:
            self.granted[key] = self.now_ns
        self._do(Told(key, word))

    def _move(self, mm: int) -> None:
        """The kernel keeps the order of edges, also of those that nobody has read yet."""
        through = self._carry(mm)
        again = [thing for thing in self.things if 0 <= thing.at_mm < mm]
        begun_mm, self.told_mm = self.told_mm, self.told_mm + mm
        for thing in sorted(again, key=lambda thing: -thing.at_mm):
            self.told_mm = begun_mm + mm - thing.at_mm
            self._see(thing)
        self.told_mm = begun_mm + mm
        self._do(Moved())
        assert not through or self.tracker.locked is not None, f"{through} went through"

    def _carry(self, mm: int) -> list[Thing]:
        """Returns which went through without leave: their middle crossed an open diverter."""
        open_ = not self.tracker.rejecting if self.rest_passes else self.tracker.passing
        crossed = [t for t in self.things if t.at_mm < DIVERTER <= t.at_mm + mm]
        for thing in self.things:
            thing.at_mm += mm
        return [t for t in crossed if open_ and not any(key in self.granted for key in t.keys)]

    def _do(self, event: Event) -> None:
        self.tracker.handle(event, self.told_mm * MM, self.now_ns)

    @invariant()
    def open_only_for_those_that_may_pass(self) -> None:
        if not hasattr(self, "tracker") or not self.tracker.passing:
            return
        there = [t for t in self.things if abs(t.at_mm - DIVERTER) < WINDOW - 1]
        for thing in there:
            assert any(key in self.granted for key in thing.keys), f"{thing} may go through"
        assert self.tracker.locked is None


def torment(kind: type[Tracker], examples: int, phases: tuple[Phase, ...] = tuple(Phase)) -> None:
    machine = type("Machine", (BeltMachine,), {"kind": kind})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            report_multiple_bugs=False,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_part_goes_through_without_its_own_pass() -> None:
    torment(Tracker, examples=300)


# ---- planted bugs: each must be found ----


class _NextPartGetsIt(Tracker):
    """Verdicts are matched by their order."""

    def _tell(self, key: Key, word: Verdict) -> None:
        waiting = [part.key for part in self._parts.values() if part.word is None]
        super()._tell(waiting[0] if waiting else key, word)


class _OpensForTheWorseOfTwo(Tracker):
    """Of two parts in the window, which are not seen to be too close, one pass is enough."""

    def _is_near(self, part: object, at_um: int) -> bool:
        return False

    @property
    def passing(self) -> bool:
        there = [part.passes for part in self._parts.values() if self._is_present(part)]
        return any(there) and not self._blind and self.locked is None


class _ForgetsNothing(Tracker):
    def _lose(self) -> None:
        self._farthest_um = self._at_um


class _LocksNever(Tracker):
    def _lock(self, why: str) -> None:
        pass


class _TakesLatePasses(Tracker):
    def _tell(self, key: Key, word: Verdict) -> None:
        super()._tell(key, word)
        if key in self._parts and word is Verdict.PASS:
            self._parts[key].passes = None


class _PassesAtTheStart(Tracker):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._blind_until_um = 0


@pytest.mark.parametrize(
    "kind",
    [
        _NextPartGetsIt,
        _OpensForTheWorseOfTwo,
        _ForgetsNothing,
        _LocksNever,
        _TakesLatePasses,
        _PassesAtTheStart,
    ],
    ids=lambda kind: kind.__name__,
)
def test_planted_bug_is_found(kind: Callable[..., Tracker]) -> None:
    with pytest.raises(AssertionError, match="through"):
        torment(kind, examples=3000, phases=(Phase.generate,))  # type: ignore[arg-type]
