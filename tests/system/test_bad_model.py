"""Models that answer nonsense, or too late."""

import pytest
from line import station

from edge.core.messages import Reason, StateWord, Verdict
from edge.store.reader import LedgerReader

pytestmark = [pytest.mark.system, pytest.mark.slow]


def test_nan_is_rework_and_said_in_words() -> None:
    with station(kind="nan") as line:
        line.fault(overexposed=1.5)  # this model answers NaN for bright parts
        line.feed(20)
        line.plc.wait_idle(5)
        rows = LedgerReader(line.config.ledger_path).newest(20)
        assert all(row.verdict is Verdict.REWORK for row in rows)
        assert {reason for row in rows for reason in row.reasons} == {Reason.BAD_PREDICTION}
        state = line.states.now
        assert state is not None and state.state is StateWord.FAULT
        assert "nonsense" in (state.cause or "") and state.action
        line.check_books()


def test_slow_model_answers_rework_before_the_deadline() -> None:
    with station(kind="slow", deadline_ms=60, slow_matmuls=150) as line:
        line.feed(10, gap_s=0.3, deadline_ms=60)
        line.plc.wait_idle(5)
        rows = LedgerReader(line.config.ledger_path).newest(10)
        assert all(row.verdict is Verdict.REWORK for row in rows)
        line.check_books()
