"""The diverter stands at rework, and moves a reaction time after it was told."""

from edge.simulate.diverter import Diverter


def test_it_stands_at_rework_until_told() -> None:
    assert not Diverter(0.1).lets_by(100.0)


def test_order_is_carried_out_a_reaction_later() -> None:
    diverter = Diverter(0.1)
    diverter.order(True, 1.0)
    diverter.order(False, 2.0)
    assert [diverter.lets_by(at) for at in (1.05, 1.1, 2.05, 2.1)] == [False, True, True, False]


def test_it_tells_whether_it_moved() -> None:
    diverter = Diverter(0.1)
    diverter.order(True, 1.0)
    diverter.order(True, 1.5)  # nothing new
    assert diverter.moved(1.0, 1.2)
    assert not diverter.moved(1.2, 9.0)
