"""Several times the parts that the box can judge: what happens to each, and what afterwards."""

import pytest
from line import station

from edge.core.messages import By
from edge.core.records import InspectionRecord
from edge.store.reader import LedgerReader

pytestmark = pytest.mark.system

FLOOD, AFTERWARDS = 240, 10
SLOW = 12  # matrix products: about 60 ms for a part


def test_overload_refuses_what_it_cannot_judge_serves_the_rest_and_recovers_by_itself() -> None:
    with station(kind="slow", slow_matmuls=SLOW, deadline_ms=800) as line:
        line.feed(FLOOD, gap_s=0.012, deadline_ms=800)
        assert line.plc.wait_idle(10.0)
        crowded = line.plc.summary()
        line.feed(AFTERWARDS, gap_s=0.4, deadline_ms=800)
        summary = line.check_books(missed=False)
        rows = LedgerReader(line.config.ledger_path).newest(FLOOD + AFTERWARDS)
    records = [InspectionRecord.model_validate_json(row.body) for row in rows]
    judged = [int(record.part_id[4:]) for record in records if record.by is By.MODEL]
    refused = dict(crowded["refused"])  # type: ignore[call-overload]
    assert set(refused) == {"overload"}
    assert int(str(crowded["accepted"])) + refused["overload"] == FLOOD
    assert summary["refused"] == crowded["refused"], "a part was refused after the flood"
    assert sum(number < FLOOD for number in judged) > 10, "the flood starved everybody"
    assert sum(number >= FLOOD for number in judged) == AFTERWARDS
