"""Whatever breaks, the line stays safe, says what is wrong, and is ready again in seconds."""

import random
import signal
import time
from collections.abc import Iterator

import pytest
from line import TestLine, station, wait_for

from edge.core.messages import Reason, StateMessage, StateWord, Verdict
from edge.store.reader import LedgerReader

pytestmark = [pytest.mark.system, pytest.mark.slow]

READY_AGAIN_S = 5.0
SLACK_S = 15.0  # a loaded test machine may take longer; what was seen is in docs/benchmarks.md


@pytest.fixture(scope="module")
def line() -> Iterator[TestLine]:
    with station() as line:
        yield line


@pytest.fixture(autouse=True)
def _well_again(line: TestLine) -> Iterator[None]:
    yield
    line.fault()
    line.feed_while(lambda: not is_ready(line), 30)


def is_ready(line: TestLine) -> bool:
    return line.states.now is not None and line.states.now.state is StateWord.READY


def feed_until_fault(line: TestLine, within_s: float = 15.0) -> StateMessage:
    line.feed_while(lambda: line.states.now.state is not StateWord.FAULT, within_s)  # type: ignore[union-attr]
    state = line.states.now
    assert state is not None
    assert state.cause and state.action
    return state


def last_reasons(line: TestLine, n: int) -> set[Reason]:
    rows = LedgerReader(line.config.ledger_path).newest(n)
    return {reason for row in rows for reason in row.reasons}


def passes(line: TestLine) -> int:
    rows = LedgerReader(line.config.ledger_path).newest(1_000_000)
    return sum(row.verdict is Verdict.PASS for row in rows)


def test_healthy_station_passes_and_reworks_and_the_plc_agrees(line: TestLine) -> None:
    line.feed(40)
    summary = line.check_books(missed=False)
    lanes = summary["lanes"]
    assert lanes["pass"] > 0 and lanes["rework"] > 0  # type: ignore[index]


def test_killed_predictor_sends_parts_to_rework_and_comes_back(line: TestLine) -> None:
    line.signal("predict", signal.SIGKILL)
    state = feed_until_fault(line)
    assert "model does not answer" in (state.cause or "")
    line.feed_while(lambda: not is_ready(line), READY_AGAIN_S + SLACK_S)
    assert Reason.PREDICTOR_UNAVAILABLE in last_reasons(line, 200)
    line.check_books()


def test_hung_predictor_sends_parts_to_rework_and_is_restarted(line: TestLine) -> None:
    restarts = line.supervisor.restarts("predict")
    line.signal("predict", signal.SIGSTOP)
    state = feed_until_fault(line)
    assert "model does not answer" in (state.cause or "")
    line.feed_while(lambda: not is_ready(line), READY_AGAIN_S + SLACK_S)
    assert line.supervisor.restarts("predict") == restarts + 1
    line.check_books()


def test_lost_camera_sends_parts_to_rework_and_is_reopened(line: TestLine) -> None:
    line.fault(lost=True)
    state = feed_until_fault(line)
    assert "no frames" in (state.cause or "")
    line.fault()
    line.feed_while(lambda: not is_ready(line), READY_AGAIN_S + SLACK_S)
    assert Reason.NO_FRAME in last_reasons(line, 200)
    line.check_books()


def test_frozen_camera_never_passes_a_part(line: TestLine) -> None:
    line.fault(frozen=True)
    state = feed_until_fault(line)
    assert "same frame" in (state.cause or "")
    before = passes(line)
    line.feed(10)
    line.plc.wait_idle(5)
    assert passes(line) == before
    assert Reason.STALE_FRAME in last_reasons(line, 200)
    line.check_books()


def test_black_frames_are_called_unusable_and_never_pass(line: TestLine) -> None:
    line.fault(lamp=0.0)
    state = feed_until_fault(line)
    assert "cannot be judged" in (state.cause or "")
    before = passes(line)
    line.feed(10)
    line.plc.wait_idle(5)
    assert passes(line) == before
    assert Reason.IMAGE_QUALITY in last_reasons(line, 20)
    line.check_books()


def test_slow_camera_misses_deadlines_and_answers_rework_in_time(line: TestLine) -> None:
    line.fault(slow_ms=250)
    line.feed(6, gap_s=0.4, deadline_ms=150)
    line.plc.wait_idle(5)
    assert Reason.DEADLINE in last_reasons(line, 6) or Reason.NO_FRAME in last_reasons(line, 6)
    line.check_books()


def test_killed_broker_is_met_again_without_a_stale_verdict(line: TestLine) -> None:
    line.feed(5)
    line.broker.kill()
    line.feed(10)
    line.broker.start()
    back = time.monotonic()
    line.feed_while(lambda: not line.plc.wait_ready(0.01), READY_AGAIN_S + SLACK_S)
    assert time.monotonic() - back < READY_AGAIN_S + SLACK_S
    line.feed(10)
    line.check_books()


def test_gate_killed_twenty_times_at_random_keeps_one_verdict_a_part(line: TestLine) -> None:
    rng = random.Random(20)
    for _ in range(20):
        line.feed(rng.randint(3, 12), gap_s=rng.choice((0.01, 0.03, 0.05)))
        time.sleep(rng.random() * 0.05)
        line.signal("gate", signal.SIGKILL)
        killed = time.monotonic()
        line.feed(2, gap_s=0.02)
        wait_for(
            lambda killed=killed: line.states.seen[-1][0] > killed and is_ready(line),
            READY_AGAIN_S + SLACK_S,
            lambda: f"not ready again: {line.states.now}",
        )
    line.feed(10)
    summary = line.check_books(late=True)
    assert summary["lanes"]["pass"] > 0  # type: ignore[index]
