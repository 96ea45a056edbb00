"""Each rule is broken by what it is there for, and by nothing else."""

import pytest

from edge.camera.parts import part_id
from edge.core.messages import Verdict
from edge.plc.rules import Lane
from edge.simulate import referee
from edge.simulate.belt import Belt
from edge.simulate.diverter import Diverter
from edge.simulate.referee import Finding, Said
from edge.simulate.world import Asked, Laned, Ordered, World

PASS = Said(Verdict.PASS, echoed=True, own_picture=True)
REWORK = Said(Verdict.REWORK, echoed=True, own_picture=None)
WORDS = (PASS, REWORK, PASS, REWORK, REWORK)


def key(number: int):
    return (part_id(number), number)


class Run:
    """A run on the small line: five parts, pass for the first and the third. A test changes some
    of what is said and done, and looks at what the referee finds."""

    def __init__(self, small) -> None:
        self.scenario = small()
        self.belt = Belt(self.scenario)
        self.asked = {n: Asked(key(n), 5.5 + 2 * n) for n in range(5)}
        self.said = {key(n): said for n, said in enumerate(WORDS)}
        self.passes = {0: 5.6, 2: 9.6}  # when the rules said pass
        self.taken_ms: dict[int, float] = {}  # of these; the others are acknowledged at once
        self.let_by = {0, 2}
        self.orders: list[Ordered] = []
        self.silent: set[int] = set()
        self.excused: set[int] = set()

    def findings(self, own_plc: bool = True) -> dict[str, Finding]:
        world = World(self.belt, Diverter(0.05))
        events = [asked for asked in self.asked.values() if asked is not None]
        events += [
            Laned(key(n), Lane.PASS, False, at, self.taken_ms.get(n, 1.0))
            for n, at in self.passes.items()
        ]
        events += [Laned(key(n), Lane.REWORK, True, 9.0) for n in self.silent]
        for number in self.let_by:
            at_s = 10 + 2 * number
            events += [Ordered(True, at_s - 0.2), Ordered(False, at_s + 1.2)]
        for event in sorted([*events, *self.orders], key=lambda event: event.at_s):
            list(world.advance(event.at_s))
            world.take(event)
        list(world.advance(100))
        found = referee.cases(world, self.belt, self.said, lambda number: number in self.excused)
        judged = [
            *referee.judge(found, self.scenario, own_plc),
            referee.strays(world, own_plc),
        ]
        return {finding.rule: finding for finding in judged}

    def broken(self, own_plc: bool = True) -> dict[str, tuple[int | str, ...]]:
        found = self.findings(own_plc)
        return {rule: finding.parts for rule, finding in found.items() if not finding.kept}


@pytest.fixture
def run(small) -> Run:
    return Run(small)


ONLY = "only parts with a pass in time go by"
EVERY = "every part with a pass in time goes by"


def test_line_that_does_what_the_gate_says_breaks_nothing(run: Run) -> None:
    assert run.broken() == {}


@pytest.mark.parametrize(
    ("taken_ms", "own_plc", "found"), [(126, False, False), (124, False, True), (126, True, True)]
)
def test_only_another_plc_may_throw_a_part_whose_trigger_was_taken_slowly(
    run: Run, taken_ms: float, own_plc: bool, found: bool
) -> None:
    """From a quarter of the half second on, for which the part still stands before the camera."""
    run.taken_ms[0] = taken_ms
    run.let_by.remove(0)
    assert (EVERY in run.broken(own_plc)) is found


def test_part_that_goes_by_in_spite_of_its_rework_is_found(run: Run) -> None:
    run.let_by.add(1)
    assert run.broken() == {ONLY: (1,)}


def test_part_that_goes_by_without_a_word_is_found(run: Run) -> None:
    run.let_by.add(1)
    del run.said[key(1)]
    assert run.broken() == {ONLY: (1,), "every trigger gets a verdict in time": (1,)}


