"""One MQTT connection of the line, from CONNECT to its end; on the line only this file knows paho.

A connection is never mended: whatever was under way in it ends with it. paho would send what it
holds again after a reconnect, and a verdict that comes late is worse than none.
"""

import math
import selectors
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.core.clock import Clock, ns

WINDOW = 16  # unacknowledged QoS 1 messages at most
CONNECT_TIMEOUT_S = 2.0  # to reach the broker, and again until it has granted our topics
PUBACK_TIMEOUT_S = 2.0  # a broker that takes longer is treated as gone
KEEPALIVE_S = 5
MAX_INBOUND_BYTES = 64 * 1024  # asked of an MQTT 5 broker; a 3.1.1 broker is bound by its own file
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: forget what is unsent, tell the other end at once


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect and as whom. `will` is (topic, payload), retained, sent by the broker when
    this end vanishes."""

    host: str
    port: int
    v5: bool
    client_id: str
    topics: tuple[str, ...]
    will: tuple[str, bytes] | None = None
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    topic: str
    payload: bytes
    retained: bool


class Connection:
    """Not thread-safe: the session's thread alone opens, steps, publishes and closes it."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._client = _client(endpoint)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self._selector = selectors.DefaultSelector()
        self._unacked: dict[int, int] = {}  # message id -> sent at, ns
        self._window = WINDOW
        self._opened_ns = 0
        self.up = False  # the broker has granted every topic
        self.lost: str | None = None  # why it ended, in words
        self.refused = 0  # messages that an MQTT 5 broker said no to
        self.inbox: list[Received] = []  # emptied by the session after each step

    @property
    def room(self) -> int:
        """How many more QoS 1 messages may be sent now."""
        return self._window - len(self._unacked)

    @property
    def idle(self) -> bool:
        """Whether everything was written, and acknowledged where it should be."""
        return not self._unacked and not self._client.want_write()

    def open(self, wake: socket.socket) -> None:
        """Connect; `wake` becoming readable ends a `step` early. Raises OSError."""
        end = self._endpoint
        if end.v5:
            asked = _properties(PacketTypes.CONNECT, MaximumPacketSize=MAX_INBOUND_BYTES)
            self._client.connect(
                end.host, end.port, KEEPALIVE_S, clean_start=True, properties=asked
            )
        else:
            self._client.connect(end.host, end.port, KEEPALIVE_S)
        self._opened_ns = self._clock.monotonic_ns()
        sock = self._socket()
        if sock is None:
            raise ConnectionResetError("the connection was closed at once")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sock, selectors.EVENT_READ)
        self._selector.register(wake, selectors.EVENT_READ)

    def step(self, timeout_s: float) -> None:
        """Wait for the network or the wake-up and handle it; may set `up`, `lost` and `inbox`."""
        sock = self._socket()
        if sock is None:
            self._end("the connection was closed")
            return
        wanted = selectors.EVENT_READ
        if self._client.want_write():
            wanted |= selectors.EVENT_WRITE
        self._selector.modify(sock, wanted)
        for key, events in self._selector.select(timeout_s):
            if key.fileobj is sock:
                self._transfer(events)
        self._client.loop_misc()
        self._check_patience()

    def publish(
        self, topic: str, payload: bytes, qos: int, retain: bool, left_ns: int | None
    ) -> None:
        """Send now. An MQTT 5 broker is told to forget the message after `left_ns`."""
        properties = None
        if self._endpoint.v5 and left_ns is not None:
            left_s = max(1, math.ceil(left_ns / 1e9))
            properties = _properties(PacketTypes.PUBLISH, MessageExpiryInterval=left_s)
        info = self._client.publish(topic, payload, qos, retain, properties)
        if qos and info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._unacked[info.mid] = self._clock.monotonic_ns()

    def disconnect(self) -> None:
        """Say goodbye: the broker forgets our last will."""
        self._client.disconnect()

    def close(self) -> None:
        """Free the socket. What is unsent is forgotten, so that it cannot arrive late."""
        self._selector.close()
        sock = self._socket()
        if sock is not None:
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            sock.close()

    def _socket(self) -> socket.socket | None:
        sock = self._client.socket()
        assert sock is None or isinstance(sock, socket.socket)
        return sock

    def _transfer(self, events: int) -> None:
        if events & selectors.EVENT_READ:
            self._client.loop_read()
        if events & selectors.EVENT_WRITE:
            self._client.loop_write()

    def _check_patience(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if not self.up and now_ns - self._opened_ns > ns(CONNECT_TIMEOUT_S * 1000):
            self._end(f"the broker did not greet within {CONNECT_TIMEOUT_S:g} s")
        oldest_ns = next(iter(self._unacked.values()), now_ns)
        if now_ns - oldest_ns > ns(PUBACK_TIMEOUT_S * 1000):
            self._end(f"the broker confirmed nothing for {PUBACK_TIMEOUT_S:g} s")

    def _end(self, reason: str) -> None:
        self.up = False
        self.lost = self.lost or reason

    # ---- called by paho, inside `step` and `publish` ----

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._end(f"the broker refuses us: {reason}")
            return
        self._window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))
        client.subscribe([(topic, 1) for topic in self._endpoint.topics])

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        for topic, reason in zip(self._endpoint.topics, reasons, strict=True):
            if reason.value != 1:
                self._end(f"the broker does not let us read {topic} with QoS 1: {reason}")
                return
        self.up = True

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self.inbox.append(Received(message.topic, bytes(message.payload), message.retain))

    def _on_publish(
        self,
        _client: Client,
        _userdata: object,
        mid: int,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._unacked.pop(mid, None)
        self.refused += reason.is_failure

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server or str(reason) == "Keep alive timeout":
            self._end(f"the broker ended the connection: {reason}")
        self._end("the connection to the broker broke")


def _properties(packet: int, **values: int) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _client(end: Endpoint) -> Client:
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=end.client_id,
        clean_session=None if end.v5 else True,
        protocol=MQTTProtocolVersion.MQTTv5 if end.v5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.max_inflight_messages_set(WINDOW)
    client.max_queued_messages_set(WINDOW)
    if end.username is not None:
        client.username_pw_set(end.username, end.password)
    if end.will is not None:
        client.will_set(*end.will, qos=1, retain=True)
    return client
