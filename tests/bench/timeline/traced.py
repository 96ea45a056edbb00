"""A job that notes when each part passes which point on its way.

    python -m bench.timeline.traced OUT.json job gate --config FILE

The points are calls inside the gate, wrapped here from outside: what is measured is the shipped
code. OUT.json is written when the job ends.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.timeline import points as at

from edge.__main__ import main
from edge.core.messages import VerdictMessage
from edge.gate import events as ev
from edge.gate.eye import Eye
from edge.gate.judge import Judge
from edge.gate.loop import InspectionLoop
from edge.gate.sight import Sight
from edge.plc.connection import Connection, Received
from edge.plc.link import PlcLink
from edge.predict.client import PredictClient
from edge.store.ledger_db import LedgerDb
from edge.store.writes import ClosePart, OpenPart

Keys = Iterator[str]  # of the parts that a call is about
_passed: list[tuple[str, str, int]] = []  # point, part, monotonic time
_parts: dict[str, str] = {}  # by inspection
_mine = threading.local()  # the part that this thread judges


def trace(
    owner: type, method: str, find: Callable[..., Keys], begins: str = "", ends: str = ""
) -> None:
    """Note the points where a call begins and ends, for the parts that `find` sees in it."""
    plain = getattr(owner, method)

    def traced(self: object, *args: Any, **more: Any) -> Any:
        keys = list(find(*args, **more))
        began_ns = time.monotonic_ns()
        result = plain(self, *args, **more)
        ended_ns = time.monotonic_ns()
        for key in keys:
            _passed.extend([(begins, key, began_ns), (ends, key, ended_ns)])
        return result

    setattr(owner, method, traced)


def in_message(message: object) -> Keys:
    if isinstance(message, ev.Triggered):
        yield message.trigger.part_id


def in_judgement(message: object) -> Keys:
    if isinstance(message, Sight):
        yield _parts[message.seen.inspection_id]


def in_receipt(message: object) -> Keys:
    if isinstance(message, ev.Committed) and message.inspection_id in _parts:
        yield _parts[message.inspection_id]


def in_request(request: ev.LookAt) -> Keys:
    _parts[request.inspection_id] = request.part_id
    yield request.part_id


def in_view(looked: object, request: ev.LookAt, predictor: object) -> Keys:
    _mine.part = request.part_id
    yield request.part_id


def in_hand(*args: Any, **more: Any) -> Keys:
    if (part := getattr(_mine, "part", None)) is not None:
        yield part


def in_openings(writes: Sequence[object]) -> Keys:
    return (write.draft.part_id for write in writes if isinstance(write, OpenPart))


def in_closings(writes: Sequence[object]) -> Keys:
    return (write.record.part_id for write in writes if isinstance(write, ClosePart))


def in_verdict(message: VerdictMessage, expires_ns: int | None) -> Keys:
    yield message.part_id


def in_packet(topic: str, payload: bytes, *rest: object) -> Keys:
    if topic.endswith("/verdict"):
        yield json.loads(payload)["part_id"]


def in_arrival(message: Received) -> Keys:
    if message.topic.endswith("/trigger"):
        yield json.loads(message.payload)["part_id"]


def trace_all() -> None:
    trace(PlcLink, "_received", in_arrival, at.CAME)
    trace(InspectionLoop, "offer", in_message, at.HEARD)
    trace(InspectionLoop, "take", in_message, at.LOOP_BEGINS, at.LOOP_DONE)
    trace(LedgerDb, "commit", in_openings, at.OPENING, at.OPENED)
    trace(Eye, "take", in_request, at.EYE, at.FRAMES)
    trace(Judge, "judge", in_view, at.LANE, at.JUDGED)
    trace(PredictClient, "predict", in_hand, at.ASKED, at.ANSWERED)
    trace(InspectionLoop, "take", in_judgement, at.LOOP_SEES, at.LOOP_SENT)
    trace(LedgerDb, "commit", in_closings, at.CLOSING, at.CLOSED)
    trace(InspectionLoop, "take", in_receipt, at.LOOP_KNOWS)
    trace(PlcLink, "publish_verdict", in_verdict, at.TELLS, at.TOLD)
    trace(Connection, "publish", in_packet, at.PUBLISHES, at.PUBLISHED)


if __name__ == "__main__":
    out = Path(sys.argv.pop(1))
    trace_all()
    try:
        main()
    finally:
        out.write_text(json.dumps([row for row in _passed if row[0]]))
