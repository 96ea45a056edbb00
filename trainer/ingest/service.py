"""The ingest: one thread that reads the broker, commits, and only then answers."""

import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.core.clock import Clock, ns
from trainer.ingest.catalog import Catalog
from trainer.ingest.image_files import ImageFiles
from trainer.ingest.link import Link, Login
from trainer.ingest.receiver import Inbound, Receiver

GROUP_MESSAGES = 64  # at most in one commit
GROUP_NS = ns(20)  # how long a commit waits for company
POLL_S = 0.25
DIAL_FIRST_S = 0.5
DIAL_MOST_S = 10.0
MIN_FREE_BYTES = 512 * 1024 * 1024  # below: nothing is taken, and the devices keep everything
TROUBLE_PAUSE_S = 2.0


class Ingest:
    """Folder `home` holds catalog.db, images/ and partial/."""

    def __init__(
        self, home: Path, login: Login, clock: Clock, min_free_bytes: int = MIN_FREE_BYTES
    ) -> None:
        """Raises StoreError if another ingest works in this folder."""
        self._min_free_bytes = min_free_bytes
        self.catalog = Catalog(home / "catalog.db")
        self._home = home
        self._login = login
        self._clock = clock
        self._receiver = Receiver(self.catalog, ImageFiles(home), clock)
        self._link: Link | None = None
        self._dial_pause_s = DIAL_FIRST_S
        self.problem: str | None = "not connected yet"  # in words; None: connected and taking

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
        self.catalog.close()

    @property
    def refused(self) -> Counter[str]:
        """Messages that were not taken, by reason."""
        return self._receiver.refused

    def run(self, stop: threading.Event, each_turn: Callable[[], None] = lambda: None) -> None:
        """Take in what comes until `stop`; `each_turn` is called at least every few seconds."""
        while not stop.is_set():
            self._turn(stop)
            each_turn()

    def _turn(self, stop: threading.Event) -> None:
        if self._link is None:
            self._dial(stop)
            return
        messages = self._gather(self._link)
        if self._link.problem is not None:
            self._hang_up(self._link.problem, stop)
        elif self._link.ready:
            self._dial_pause_s = DIAL_FIRST_S
            self._take(messages, stop)

    def _gather(self, link: Link) -> list[Inbound]:
        """What is there, and what comes in the next moment: they share one commit."""
        messages = link.poll(POLL_S)
        until_ns = self._clock.monotonic_ns() + GROUP_NS
        while messages and len(messages) < GROUP_MESSAGES and link.problem is None:
            left_ns = until_ns - self._clock.monotonic_ns()
            if left_ns <= 0:
                break
            messages += link.poll(left_ns / 1e9)
        return messages

    def _take(self, messages: list[Inbound], stop: threading.Event) -> None:
        if shutil.disk_usage(self._home).free < self._min_free_bytes:
            self._trouble(f"less than {self._min_free_bytes >> 20:,} MB free in {self._home}", stop)
            return
        try:
            replies = self._receiver.handle(messages)
        except (sqlite3.Error, OSError) as error:
            self._trouble(f"{self._home} does not take anything: {error}", stop)
            return
        self.problem = None
        for reply in replies:
            self._publish(reply.topic, reply.message.model_dump_json().encode())

    def _publish(self, topic: str, payload: bytes) -> None:
        if self._link is not None:
            self._link.publish(topic, payload)

    def _trouble(self, problem: str, stop: threading.Event) -> None:
        """Nothing was committed and nothing is answered: the devices will send again."""
        self.problem = problem
        stop.wait(TROUBLE_PAUSE_S)

    def _dial(self, stop: threading.Event) -> None:
        try:
            self._link = Link(self._login)
        except OSError as error:
            self._hang_up(str(error), stop)

    def _hang_up(self, problem: str, stop: threading.Event) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None
        self.problem = f"broker {self._login.host}:{self._login.port}: {problem}"
        stop.wait(self._dial_pause_s)
        self._dial_pause_s = min(2 * self._dial_pause_s, DIAL_MOST_S)
