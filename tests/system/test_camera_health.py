"""A camera that is knocked, turned out of focus, badly lit or damaged: the line hears the cause,
nothing passes that should not, and the cause goes by itself when the camera is well again."""

import signal
from collections.abc import Iterator

import pytest
from line import FRAMES, TestLine, station

from edge.core.errors import LinegateError
from edge.core.messages import Reason, StateWord, Verdict
from edge.core.orders import StatusOrder, TakeReferenceOrder
from edge.gate.control import send_order
from edge.store.reader import LedgerReader

pytestmark = [pytest.mark.system, pytest.mark.slow]

VIEWS = "[[views]]\nreference = { x_px = 1, y_px = 1, w_px = 36, h_px = 36 }\n"
PATIENCE_S = 40.0


@pytest.fixture(scope="module")
def line() -> Iterator[TestLine]:
    with station(frames=f"{FRAMES}\nmark = true", views=VIEWS) as line:
        line.feed_while(lambda: causes(line) != {"camera_unwatched"}, PATIENCE_S)
        order = TakeReferenceOrder(recipe="disc", who="ada")
        assert send_order(line.config.control_socket, order).ok
        line.feed_while(lambda: causes(line) != set(), PATIENCE_S)
        yield line


def causes(line: TestLine) -> set[str]:
    status = send_order(line.config.control_socket, StatusOrder()).status
    assert status is not None
    return {condition.code for condition in status.conditions}


def causes_if_up(line: TestLine) -> set[str]:
    try:
        return causes(line)
    except LinegateError:
        return set()


def newest(line: TestLine, n: int) -> list[tuple[Verdict | None, tuple[Reason, ...]]]:
    rows = LedgerReader(line.config.ledger_path).newest(n)
    return [(row.verdict, row.reasons) for row in rows]


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ({"moved_px": [5, 0]}, "camera_moved", "+5.0 px to the right"),
        ({"defocus_px": 1.0}, "camera_defocused", "of the reference's sharpness"),
        ({"lamp": 0.5}, "camera_exposure", "of the reference's light"),
    ],
)
def test_camera_that_is_not_as_it_was_stops_every_pass_until_it_is_well(
    line: TestLine, fault: dict[str, object], code: str, words: str
) -> None:
    line.fault(**fault)
    line.feed_while(lambda: causes(line) != {code}, PATIENCE_S)
    state = line.until(StateWord.FAULT, 5)
    assert words in (state.cause or "") and state.action
    line.plc.wait_idle(5)
    line.feed(8)
    line.plc.wait_idle(5)
    assert {verdict for verdict, _ in newest(line, 8)} == {Verdict.REWORK}
    assert all(Reason.DRIFT in reasons for _, reasons in newest(line, 8))
    line.fault()
    line.feed_while(lambda: causes(line) != set(), PATIENCE_S)
    line.until(StateWord.READY, 5)
    line.check_books()


def test_dead_pixel_is_a_lack_that_goes_with_it_and_parts_pass_meanwhile(line: TestLine) -> None:
    line.fault(stuck=[[200, 120, 0]])
    line.feed_while(lambda: causes(line) != {"camera_pixels"}, 2 * PATIENCE_S)
    state = line.until(StateWord.DEGRADED, 5)
    assert "camera main: 1 of them, at (200, 120)" in (state.cause or "")
    line.feed(20)
    line.plc.wait_idle(5)
    assert Verdict.PASS in {verdict for verdict, _ in newest(line, 20)}
    line.fault()
    line.feed_while(lambda: causes(line) != set(), 2 * PATIENCE_S)
    line.check_books()


def test_reference_outlasts_a_killed_gate(line: TestLine) -> None:
    line.fault(moved_px=[5, 0])
    line.signal("gate", signal.SIGKILL)
    line.feed_while(lambda: not {"camera_moved"} <= causes_if_up(line), PATIENCE_S)
    line.fault()
    line.feed_while(lambda: causes(line) != set(), PATIENCE_S)
    line.check_books(late=True)
