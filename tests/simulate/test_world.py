"""What became of each part follows from the orders alone, at the moment at which it is there."""

import pytest

from edge.plc.rules import Lane
from edge.simulate.belt import Belt, Place
from edge.simulate.world import Asked, Laned, Ordered, World


def run(world: World, *events, until_s: float = 100.0):
    """Events in their order, each after what the belt did before it."""
    seen = []
    for event in events:
        seen += world.advance(event.at_s)
        world.take(event)
    return [*seen, *world.advance(until_s)]


def test_without_an_order_every_part_is_thrown(world: World) -> None:
    passings = run(world)
    assert not world.busy
    assert all(part.is_out and not part.let_by for part in world.parts)
    assert sum(passing.place is Place.OUT for passing in passings) == len(world.parts)


def test_order_lets_by_the_part_that_is_there_and_no_other(world: World) -> None:
    """Parts are at the diverter at 10, 12, 14 ... for a second each; it needs 0.05 s."""
    run(world, Ordered(True, 11.8), Ordered(False, 13.2))
    assert [part.let_by for part in world.parts] == [False, True, False, False, False]
    assert not any(part.diverter_moved for part in world.parts)


@pytest.mark.parametrize(("at_s", "let_by"), [(11.94, True), (11.96, False)])
def test_order_must_come_a_reaction_before_the_part(world: World, at_s, let_by) -> None:
    run(world, Ordered(True, at_s))
    assert world.parts[1].let_by is let_by
    assert world.parts[1].diverter_moved is not let_by  # it moves below the part


def test_trigger_belongs_to_the_part_before_the_camera(world: World, belt: Belt) -> None:
    """Whatever it is called: they stand there at 5..6, 7..8 ... s."""
    run(world, Asked(("A", 1), 5.5), Asked(("A", 2), 6.5), Asked(("B", 3), 7.9))
    assert [part.asked for part in world.parts[:2]] == [
        [Asked(("A", 1), 5.5)],
        [Asked(("B", 3), 7.9)],
    ]
    assert world.strays == [Asked(("A", 2), 6.5)]


def test_first_pass_of_a_trigger_counts(world: World) -> None:
    run(
        world,
        Laned(("A", 1), Lane.REVIEW, False, 5.6),
        Laned(("A", 1), Lane.PASS, False, 7.0),
        Laned(("B", 2), Lane.REWORK, True, 8.0),
    )
    assert world.passes_s == {("A", 1): 7.0}
    assert world.silent == {("B", 2)}
