"""What the tests of the line share: a real broker, a listener on it, a way to break connections."""

import contextlib
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.clock import SystemClock
from edge.config import Plc
from edge.core.messages import By, Verdict, VerdictMessage
from edge.core.topics import LineTopics
from edge.plc.broker import Broker, find_mosquitto
from edge.plc.link import LinkEvent, PlcLink

FAST_S = (0.01, 0.05)  # back-off between attempts; tests have no time


def _until(condition: Callable[[], object], timeout_s: float = 10.0) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.002)
    return bool(condition())


@pytest.fixture
def until():
    """`until(condition, timeout_s)`: whether the condition came true in time."""
    return _until


@pytest.fixture
def topics() -> LineTopics:
    return LineTopics("plant/hall/line1/st1/vision")


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
def mosquitto() -> str:
    found = find_mosquitto()
    if found is None:
        pytest.skip("mosquitto is not installed")
    return str(found)


@pytest.fixture
def broker(mosquitto: str) -> Iterator[Broker]:
    with Broker() as running:
        yield running


@dataclass
class Seen:
    topic: str
    payload: bytes
    retained: bool
    at: datetime
    expiry_s: int | None


class Spy:
    """Hears everything on the broker, in order, and can say anything."""

    def __init__(self, port: int, v5: bool = True) -> None:
        self.seen: list[Seen] = []
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        )
        self._client.on_message = self._on_message
        granted = threading.Event()
        self._client.on_subscribe = lambda *_: granted.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe("#", 1)
        assert granted.wait(5)

    def _on_message(self, _client, _userdata, message) -> None:
        expiry = getattr(message.properties, "MessageExpiryInterval", None)
        now = datetime.now(UTC)
        self.seen.append(Seen(message.topic, message.payload, message.retain, now, expiry))

    def on(self, topic: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.topic == topic]

    def say(self, topic: str, payload: bytes | str, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def spy(broker: Broker) -> Iterator[Spy]:
    spy = Spy(broker.port)
    yield spy
    spy.close()


@pytest.fixture
def make_spy() -> Iterator[Callable[[int], Spy]]:
    with contextlib.ExitStack() as stack:

        def make(port: int) -> Spy:
            spy = Spy(port)
            stack.callback(spy.close)
            return spy

        yield make


@dataclass
class Gate:
    """A link and what it told."""

    link: PlcLink
    events: "queue.SimpleQueue[LinkEvent]"

    def next(self, kind: type, timeout_s: float = 10.0):
        """The next event of this kind; others are passed over."""
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                event = self.events.get(timeout=left)
                if isinstance(event, kind):
                    return event
        raise AssertionError(f"no {kind.__name__} within {timeout_s} s")


@pytest.fixture
def open_gate(topics: LineTopics, clock: SystemClock) -> Iterator[Callable[..., Gate]]:
    """`open_gate(port, protocol)`: a link on this port that is up."""
    with contextlib.ExitStack() as stack:

        def make(port: int, protocol: str = "3.1.1", wait: bool = True) -> Gate:
            events: queue.SimpleQueue[LinkEvent] = queue.SimpleQueue()
            settings = Plc(port=port, protocol=protocol)
            link = PlcLink(settings, topics, events.put, clock, Random(7), FAST_S)
            stack.callback(link.close)
            link.start()
            assert not wait or _until(lambda: link.is_up)
            return Gate(link, events)

        yield make


@pytest.fixture
def verdict(clock: SystemClock) -> Callable[..., VerdictMessage]:
    """`verdict(seq, word, valid_s, part_id)`: one as the gate sends it."""

    def make(
        seq: int, word: Verdict = Verdict.PASS, valid_s: float = 5.0, part_id: str | None = None
    ) -> VerdictMessage:
        return VerdictMessage(
            part_id=part_id or f"P-{seq}",
            seq=seq,
            inspection_id=f"i-{seq}",
            verdict=word,
            by=By.MODEL,
            score=0.25,
            model="demo-1",
            recipe="demo",
            latency_ms=12.5,
            valid_until=clock.now() + timedelta(seconds=valid_s),
        )

    return make


class Cutter:
    """A TCP proxy before the broker whose connections can be deafened and cut."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.deaf = False  # bytes from the broker vanish, its confirmations among them
        self.closed = False  # new connections are refused
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with self._lock:
                if self.closed:
                    _reset(client)
                    continue
                try:
                    broker = socket.create_connection(self._target)
                except OSError:
                    _reset(client)
                    continue
                self._pairs.append((client, broker))
            for pair in ((client, broker, True), (broker, client, False)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if up or not self.deaf:
                    sink.sendall(data)
        _reset(source)
        _reset(sink)

    def refuse(self) -> None:
        """Take no new connections until `allow`; those that there are go on."""
        with self._lock:
            self.closed = True

    def cut(self) -> None:
        """Break every connection and refuse new ones until `allow`."""
        with self._lock:
            self.closed = True
            for pair in self._pairs:
                for sock in pair:
                    _reset(sock)
            self._pairs.clear()

    def allow(self) -> None:
        with self._lock:
            self.closed = self.deaf = False

    def stop(self) -> None:
        self._server.close()
        self.cut()


def _reset(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


@pytest.fixture
def cutter(broker: Broker) -> Iterator[Cutter]:
    cutter = Cutter(broker.port)
    yield cutter
    cutter.stop()
