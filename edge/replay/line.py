"""A line without a PLC: triggers go in directly, verdicts come out of a queue."""

import queue

from edge.core.messages import AlarmMessage, OrderAck, StateMessage, TriggerAck, VerdictMessage

_WAITING = 64


class DirectLine:
    """The same face as plc/link.py. `verdicts` holds what the gate told the line."""

    def __init__(self) -> None:
        self.verdicts: queue.Queue[VerdictMessage] = queue.Queue(_WAITING)
        self.refused: queue.Queue[TriggerAck] = queue.Queue(_WAITING)
        self.state: StateMessage | None = None

    def publish_ack(self, ack: TriggerAck) -> None:
        if not ack.accepted:
            self.refused.put_nowait(ack)

    def publish_verdict(self, message: VerdictMessage, expires_ns: int | None) -> None:
        self.verdicts.put_nowait(message)

    def publish_state(self, state: StateMessage) -> None:
        self.state = state

    def heartbeat(self, counter: int) -> None:
        """Nobody listens for it here."""

    def alarm(self, code: str, alarm: AlarmMessage | None) -> None:
        """The state says it too."""

    def order_ack(self, ack: OrderAck) -> None:
        """Nobody orders anything here."""
