"""The thread that owns the image files: it keeps frames after the verdict, and prunes.

Never in the way of a verdict: `offer` only queues. Overload costs passes first.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from edge.core.clock import Clock, ns
from edge.core.errors import LinegateError, NotDurable
from edge.core.messages import Verdict
from edge.core.preprocess import Image
from edge.core.records import EventRecord, ImageEvent
from edge.store.images import ImageStore
from edge.store.reader import LedgerReader
from edge.store.retention import Mode, Retention
from edge.store.writer import OnDone, Outcome
from edge.store.writes import AddEvent, KeepImage, Write

log = structlog.get_logger()

_MAX_WAITING_BYTES = 128 * 1024 * 1024
_PASSES_SHARE = 0.5  # of the queue: the rest is for reworks and reviews
_RETENTION_MS = 30_000  # between looks at a disk that needs no pruning
_PATIENCE_S = 0.5
_NICENESS = 10

Submit = Callable[[Sequence[Write], OnDone], bool]


@dataclass(frozen=True, slots=True, eq=False)
class PendingImage:
    """A frame, BGR (H, W, 3) or grey (H, W), or a heatmap, grey (h, w), to be kept; uint8, owned
    by the image writer from now on."""

    inspection_id: str
    view: str
    kind: Literal["frame", "heatmap"]
    image: Image
    image_class: Verdict
    send: bool  # the trainer should have it
    at: datetime


@dataclass(slots=True)
class ImageCounters:
    kept: int = 0
    passes_dropped: int = 0  # by overload or a low disk, as designed
    lost: int = 0  # reworks and reviews; each has an event


class ImageWriter:
    """`start` it for a thread of its own; tests call `step` instead."""

    def __init__(
        self,
        store: ImageStore,
        reader: LedgerReader,
        retention: Retention,
        submit: Submit,
        clock: Clock,
        max_waiting_bytes: int = _MAX_WAITING_BYTES,
    ) -> None:
        """`submit` hands writes to the ledger (Writer.submit)."""
        self.counters = ImageCounters()
        self._store = store
        self._reader = reader
        self._retention = retention
        self._submit = submit
        self._clock = clock
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: deque[PendingImage] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._retention_due_ns = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="image-writer", daemon=True)
        self._thread.start()

    def offer(self, pending: PendingImage) -> bool:
        """Queue an image. Never blocks; false: dropped and counted, and if it was no pass, an
        event says so."""
        with self._changed:
            why = self._refusal(pending)
            if why is None:
                self._waiting.append(pending)
                self._waiting_bytes += pending.image.nbytes
                self._changed.notify()
        if why is not None:
            self._drop(pending, why)
        return why is None

    def waiting(self) -> int:
        """Images that are not on the disk yet."""
        return len(self._waiting)

    @property
    def mode(self) -> Mode:
        """How the disk stands; it is looked at every half minute."""
        return self._retention.mode

    def close(self, timeout_s: float = 10.0) -> bool:
        """Keep what is queued, then stop. False if it takes too long; the rest is lost."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def step(self, wait_s: float = 0.0) -> bool:
        """Keep one image, and look after the disk when it is time. Return whether there was one."""
        pending = self._take(wait_s)
        if pending is not None:
            self._keep(pending)
        if self._clock.monotonic_ns() >= self._retention_due_ns:
            self._look_after_disk()
        return pending is not None

    def sweep(self) -> None:
        """Clear away what a crash left behind. Raises StoreError, OSError."""
        began = datetime.fromisoformat(self._reader.meta()["created_at"])
        swept = self._store.sweep(self._reader.named, began, self._clock.now())
        log.info("images swept", temps=swept.temps, orphans=swept.orphans)

    def _run(self) -> None:
        _stand_back()
        self._guarded(self.sweep)
        while not self._closing or self._waiting:
            self._guarded(lambda: self.step(_PATIENCE_S))

    def _guarded(self, do: Callable[[], object]) -> None:
        """The thread must outlive whatever the disk does."""
        try:
            do()
        except Exception:
            log.exception("image writer")

    def _take(self, wait_s: float) -> PendingImage | None:
        with self._changed:
            if not self._waiting and not self._closing:
                self._changed.wait(wait_s)
            if not self._waiting:
                return None
            pending = self._waiting.popleft()
            self._waiting_bytes -= pending.image.nbytes
            return pending

    def _refusal(self, pending: PendingImage) -> str | None:
        mode = self._retention.mode
        is_pass = pending.image_class is Verdict.PASS
        if mode is Mode.RECORDS_ONLY or (is_pass and mode is Mode.STOP_IMAGES):
            return f"the disk is nearly full ({mode.name.lower()})"
        limit = self._max_waiting_bytes * (_PASSES_SHARE if is_pass else 1.0)
        if self._closing or self._waiting_bytes + pending.image.nbytes > limit:
            return "more images than the disk can take"
        return None

    def _keep(self, pending: PendingImage) -> None:
        try:
            kept = self._store.keep(pending.image)
        except LinegateError as error:
            self._drop(pending, str(error))
            return
        event = ImageEvent(
            inspection_id=pending.inspection_id,
            view=pending.view,
            kind=pending.kind,
            sha256=kept.sha256,
            bytes=kept.bytes,
            send=pending.send,
            at=pending.at,
        )

        def done(outcome: Outcome) -> None:
            if isinstance(outcome, NotDurable):
                self._drop(pending, str(outcome))
            else:
                self.counters.kept += 1

        if not self._submit([KeepImage(event, pending.image_class)], done):
            self._drop(pending, "the ledger's queue is full")

    def _drop(self, pending: PendingImage, why: str) -> None:
        is_pass = pending.image_class is Verdict.PASS
        with self._changed:
            self.counters.passes_dropped += is_pass
            self.counters.lost += not is_pass
        if is_pass:
            return
        event = EventRecord(
            code="image_lost",
            text=f"the {pending.kind} of inspection {pending.inspection_id} was not kept: {why}",
            at=pending.at,
            detail={"inspection_id": pending.inspection_id, "view": pending.view},
        )
        log.warning("image lost", inspection_id=pending.inspection_id, why=why)
        self._submit([AddEvent(event)], _ignore)

    def _look_after_disk(self) -> None:
        """At once again while there is something to prune, else after a while."""
        self._retention_due_ns = self._clock.monotonic_ns() + ns(_RETENTION_MS)
        if self._retention.run().prune:
            self._retention_due_ns = 0


def _stand_back() -> None:
    """To write a picture takes longer than to judge it: on a busy box the parts come first. Only
    this thread; Linux has a niceness for each."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _ignore(outcome: Outcome) -> None:
    """The loss is counted and logged, whether or not it could be recorded."""
