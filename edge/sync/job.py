"""The job `sync`: carries out what the outbox decides, with one thread, one broker connection, the
ledger read-only and sync.db as its own. Whatever fails, it starts again from what is durable."""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from edge.config import StationConfig
from edge.core.clock import Clock, ns
from edge.core.errors import ConfigError, MessageRefused
from edge.core.messages import parse
from edge.core.post import MAX_DOWN_BYTES, Ack, Record, Want
from edge.core.topics import PostTopics
from edge.sync.chunks import read_chunk, sendable_bytes
from edge.sync.events import (
    Alarm,
    Answered,
    Connected,
    Disconnected,
    Effect,
    Event,
    FindImage,
    FindReminders,
    ImageSeen,
    LedgerSeen,
    ReadRecords,
    Released,
    Reminders,
    SaveDelivered,
    SendBatch,
    SendChunk,
    SendHello,
    Tick,
    Wanted,
)
from edge.sync.ledger_tail import LedgerTail
from edge.sync.link import Link, Login
from edge.sync.outbox import Outbox
from edge.sync.sync_db import SyncDb, SyncStatus

log = structlog.get_logger()

POLL_S = 0.2  # what comes from the broker ends the wait
LEDGER_EVERY_NS = ns(200)
STATUS_EVERY_NS = ns(2_000)
STATUS_SIGN_NS = ns(30_000)
DIAL_FIRST_NS = ns(1_000)
DIAL_MOST_NS = ns(30_000)
FAILED_PAUSE_S = 5.0
HUNG_S = 60  # without a turn (names may take half a minute): then the kernel ends the job
REMINDERS = 16


def run_sync(
    config: StationConfig,
    clock: Clock,
    stop: threading.Event,
    alarm: Callable[[int], object] = lambda seconds: None,
) -> None:
    """Send records and images to the trainer until `stop`. Raises ConfigError at the start only.

    Nobody asks this job whether it works, so a process of its own gives `signal.alarm` as `alarm`:
    when it hangs it ends, and is started again.
    """
    login = _login(config)
    while config.sync.enabled and not stop.is_set():
        alarm(HUNG_S)  # each try that fails is work, too
        try:
            with SyncRun(config, login, clock) as run:
                while not stop.is_set():
                    alarm(HUNG_S)
                    run.turn(stop)
        except Exception as error:  # the post may fail in any way; the line must not notice
            log.error("sync failed", error=str(error), again_in_s=FAILED_PAUSE_S, exc_info=True)
            stop.wait(FAILED_PAUSE_S)
    alarm(0)
    stop.wait()


