"""The seam for time. Durations come from `monotonic_ns`, records from `now`."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def monotonic_ns(self) -> int:
        """Nanoseconds that never jump; comparable between processes of one box."""
        ...

    def now(self) -> datetime:
        """Aware UTC wall clock; may jump, so it is data, never a deadline."""
        ...


def ns(ms: float) -> int:
    """Milliseconds as nanoseconds."""
    return round(ms * 1_000_000)


def ms(nanoseconds: int) -> float:
    """Nanoseconds as milliseconds."""
    return nanoseconds / 1_000_000
