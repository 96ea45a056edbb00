"""The ingest's connection to the broker, with paho behind it. It dies with the connection."""

from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from trainer.ingest.receiver import Inbound

CLIENT_ID = "linegate-ingest"  # of one broker there is one ingest: a second takes its place
KEEPALIVE_S = 20
CONNECT_TIMEOUT_S = 3.0
MAX_HELD = 64  # answers that the broker has not taken; more are dropped, a hello asks again
UP_TOPICS = "linegate/+/up/+"


@dataclass(frozen=True, slots=True)
class Login:
    """Where the broker is and who we are."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None


class Link:
    """Owned by one thread, which calls `poll` again and again. What it does not read stays in the
    socket and then in the broker: there is no queue here to overflow."""

    def __init__(self, login: Login) -> None:
        """Connects. Raises OSError if the broker cannot be reached in CONNECT_TIMEOUT_S."""
        self.ready = False  # subscribed
        self.problem: str | None = None  # set: the connection is over, and why
        self._received: list[Inbound] = []
        self._held: set[int] = set()
        self._client = self._make_client(login)
        self._client.connect(login.host, login.port, keepalive=KEEPALIVE_S)

    def publish(self, topic: str, payload: bytes) -> bool:
        """False: not taken; whoever needs the answer will ask again."""
        if not self.ready or self.problem or len(self._held) >= MAX_HELD:
            return False
        info = self._client.publish(topic, payload, qos=1)
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            return False
        self._held.add(info.mid)
        return True

    def poll(self, timeout_s: float) -> list[Inbound]:
        """Read and write what the socket takes; waits at most `timeout_s` for something."""
        code = self._client.loop(timeout_s)
        if code != mqtt.MQTT_ERR_SUCCESS and self.problem is None:
            self.problem = "connection lost"
        received, self._received = self._received, []
        return received

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop(0.0)

    def _make_client(self, login: Login) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=CLIENT_ID,
            clean_session=True,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(MAX_HELD)
        client.max_queued_messages_set(MAX_HELD)
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
        client.subscribe(UP_TOPICS, qos=1)

    def _on_subscribe(
        self, _c: mqtt.Client, _u: Any, _mid: int, codes: list[ReasonCode], _p: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            self.problem = f"the broker does not let us read {UP_TOPICS}"
            return
        self.ready = True

    def _on_disconnect(self, _c: mqtt.Client, _u: Any, _f: Any, _code: ReasonCode, _p: Any) -> None:
        self.problem = self.problem or "connection lost"

    def _on_publish(self, _c: mqtt.Client, _u: Any, mid: int, _code: ReasonCode, _p: Any) -> None:
        self._held.discard(mid)

    def _on_message(self, _c: mqtt.Client, _u: Any, message: mqtt.MQTTMessage) -> None:
        self._received.append(Inbound(message.topic, bytes(message.payload)))