def test_part_that_goes_by_on_a_pass_that_came_later_is_found(run: Run) -> None:
    run.passes[2] = 14.1
    assert run.broken() == {ONLY: (2,)}


def test_part_that_is_thrown_in_spite_of_its_pass_is_found(run: Run) -> None:
    run.let_by = {0}
    assert run.broken() == {EVERY: (2,)}


@pytest.mark.parametrize(("came_s", "broken"), [(13.79, {EVERY: (2,)}), (13.85, {})])
def test_pass_that_came_too_late_for_the_diverter_may_be_thrown(run: Run, came_s, broken) -> None:
    """The last place to decide is reached at 13.9; 0.1 s is granted to the network."""
    run.let_by = {0}
    run.passes[2] = came_s
    assert run.broken() == broken


def test_verdicts_of_neighbours_that_were_swapped_at_the_diverter_are_found(run: Run) -> None:
    run.let_by = {1, 3}
    assert run.broken() == {ONLY: (1, 3), EVERY: (0, 2)}


def test_diverter_that_moves_below_a_part_is_found(run: Run) -> None:
    run.orders = [Ordered(True, 16.3), Ordered(False, 16.5)]  # part 3 is there
    assert run.broken() == {"the diverter stands still while a part goes through": (3,)}


def test_part_without_a_trigger_is_found(run: Run) -> None:
    run.asked[3] = None
    assert run.broken() == {"every part is triggered": (3,)}


def test_trigger_when_no_part_is_there_is_found(run: Run) -> None:
    run.asked[3] = Asked(key(3), 12.3)
    assert run.broken() == {
        "every part is triggered": (3,),
        "every trigger comes while a part stands before the camera": (part_id(3),),
    }


def test_part_under_two_names_is_found(run: Run) -> None:
    run.asked[9] = Asked(("X-9", 9), 7.6)
    assert run.broken() == {"every part is triggered under one name": (1,)}


def test_own_plc_that_lost_count_is_found_and_somebody_elses_names_are_free(run: Run) -> None:
    run.asked[1] = Asked(("X-1", 1), 7.5)
    run.said[("X-1", 1)] = run.said.pop(key(1))
    assert run.broken() == {"every part is triggered under one name": (1,)}
    assert run.broken(own_plc=False) == {}


def test_silence_is_found_and_a_trouble_by_script_excuses_it(run: Run) -> None:
    run.silent = {1}
    assert run.broken() == {"every trigger gets a verdict in time": (1,)}
    run.excused = {1}
    assert run.broken() == {}
    assert run.findings()["every trigger gets a verdict in time"].excused == 1


def test_no_trouble_excuses_a_part_that_goes_by_wrongly(run: Run) -> None:
    run.let_by.add(1)
    run.excused = {1}
    assert run.broken() == {ONLY: (1,)}


def test_our_own_plc_lets_by_no_part_whose_pass_it_never_heard_whatever_the_trouble(run) -> None:
    del run.passes[2]
    run.excused = {2}
    assert ONLY in run.broken(own_plc=True)
    assert ONLY not in run.broken(own_plc=False)  # its ears are not ours


def test_verdict_without_echo_is_found(run: Run) -> None:
    run.said[key(1)] = Said(Verdict.REWORK, echoed=False, own_picture=None)
    assert run.broken() == {"every verdict is echoed": (1,)}


def test_pass_on_another_parts_picture_is_found_if_the_part_went_by(run: Run) -> None:
    run.said[key(2)] = Said(Verdict.PASS, echoed=True, own_picture=False)
    assert run.broken() == {"every part that goes by was judged by its own picture": (2,)}


def test_parts_that_are_still_on_the_belt_are_not_judged(belt: Belt, world: World) -> None:
    list(world.advance(13.5))
    assert [case.number for case in referee.cases(world, belt, {}, lambda _: False)] == [0, 1]
