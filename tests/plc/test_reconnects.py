"""However the connection breaks, and whatever is queued then: no verdict comes later than it may,
twice, or as another's. A real broker, the real link, and a PLC that checks all it hears.

`LINEGATE_RECONNECTS=10000 python -m pytest tests/plc/test_reconnects.py` for the long proof.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from random import Random

import pytest
import structlog
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.config import Plc
from edge.core.messages import Verdict, VerdictMessage
from edge.core.topics import LineTopics
from edge.plc.broker import Broker
from edge.plc.connection import WINDOW
from edge.plc.link import line_endpoint

pytestmark = pytest.mark.system
log = structlog.get_logger()

RECONNECTS = int(os.environ.get("LINEGATE_RECONNECTS", "120"))  # on each protocol
QUEUED = 8  # verdicts that wait in the gate when the connection breaks
HASTY = 4  # passes that are worth nothing any more once the stalled broker goes on
HASTY_S = 0.02
MARK = "round/over"


class Ear:
    """The PLC's end: hears every verdict, and notes what should not have been."""

    def __init__(self, broker: Broker, topics: LineTopics, protocol: str, until) -> None:
        self.told: dict[int, VerdictMessage] = {}
        self.heard: Counter[int] = Counter()
        self.wrong: list[str] = []
        self._port, self._topics, self._until = broker.port, topics, until
        self._void = -1  # up to this seq, whatever comes now is too late
        self._marks = 0
        self._granted = False
        self._client = _client(protocol, "plc")
        self._client.reconnect_delay_set(0.02, 0.05)
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(topics.verdict, 1), (MARK, 1)]
        )
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        self.listen()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def listen(self) -> None:
        assert self._until(lambda: self._granted)

    def hears(self, seq: int) -> None:
        assert self._until(lambda: self.heard[seq]), f"verdict {seq} never came"

    def round_over(self, broker_died: bool) -> None:
        """All that was told so far is worth nothing from now on, as nothing of it is on its way."""
        if broker_died:
            assert self._until(lambda: not self._granted)
        else:
            marks = self._marks
            self._client.publish(MARK, b"", 1)
            assert self._until(lambda: self._marks > marks)
        self._void = max(self.told, default=-1)
        self.told.clear()

    def _on_subscribe(self, *_: object) -> None:
        self._granted = True

    def _on_disconnect(self, *_: object) -> None:
        self._granted = False

    def _on_message(self, _client: object, _userdata: object, message) -> None:
        now = datetime.now(UTC)
        if message.topic == MARK:
            self._marks += 1
            return
        verdict = VerdictMessage.model_validate_json(message.payload)
        seq = verdict.seq
        self.heard[seq] += 1
        for what, is_so in (
            ("not what was told", verdict != self.told.get(seq)),
            ("a second time", self.heard[seq] > 1),
            ("of a connection that is gone", seq <= self._void),
            ("a pass that no longer is one", _is_over(verdict, now)),
        ):
            if is_so:
                self.wrong.append(f"{seq}: {what}")


class Rounds:
    """One reconnect after the other, each with verdicts queued."""

    def __init__(self, link, client_id: str, broker: Broker, cutter, ear: Ear, verdict) -> None:
        self.counts: Counter[str] = Counter()
        self._link, self._client_id = link, client_id
        self._broker, self._cutter, self._ear = broker, cutter, ear
        self._verdict = verdict
        self._next_seq = 0

    def play(self, how: str, until) -> None:
        breaks: dict[str, Callable[[], None]] = {
            "reset": self._reset,
            "expired": self._expired,
            "kick": self._kick,
            "restart": self._restart,
        }
        assert until(lambda: self._link.is_up)
        self._ear.hears(self._tell())
        breaks[how]()
        assert until(lambda: not self._link.is_up), how
        self._tell()
        self._ear.round_over(broker_died=how == "restart")
        if how == "restart":
            self._broker.start()
            self._ear.listen()
        self._cutter.allow()
        self.counts[how] += 1

    def end(self, until) -> None:
        """The line works again, and what comes now was told now."""
        assert until(lambda: self._link.is_up)
        self._ear.hears(self._tell())

    def _reset(self) -> None:
        """The connection breaks, as by a switch that restarts."""
        self._cutter.deaf = True
        self._queue()
        self._cutter.cut()

    def _kick(self) -> None:
        """The broker ends it, because another client comes with the gate's id."""
        self._cutter.deaf = True
        self._cutter.refuse()
        self._queue()
        _take_over(self._client_id, self._broker.port)

    def _restart(self) -> None:
        """The broker hangs, then is killed, and forgets all."""
        self._cutter.refuse()
        os.kill(self._broker.pid, signal.SIGSTOP)
        self._queue()
        self._broker.kill()

    def _expired(self) -> None:
        """The broker stalls while passes wait, until they are none, and goes on; then it breaks."""
        os.kill(self._broker.pid, signal.SIGSTOP)
        for _ in range(WINDOW):
            self._tell()
        hasty = [self._tell(valid_s=HASTY_S) for _ in range(HASTY)]
        last = self._tell(Verdict.REWORK)
        time.sleep(2 * HASTY_S)
        os.kill(self._broker.pid, signal.SIGCONT)
        self._ear.hears(last)
        self.counts["expired passes heard"] += sum(self._ear.heard[seq] for seq in hasty)
        self._reset()

    def _queue(self) -> None:
        """As many as may be unconfirmed, and some more that must wait."""
        for number in range(WINDOW + QUEUED):
            self._tell(Verdict.REWORK if number % 3 == 0 else Verdict.PASS)

    def _tell(self, word: Verdict = Verdict.PASS, valid_s: float = 30.0) -> int:
        """As the gate does: the link goes by the clock that never jumps."""
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        message = self._verdict(seq, word, valid_s)
        self._ear.told[seq] = message
        self._link.publish_verdict(message, time.monotonic_ns() + round(valid_s * 1e9))
        return seq


