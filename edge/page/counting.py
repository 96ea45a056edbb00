"""The counts of today and of this hour, counted at most every two seconds."""

import threading
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from edge.core.clock import Clock, ns
from edge.core.messages import Reason, Verdict
from edge.page.figures import Latency, Share, latency, pareto, share, verdict_shares
from edge.page.questions import PageQuestions
from edge.store.reader import LedgerReader

COUNT_EVERY_NS = ns(2000)  # sums over a day are dear on a fast line


@dataclass(frozen=True, slots=True)
class Period:
    name: str
    n: int  # parts that have a verdict
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Days and hours begin as on the clock of the box."""

    periods: tuple[Period, ...]
    pareto: tuple[Share, ...]
    no_picture: Share
    latency: Latency


class Counting:
    """Safe in any thread. Methods raise StoreError if there is no ledger to read."""

    def __init__(
        self, reader: LedgerReader, questions: PageQuestions, clock: Clock, zone: tzinfo | None
    ) -> None:
        self._reader = reader
        self._questions = questions
        self._clock = clock
        self._zone = zone
        self._lock = threading.Lock()
        self._counts: Counts | None = None
        self._of: Hashable = None
        self._next_ns = 0

    def due(self) -> bool:
        """Whether something has happened since the last counting, and it is time."""
        timely = self._counts is None or self._clock.monotonic_ns() >= self._next_ns
        return timely and self._of != self._now_of()

    def counts(self) -> Counts:
        with self._lock:
            if self._counts is None or self.due():
                self._of = self._now_of()
                self._counts = self._count()
                self._next_ns = self._clock.monotonic_ns() + COUNT_EVERY_NS
            return self._counts

    def _now_of(self) -> Hashable:
        return (self._reader.extent(), self._hour())

    def _count(self) -> Counts:
        hour = self._hour()
        today = hour.replace(hour=0)
        this_hour = self._verdicts(hour)  # first, so that it is never more than the day
        verdicts = self._verdicts(today)
        reasons = self._questions.rework_reasons(today)
        return Counts(
            periods=(
                _period("Today", verdicts),
                _period(f"Since {hour:%H:%M}", this_hour),
            ),
            pareto=pareto(reasons, verdicts[Verdict.REWORK]),
            no_picture=share("No picture", "", reasons[Reason.NO_FRAME], verdicts.total()),
            latency=latency(self._questions.latencies_ms(today)),
        )

    def _verdicts(self, since: datetime) -> Counter[str]:
        verdicts: Counter[str] = Counter()
        for count in self._reader.counts(since):
            verdicts[count.verdict] += count.n
        return verdicts

    def _hour(self) -> datetime:
        now = self._clock.now().astimezone(self._zone)
        return now.replace(minute=0, second=0, microsecond=0)


def _period(name: str, verdicts: Counter[str]) -> Period:
    return Period(name, verdicts.total(), verdict_shares(verdicts))
