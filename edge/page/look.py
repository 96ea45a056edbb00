"""One look at the station: the gate's own word, and what the ledger holds."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta, tzinfo

from edge.core.clock import Clock
from edge.core.errors import StoreError
from edge.core.records import Kind, ReviewRecord
from edge.page.counting import Counting, Counts
from edge.page.eyes import for_eyes
from edge.page.gate_word import GateWatch, GateWord
from edge.page.questions import PageQuestions
from edge.store.reader import LedgerReader
from edge.store.rows import Inspection

NEWEST = 12
REWORKS = 6
QUESTIONS = 8  # parts that wait, in full; more are only counted
ATTEMPTS = 20  # inspections of one serial, the last ones

DeliveredUpTo = Callable[[str], int | None]  # of an epoch; None: not known


@dataclass(frozen=True, slots=True)
class Look:
    """All that the first page shows. `problem`: why the ledger could not be read."""

    gate: GateWord
    newest: tuple[Inspection, ...] = ()
    reworks: tuple[Inspection, ...] = ()
    waiting: tuple[Inspection, ...] = ()
    n_waiting: int = 0
    counts: Counts | None = None
    problem: str | None = None


class Watcher:
    """Looks, safely in any thread. Whatever it hands out has been through `for_eyes`."""

    def __init__(
        self,
        reader: LedgerReader,
        questions: PageQuestions,
        gate: GateWatch,
        delivered_up_to: DeliveredUpTo,
        clock: Clock,
        zone: tzinfo | None = None,
    ) -> None:
        self.gate = gate
        self._reader = reader
        self._questions = questions
        self._delivered_up_to = delivered_up_to
        self._clock = clock
        self._counting = Counting(reader, questions, clock, zone)

    def stamp(self) -> Hashable:
        """Differs after anything changed that the page shows; cheap."""
        word = self.gate.word()
        shown = word.status and (word.status.state, word.status.conditions, word.status.waiting)
        try:
            return (self._reader.extent(), self._counting.due(), shown, word.away)
        except StoreError as error:
            return (str(error), shown, word.away)

    def look(self) -> Look:
        word = self.gate.word()
        try:
            waiting = self._reader.waiting(QUESTIONS)
            return Look(
                gate=word,
                newest=self.newest(NEWEST),
                reworks=self._reworks(),
                waiting=tuple(map(for_eyes, waiting)),
                n_waiting=max(len(waiting), word.status.waiting if word.status else 0),
                counts=self._counting.counts(),
            )
        except StoreError as error:
            return Look(word, problem=str(error))

    def newest(self, limit: int) -> tuple[Inspection, ...]:
        """Raises StoreError."""
        return tuple(map(for_eyes, self._reader.newest(limit)))

    def part(self, inspection_id: str) -> Inspection | None:
        """Raises StoreError."""
        inspection = self._reader.inspection(inspection_id)
        return None if inspection is None else for_eyes(inspection)

    def attempts(self, serial: str) -> tuple[Inspection, ...]:
        """The inspections of the part with this serial, oldest first. Raises StoreError."""
        return tuple(map(for_eyes, self._reader.of_serial(serial, ATTEMPTS)))

    def reviews(self, inspection_id: str) -> tuple[ReviewRecord, ...]:
        """What people said of this part, in order. Raises StoreError."""
        return tuple(
            ReviewRecord.model_validate_json(record.body)
            for record in self._reader.records_of(inspection_id)
            if record.kind is Kind.REVIEW
        )

    def delivered(self, inspection_id: str) -> bool | None:
        """Whether the trainer has all that is recorded of the part. Raises StoreError."""
        up_to = self._delivered_up_to(self._reader.extent().epoch)
        if up_to is None:
            return None
        seqs = [record.seq for record in self._reader.records_of(inspection_id)]
        return bool(seqs) and max(seqs) <= up_to

    def _reworks(self) -> tuple[Inspection, ...]:
        since = self._clock.now() - timedelta(days=1)
        found = map(self.part, self._questions.newest_reworks(since, REWORKS))
        return tuple(part for part in found if part is not None)
