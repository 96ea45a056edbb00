"""The thread that owns the ledger: what waits goes to the disk together, one fsync for all."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import structlog

from edge.core.errors import NotDurable
from edge.store.ledger_db import LedgerDb
from edge.store.writes import Results, Write

log = structlog.get_logger()

Outcome = Results | NotDurable
OnDone = Callable[[Outcome], None]

_MAX_WAITING = 4096  # submissions; some seconds of a fast line
_MAX_GROUP = 256  # writes in one commit
_IDLE_S = 0.05  # a gap between parts that is long enough for a checkpoint


@dataclass(frozen=True, slots=True)
class _Item:
    writes: tuple[Write, ...]
    on_done: OnDone


class Writer:
    """`start` it for a thread of its own; tests call `step` instead."""

    def __init__(
        self, db: LedgerDb, max_waiting: int = _MAX_WAITING, max_group: int = _MAX_GROUP
    ) -> None:
        self._db = db
        self._waiting: queue.Queue[_Item] = queue.Queue(max_waiting)
        self._max_group = max_group
        self._closing = False
        self._gate = threading.Lock()  # nothing is submitted once closing began
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, writes: Sequence[Write], on_done: OnDone | None = None) -> bool:
        """Queue writes that belong together. Never blocks; false: full or closing, and `on_done`
        will not be called. Otherwise it is called once, from the writer's thread, when the writes
        are durable, or with why they are not."""
        item = _Item(tuple(writes), on_done or _ignore)
        with self._gate:
            if self._closing:
                return False
            try:
                self._waiting.put_nowait(item)
            except queue.Full:
                return False
        return True

    def commit(self, writes: Sequence[Write], timeout_s: float = 10.0) -> Results:
        """Submit and wait. Raises NotDurable, also if the answer takes too long: then the writes
        may still become durable."""
        outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        if not self.submit(writes, outcomes.put):
            raise NotDurable("the ledger's writer is full or closing: try again")
        try:
            outcome = outcomes.get(timeout=timeout_s)
        except queue.Empty:
            raise NotDurable(f"the disk did not answer in {timeout_s:g} s") from None
        if isinstance(outcome, NotDurable):
            raise outcome
        return outcome

    @property
    def alive(self) -> bool:
        """Whether somebody will commit what is submitted."""
        return self._thread is None or self._thread.is_alive()

    def waiting(self) -> int:
        """Submissions that no commit has taken yet."""
        return self._waiting.qsize()

    def close(self, timeout_s: float = 10.0) -> bool:
        """Commit what is queued, checkpoint, close the ledger. False if it takes too long."""
        with self._gate:
            self._closing = True
        if self._thread is None:
            self._run()
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def step(self, wait_s: float = 0.0) -> bool:
        """Commit one group, or use the quiet for a checkpoint. Return whether there was one."""
        group = self._take_group(wait_s)
        if group:
            self._commit(group)
        self._db.tick(idle=not group)
        return bool(group)

    def _run(self) -> None:
        self._db.adopt()
        closing = False
        while not closing:
            closing = self._closing  # read first: what was submitted before is still to be done
            while self.step(0.0 if closing else _IDLE_S):
                pass
        self._db.close()

    def _take_group(self, wait_s: float) -> list[_Item]:
        """Whatever waits now, in order; for the first item `wait_s` at most."""
        group: list[_Item] = []
        size = 0
        try:
            while size < self._max_group:
                wait = wait_s > 0 and not group
                item = self._waiting.get(timeout=wait_s) if wait else self._waiting.get_nowait()
                group.append(item)
                size += len(item.writes)
        except queue.Empty:
            pass
        return group

    def _commit(self, group: Sequence[_Item]) -> None:
        together = self._try([write for item in group for write in item.writes])
        if isinstance(together, NotDurable):
            for item in group:  # one bad write must not sink its neighbours
                self._tell(item, together if len(group) == 1 else self._try(item.writes))
            return
        results = iter(together)
        for item in group:
            self._tell(item, tuple(islice(results, len(item.writes))))

    def _try(self, writes: Sequence[Write]) -> Outcome:
        try:
            return self._db.commit(writes)
        except NotDurable as error:
            return error
        except Exception as error:  # the thread must outlive a bug; the part goes to rework
            log.exception("a write could not be applied")
            return NotDurable(f"a write could not be applied: {error!r}")

    def _tell(self, item: _Item, outcome: Outcome) -> None:
        try:
            item.on_done(outcome)
        except Exception:
            log.exception("on_done failed")


def _ignore(outcome: Outcome) -> None:
    """The submitter does not wait for it."""
