"""How far the belt has moved: by an encoder's edges, or by the time alone."""

import math

WRAP = 2**32  # the kernel counts edges in 32 bits


class EdgesLost(Exception):
    """The encoder's edges contradict each other: some were not seen."""


class TimedBelt:
    """A belt that always runs, at one speed."""

    def __init__(self, mm_s: float) -> None:
        self._um_per_ns = mm_s / 1e6

    def at_um(self, at_ns: int) -> int:
        return round(at_ns * self._um_per_ns)

    def when_ns(self, at_um: int) -> int | None:
        """When the belt will stand there."""
        return math.ceil(at_um / self._um_per_ns)


class EncodedBelt:
    """One channel: every rising edge of a is a pulse forward. Two channels in quadrature: a
    quarter of a pulse for each edge, forward where a leads b, so that a shaking belt stays where
    it is."""

    def __init__(self, mm_per_pulse: float, a: bool = False, b: bool | None = None) -> None:
        """`a` and `b`: their levels now; no `b`, no direction."""
        self._um_per_step = mm_per_pulse * 1000 / (1 if b is None else 4)
        self._levels = {"a": a, "b": b}
        self._steps = 0

    def edge(self, channel: str, rising: bool) -> None:
        """Raises EdgesLost where a channel rises that is up already, or falls that is down."""
        if self._levels["b"] is None:
            self._steps += rising
            return
        if self._levels[channel] == rising:
            raise EdgesLost(f"encoder channel {channel}: two edges of the same kind")
        self._levels[channel] = rising
        differ = self._levels["a"] != self._levels["b"]
        self._steps += 1 if differ == (channel == "a") else -1

    def at_um(self, at_ns: int) -> int:
        return round(self._steps * self._um_per_step)

    def when_ns(self, at_um: int) -> int | None:
        return None


class EdgeNumbers:
    """The kernel numbers the edges it sees: a gap says that its buffer ran over."""

    def __init__(self) -> None:
        self._last: int | None = None

    def follows(self, number: int) -> bool:
        expected = None if self._last is None else (self._last + 1) % WRAP
        self._last = number
        return expected in (None, number)
