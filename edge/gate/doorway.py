"""What the line says, as what happens to the gate."""

from datetime import datetime

from edge.core.messages import PlcAck, Trigger
from edge.gate.events import BadOrder, BadTrigger, Echoed, Ordered, Triggered
from edge.gate.loop import Incoming, LinkChanged
from edge.plc.inbound import BadMessage
from edge.plc.link import LinkDown, LinkEvent, LinkUp


def incoming(said: LinkEvent, now: datetime, heard_ns: int) -> Incoming | None:
    """`heard_ns` is `now` on the monotonic clock. None where nobody can be answered: the link has
    counted and logged it."""
    match said:
        case Trigger():
            return Triggered(said, now, heard_ns)
        case PlcAck():
            return Echoed(said)
        case BadMessage():
            return _bad(said)
        case LinkUp():
            return LinkChanged(lost=None)
        case LinkDown(reason):
            return LinkChanged(lost=reason)
        case _:
            return Ordered(said, now)


def _bad(said: BadMessage) -> Incoming | None:
    if said.part_id is not None and said.seq is not None:
        return BadTrigger(said.part_id, said.seq)
    if said.order_id is not None:
        return BadOrder(said.order_id, said.error)
    return None