HOW = ("reset", "kick", "expired", "restart")


@pytest.mark.timeout(120 + RECONNECTS)
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_no_verdict_survives_a_reconnect(
    broker, cutter, open_gate, topics, verdict, until, protocol
):
    gate = open_gate(cutter.port, protocol)
    client_id = line_endpoint(Plc(), f"{topics.prefix}/gate", ()).client_id
    random = Random(RECONNECTS)
    with closing(Ear(broker, topics, protocol, until)) as ear:
        rounds = Rounds(gate.link, client_id, broker, cutter, ear, verdict)
        for _ in range(RECONNECTS):
            rounds.play(random.choice(HOW), until)
        rounds.end(until)
        counters = gate.link.counters
        heard = sum(ear.heard.values())
        log.info("reconnects", protocol=protocol, **rounds.counts, heard=heard, link=counters)
        assert ear.wrong == []
        assert set(HOW) <= set(rounds.counts) and rounds.counts["expired passes heard"] == 0
        assert counters["connects"] > RECONNECTS
        assert counters["dropped_lost"] >= QUEUED * RECONNECTS  # queued at every single break
        assert counters["dropped_expired"] == HASTY * rounds.counts["expired"]
        assert heard > 2 * RECONNECTS  # and many were on their way


class NaiveLink:
    """What most programs do: one client that reconnects by itself and keeps what it could not
    deliver. The harness must find it out."""

    def __init__(self, port: int, topics: LineTopics) -> None:
        self._topics = topics
        self._client = _client("3.1.1", "naive")
        self._client.reconnect_delay_set(min_delay=0.02, max_delay=0.05)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    @property
    def is_up(self) -> bool:
        return self._client.is_connected()

    def publish_verdict(self, message: VerdictMessage, expires_ns: int | None) -> None:
        self._client.publish(self._topics.verdict, message.model_dump_json(), 1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.mark.parametrize("how", HOW)
def test_client_that_sends_again_is_found_out(broker, cutter, topics, verdict, until, how):
    with (
        closing(Ear(broker, topics, "3.1.1", until)) as ear,
        closing(NaiveLink(cutter.port, topics)) as link,
    ):
        rounds = Rounds(link, "naive", broker, cutter, ear, verdict)
        for _ in range(3):
            rounds.play(how, until)
        rounds.end(until)
        assert any("of a connection that is gone" in wrong for wrong in ear.wrong)


class LinkOfAnOtherPart:
    """Names the part before, as a program does that keeps one answer for all."""

    def __init__(self, link) -> None:
        self._link, self._before = link, None

    @property
    def is_up(self) -> bool:
        return self._link.is_up

    def publish_verdict(self, message: VerdictMessage, expires_ns: int | None) -> None:
        self._before, before = message, self._before or message
        wrong = message.model_copy(update={"inspection_id": before.inspection_id})
        self._link.publish_verdict(wrong, None)  # nor does it look at the clock


def test_wrong_id_and_old_pass_are_found_out(broker, cutter, open_gate, topics, verdict, until):
    gate = open_gate(cutter.port)
    with closing(Ear(broker, topics, "3.1.1", until)) as ear:
        link = LinkOfAnOtherPart(gate.link)
        rounds = Rounds(link, "gate", broker, cutter, ear, verdict)
        rounds.play("expired", until)
        rounds.end(until)
    assert any("not what was told" in wrong for wrong in ear.wrong)
    assert any("a pass that no longer is one" in wrong for wrong in ear.wrong)
    assert rounds.counts["expired passes heard"] == HASTY


def _is_over(verdict: VerdictMessage, now: datetime) -> bool:
    return verdict.verdict is Verdict.PASS and now > verdict.valid_until


def _client(protocol: str, client_id: str) -> Client:
    version = MQTTProtocolVersion.MQTTv5 if protocol == "5" else MQTTProtocolVersion.MQTTv311
    return Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version)


def _take_over(client_id: str, port: int) -> None:
    other = _client("3.1.1", client_id)
    other.connect("127.0.0.1", port)
    while not other.is_connected():
        other.loop(0.05)
    other.disconnect()
