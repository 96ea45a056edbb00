"""The real clock of the workshop. Only commands make one; everything below is handed it."""

import time
from datetime import UTC, datetime


class SystemClock:
    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def now(self) -> datetime:
        return datetime.now(UTC)
