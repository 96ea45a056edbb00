"""The gate's end of the line: triggers and orders in; verdicts, state and alarms out (docs/plc.md).

Everything goes over MQTT (session.py keeps the connection); this file knows topics and messages.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Self

import structlog
from pydantic import BaseModel

from edge.config import Plc
from edge.core.clock import Clock
from edge.core.errors import ConfigError
from edge.core.messages import (
    AlarmMessage,
    Heartbeat,
    OrderAck,
    StateMessage,
    StateWord,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.core.topics import LineTopics
from edge.plc.connection import Endpoint, Received
from edge.plc.inbound import BadMessage, Inbound, Inbox, Quieter, RateCap
from edge.plc.session import BACKOFF_S, Listener, Session

MAX_INBOUND_PER_S = 2000  # over ten times the fastest line; the rest of that second is dropped

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The broker is there and has granted our topics."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The broker is gone, or was never there; `reason` is for people."""

    reason: str


LinkEvent = Inbound | BadMessage | LinkUp | LinkDown


class PlcLink:
    """Thread-safe; nothing here blocks the caller or raises, but `close`, which waits.

    `on_message` gets every LinkEvent on the link's own thread and must return at once: stamp the
    time, put it in a bounded queue. Verdicts, acks and heartbeats are dropped and counted while
    the broker is away (the PLC's default is rework, and a stale verdict is worse than none); the
    state and the alarms are said again when it is back.
    """

    def __init__(
        self,
        settings: Plc,
        topics: LineTopics,
        on_message: Callable[[LinkEvent], None],
        clock: Clock,
        rng: Random,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        """Raises ConfigError if the password file cannot be read."""
        self._topics = topics
        self._on_message = on_message
        self._clock = clock
        self._inbox = Inbox(topics)
        self._cap = RateCap(MAX_INBOUND_PER_S)
        self._quieter = Quieter()
        will = StateMessage(
            state=StateWord.OFFLINE,
            cause="the gate vanished from the broker",
            action="check power and network of the box; the gate starts by itself",
        )
        endpoint = line_endpoint(
            settings,
            name=f"{topics.prefix}/gate",
            topics=(*self._inbox.topics, topics.alarm("+")),
            will=(topics.state, _json(will)),
        )
        listener = Listener(self._up, self._down, self._received)
        self._session = Session(endpoint, listener, clock, rng, backoff_s)

    def start(self) -> Self:
        self._session.start()
        return self

    @property
    def is_up(self) -> bool:
        return self._session.up

    @property
    def counters(self) -> dict[str, int]:
        """What was sent, received and dropped since the start, by name."""
        return self._session.counters

    # ---- to the line ----

    def publish_verdict(self, message: VerdictMessage, expires_ns: int | None) -> None:
        """A pass is never sent after `expires_ns` (monotonic); anything else is harmless at any
        time."""
        limit_ns = expires_ns if message.verdict is Verdict.PASS else None
        self._send("verdicts", self._topics.verdict, message, expires_ns=limit_ns)

    def publish_ack(self, ack: TriggerAck) -> None:
        self._send("acks", self._topics.trigger_ack, ack)

    def order_ack(self, ack: OrderAck) -> None:
        self._send("order_acks", self._topics.order_ack, ack)

    def heartbeat(self, counter: int) -> None:
        self._send("heartbeats", self._topics.heartbeat, Heartbeat(counter=counter), qos=0)

    def publish_state(self, state: StateMessage) -> None:
        self._session.retain(self._topics.state, _json(state))

    def alarm(self, code: str, alarm: AlarmMessage | None) -> None:
        """Show an alarm, or clear it with None."""
        self._session.retain(self._topics.alarm(code), b"" if alarm is None else _json(alarm))

    def close(self) -> None:
        """Say offline, write what is under way, end the thread; at most a few seconds."""
        self.publish_state(
            StateMessage(
                state=StateWord.OFFLINE,
                cause="the gate was stopped",
                action="start the gate: linegate run",
            )
        )
        self._session.close()

    def _send(
        self,
        what: str,
        topic: str,
        message: BaseModel,
        qos: int = 1,
        expires_ns: int | None = None,
    ) -> None:
        sent = self._session.send(topic, _json(message), qos, expires_ns)
        self._session.count(what if sent else f"{what}_dropped")

    # ---- from the line, on the session's thread ----

    def _up(self) -> None:
        self._on_message(LinkUp())

    def _down(self, reason: str) -> None:
        self._on_message(LinkDown(reason))

    def _received(self, message: Received) -> None:
        if message.topic.startswith(self._topics.alarm("")):
            self._own_alarm(message)
        elif message.retained:
            # Somebody published an order to stay: it was meant for another time.
            self._session.count("retained_ignored")
        elif not self._cap.admits(self._clock.monotonic_ns()):
            self._session.count("flood_dropped")
        else:
            self._read(message)

    def _read(self, message: Received) -> None:
        event = self._inbox.read(message.topic, message.payload)
        if event is None:
            self._session.count("foreign_ignored")
            return
        if isinstance(event, BadMessage):
            self._session.count("bad_messages")
            count = self._quieter.count(event.topic, self._clock.monotonic_ns())
            if count is not None:  # a flood of garbage must not fill the disk
                log.warning(
                    "bad messages from the line",
                    topic=event.topic,
                    error=event.error,
                    count=count,
                )
        self._session.count("received")
        self._on_message(event)

    def _own_alarm(self, message: Received) -> None:
        """Clear an alarm that an earlier run left on the broker and this one does not have."""
        if message.retained and message.payload and not self._session.retained(message.topic):
            self._session.retain(message.topic, b"")


def line_endpoint(
    settings: Plc, name: str, topics: tuple[str, ...], will: tuple[str, bytes] | None = None
) -> Endpoint:
    """How an end of the line connects. Its client id is the same after every restart, so that the
    broker drops a dead predecessor (and sends its last will) before the new one is greeted."""
    short = hashlib.sha256(name.encode()).hexdigest()[:12]
    return Endpoint(
        host=settings.host,
        port=settings.port,
        v5=settings.protocol == "5",
        client_id=f"linegate-{short}",  # 21 characters; 3.1.1 brokers must take 23
        topics=topics,
        will=will,
        username=settings.username,
        password=_password(settings),
    )


def _password(settings: Plc) -> str | None:
    if settings.password_file is None:
        return None
    try:
        return settings.password_file.read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"plc.password_file {settings.password_file}: cannot be read: {error.strerror}"
        ) from error


def _json(message: BaseModel) -> bytes:
    """A field without a value is left out: PLCs have short strings."""
    return message.model_dump_json(exclude_none=True).encode()