class SyncRun:
    """From one start to the next failure. `turn` never blocks longer than a connect does."""

    def __init__(self, config: StationConfig, login: Login, clock: Clock) -> None:
        self._device = config.station.device
        self._topics = PostTopics(self._device)
        self._login = login
        self._clock = clock
        self._ledger = LedgerTail(config.ledger_path, config.images_dir)
        self._sync_db = SyncDb(config.sync_path)
        self._outbox = Outbox(self._device)
        self._link: Link | None = None
        self._joined = False  # the outbox knows that the link is up
        self._refused = False  # a message on this connection
        self._dial_due_ns = self._ledger_due_ns = self._status_due_ns = 0
        self._dial_pause_ns = DIAL_FIRST_NS
        self._epoch = ""  # of the ledger; none yet
        self._last = 0
        self._cursor = 0  # as saved in sync.db
        self._status = SyncStatus(at=clock.now())
        self._heard_at: datetime | None = None  # the trainer; not worth a write of its own
        self._shown: SyncStatus | None = None
        self._shown_ns = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._link is not None:
            self._link.close()
        self._sync_db.close()

    def turn(self, stop: threading.Event) -> None:
        """Hear the link, look at the ledger, let the outbox go on, show how it stands."""
        if self._link is not None:
            self._hear(self._link)
        elif self._clock.monotonic_ns() >= self._dial_due_ns:
            self._dial()
        else:
            stop.wait(POLL_S)
        self._look_at_ledger()
        self._tell(Tick())
        self._show_status()

    # the link

    def _dial(self) -> None:
        try:
            self._link = Link(self._login, self._device)
        except OSError as error:
            self._hang_up(str(error))

    def _hear(self, link: Link) -> None:
        link.poll(POLL_S)
        if link.ready and not self._joined:
            self._joined = True
            self._refused = False
            log.info("sync connected", host=self._login.host, port=self._login.port)
            self._dial_pause_ns = DIAL_FIRST_NS
            self._set_status(connected=True, problem=None)
            self._tell(Connected())
        for token in link.released():
            self._tell(Released(token))
        for topic, payload in link.received():
            self._receive(topic, payload)
        if link.problem is not None:
            link.close()
            self._hang_up(link.problem)

    def _hang_up(self, why: str) -> None:
        problem = f"broker {self._login.host}:{self._login.port}: {why}"
        if self._joined or self._status.problem is None:
            log.warning("sync disconnected", problem=problem)
        self._link = None
        self._joined = False
        self._dial_due_ns = self._clock.monotonic_ns() + self._dial_pause_ns
        self._dial_pause_ns = min(2 * self._dial_pause_ns, DIAL_MOST_NS)
        self._set_status(connected=False, problem=problem)
        self._tell(Disconnected())

    def _receive(self, topic: str, payload: bytes) -> None:
        try:
            if topic == self._topics.ack:
                ack = parse(Ack, payload, MAX_DOWN_BYTES)
                self._heard_at = self._clock.now()
                self._tell(Answered(ack))
            elif topic == self._topics.want:
                self._tell(Wanted(parse(Want, payload, MAX_DOWN_BYTES)))
        except MessageRefused as error:
            if not self._refused:  # the first of a connection: nobody shall fill the log
                log.warning("sync message refused", topic=topic, error=str(error))
            self._refused = True

    # the outbox

    def _tell(self, event: Event) -> None:
        now_ns = self._clock.monotonic_ns()
        effects = deque(self._outbox.handle(event, now_ns))
        while effects:
            answer = self._perform(effects.popleft())
            if answer is not None:
                effects.extend(self._outbox.handle(answer, now_ns))

    def _perform(self, effect: Effect) -> Event | None:
        match effect:
            case SendHello(token, hello):
                return self._send(token, self._topics.hello, hello.model_dump_json().encode())
            case SendBatch(token, batch):
                return self._send(token, self._topics.records, batch.model_dump_json().encode())
            case SendChunk(token, sha256, index):
                return self._send_chunk(token, sha256, index)
            case ReadRecords(first, last):
                return self._ledger.read(self._epoch, first, last)
            case FindImage(sha256):
                return self._find_image(sha256)
            case FindReminders():
                return Reminders(self._records_to_remind_of())
            case SaveDelivered():
                self._sync_db.save(effect)
                self._cursor = effect.up_to
            case Alarm(code, text):
                log.warning("sync alarm", code=code, text=text)
                self._set_status(alarms={**self._status.alarms, code: text})
        return None

    def _send(self, token: int, topic: str, payload: bytes) -> Event | None:
        """What the link does not take counts as lost on the way: the outbox sends it again."""
        taken = self._link is not None and self._link.publish(token, topic, payload)
        return None if taken else Released(token)

    def _send_chunk(self, token: int, sha256: str, index: int) -> Event | None:
        chunk = read_chunk(self._ledger.image_path(sha256), sha256, index)
        if chunk is None:
            return Released(token)
        return self._send(token, self._topics.chunk_up, chunk.pack())

    def _find_image(self, sha256: str) -> Event:
        size = sendable_bytes(self._ledger.image_path(sha256))
        if size is None:
            log.warning("sync image gone", sha256=sha256)
        self._sync_db.mark_wanted(sha256, gone=size is None)
        return ImageSeen(sha256, size)

    # the ledger

    def _look_at_ledger(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._ledger_due_ns:
            return
        self._ledger_due_ns = now_ns + LEDGER_EVERY_NS
        extent = self._ledger.extent()
        if extent is None:
            return
        if extent.epoch != self._epoch:
            self._epoch = extent.epoch
            self._cursor = self._sync_db.cursor(extent.epoch)
        self._last = extent.last_seq
        self._tell(LedgerSeen(extent.epoch, extent.last_seq, self._cursor))

    def _records_to_remind_of(self) -> tuple[Record, ...]:
        seqs = self._sync_db.reminders(self._epoch, REMINDERS)
        return tuple(r for seq in seqs for r in self._ledger.read(self._epoch, seq, seq).records)

    # the status

    def _set_status(self, **changes: object) -> None:
        self._status = self._status.model_copy(update=changes)

    def _show_status(self) -> None:
        """Write it when something changed, and now and then as a sign of life."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._status_due_ns:
            return
        images = self._sync_db.image_counts()
        self._set_status(
            epoch=self._epoch or None,
            last=self._last,
            delivered_up_to=self._cursor,
            images_awaited=images.get("awaited", 0),
            images_delivered=images.get("delivered", 0),
            images_gone=images.get("gone", 0),
        )
        if self._status != self._shown or now_ns - self._shown_ns >= STATUS_SIGN_NS:
            self._shown, self._shown_ns = self._status, now_ns
            times = {"at": self._clock.now(), "trainer_heard_at": self._heard_at}
            self._sync_db.set_status(self._status.model_copy(update=times))
        self._status_due_ns = now_ns + STATUS_EVERY_NS


def _login(config: StationConfig) -> Login:
    sync = config.sync
    password = None if sync.password_file is None else _read_secret(sync.password_file)
    return Login(sync.host, sync.port, sync.username, password)


def _read_secret(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"sync.password_file {path}: cannot be read: {error.strerror}") from error
