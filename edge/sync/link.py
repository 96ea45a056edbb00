"""One connection to the broker, with paho behind it. It dies with the connection: make a new one.

Measured traps that shape this file (paho-mqtt 2.2): its queue is unbounded by default and lives in
memory, a publish while offline is queued *and* reported as failed, and a reconnect sends the whole
backlog beyond its own window, some of it twice. So: clean start, at most WINDOW messages, nothing
survives a connection, and the outbox alone decides what is sent again.
"""

from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.core.post import MAX_DOWN_BYTES
from edge.core.topics import PostTopics
from edge.sync.outbox import WINDOW

KEEPALIVE_S = 20
CONNECT_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Login:
    """Where the broker is and who we are."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None


class Link:
    """Owned by one thread, which calls `poll` again and again."""

    def __init__(self, login: Login, device: str) -> None:
        """Connects. Raises OSError if the broker cannot be reached in CONNECT_TIMEOUT_S."""
        self.ready = False  # the broker took us, and both topics are subscribed
        self.problem: str | None = None  # set: the connection is over, and why
        self._topics = PostTopics(device)
        self._received: list[tuple[str, bytes]] = []
        self._released: list[int] = []
        self._tokens: dict[int, int] = {}  # mid -> token
        self._client = self._make_client(login, f"linegate-{device}-sync")
        self._client.connect(login.host, login.port, keepalive=KEEPALIVE_S)

    @property
    def held(self) -> int:
        """Messages that paho still holds; never more than WINDOW."""
        return len(self._tokens)

    def publish(self, token: int, topic: str, payload: bytes) -> bool:
        """Hand one message over; its token comes back from `released`. False: not taken."""
        if not self.ready or self.problem or self.held >= WINDOW:
            return False
        info = self._client.publish(topic, payload, qos=1)
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            return False
        self._tokens[info.mid] = token
        return True

    def poll(self, timeout_s: float) -> None:
        """Read and write what the socket takes; waits at most `timeout_s` for something."""
        code = self._client.loop(timeout_s)
        if code != mqtt.MQTT_ERR_SUCCESS and self.problem is None:
            self.problem = "connection lost"

    def received(self) -> list[tuple[str, bytes]]:
        """(topic, payload) of what came since the last call."""
        received, self._received = self._received, []
        return received

    def released(self) -> list[int]:
        """Tokens of the messages that the broker took since the last call."""
        released, self._released = self._released, []
        return released

    def close(self) -> None:
        """Say goodbye if there is anyone to say it to."""
        self._client.disconnect()
        self._client.loop(0.0)

    def _make_client(self, login: Login, client_id: str) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(WINDOW)
        client.max_queued_messages_set(WINDOW)
        if login.username is not None:
            client.username_pw_set(login.username, login.password)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: mqtt.Client, _u: Any, _f: Any, code: ReasonCode, _p: Any) -> None:
        if code.is_failure:
            self.problem = f"the broker refused us: {code}"
            return
        client.subscribe([(self._topics.ack, 1), (self._topics.want, 1)])

    def _on_subscribe(
        self, _c: mqtt.Client, _u: Any, _mid: int, codes: list[ReasonCode], _p: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            self.problem = f"the broker does not let us read {self._topics.ack}"
            return
        self.ready = True

    def _on_disconnect(self, _c: mqtt.Client, _u: Any, _f: Any, _code: ReasonCode, _p: Any) -> None:
        self.problem = self.problem or "connection lost"

    def _on_publish(self, _c: mqtt.Client, _u: Any, mid: int, _code: ReasonCode, _p: Any) -> None:
        token = self._tokens.pop(mid, None)
        if token is not None:
            self._released.append(token)

    def _on_message(self, _c: mqtt.Client, _u: Any, message: mqtt.MQTTMessage) -> None:
        if len(message.payload) <= MAX_DOWN_BYTES:
            self._received.append((message.topic, bytes(message.payload)))
