"""Does the line hear us? Its echoes, and the deadlines that were missed."""

from edge.core.clock import ns
from edge.gate.events import ClearCause, Effect, RaiseCause

ECHO_NS = ns(1000)  # an echo may take that long, also after a burst of verdicts
LATE_IN_A_ROW = 3  # missed deadlines until the station calls itself too slow


class Echoes:
    def __init__(self, silent_after: int) -> None:
        self._silent_after = silent_after
        self._unechoed = 0
        self._first_ns = 0  # when the oldest verdict without echo was told
        self._late_in_a_row = 0

    def told(self, now_ns: int) -> list[Effect]:
        """A verdict went out; the PLC should echo it before the next few do."""
        if self._unechoed == 0:
            self._first_ns = now_ns
        self._unechoed += 1
        if self._unechoed <= self._silent_after or now_ns - self._first_ns < ECHO_NS:
            return []
        return [RaiseCause("plc_silent", f"{self._unechoed - 1} verdicts without echo")]

    def heard(self) -> list[Effect]:
        self._unechoed = 0
        return [ClearCause("plc_silent")]

    def in_time(self) -> list[Effect]:
        late, self._late_in_a_row = self._late_in_a_row, 0
        return [ClearCause("too_slow")] if late else []

    def late(self) -> list[Effect]:
        self._late_in_a_row += 1
        if self._late_in_a_row < LATE_IN_A_ROW:
            return []
        return [RaiseCause("too_slow", f"{self._late_in_a_row} in a row")]
