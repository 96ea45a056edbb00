"""The link when the broker or the gate dies: nothing stale is said, and it is back in time."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import partial
from random import Random

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.config import Plc
from edge.core.messages import StateMessage, StateWord, Trigger, Verdict, VerdictMessage
from edge.plc.broker import free_port
from edge.plc.connection import WINDOW
from edge.plc.link import LinkDown, LinkUp, PlcLink
from edge.plc.session import MAX_WAITING

pytestmark = pytest.mark.system
both = pytest.mark.parametrize("protocol", ["3.1.1", "5"])

READY = StateMessage(state=StateWord.READY)
BACK_S = 5.0  # the station must be back this long after the broker


def tell(link, message) -> None:
    """As the gate does: the link goes by the clock that never jumps."""
    left_s = (message.valid_until - datetime.now(UTC)).total_seconds()
    link.publish_verdict(message, time.monotonic_ns() + round(left_s * 1e9))


@both
def test_killed_broker_is_noticed_and_found_again(
    broker, make_spy, topics, clock, verdict, until, protocol
):
    events = []
    link = PlcLink(
        Plc(port=broker.port, protocol=protocol), topics, events.append, clock, Random(3)
    )
    link.start()
    try:
        assert until(lambda: link.is_up)
        link.publish_state(READY)
        broker.kill()
        assert until(lambda: isinstance(events[-1], LinkDown))
        tell(link, verdict(1, valid_s=60))
        link.heartbeat(1)
        time.sleep(2.0)  # long enough for the longest back-off
        broker.start()
        spy = make_spy(broker.port)
        assert until(lambda: link.is_up, BACK_S)
        assert until(lambda: spy.on(topics.state))  # the broker forgot it, the link did not
        spy.say(topics.trigger, '{"part_id": "A", "seq": 1}')
        assert until(lambda: isinstance(events[-1], Trigger))
        assert not spy.on(topics.verdict) and not spy.on(topics.heartbeat)
        kinds = [type(event) for event in events]
        assert kinds == [LinkUp, LinkDown, LinkUp, Trigger]
        assert link.counters["verdicts_dropped"] == 1
    finally:
        link.close()


def test_missing_broker_is_told_once_with_its_address(open_gate):
    port = free_port()
    gate = open_gate(port, wait=False)
    assert gate.next(LinkDown).reason == f"broker 127.0.0.1:{port}: Connection refused"
    time.sleep(0.3)
    assert gate.events.empty()
    assert gate.link.counters["outages"] == 1


def test_half_open_broker_is_given_up_and_found_again(broker, open_gate, verdict, until):
    gate = open_gate(broker.port)
    os.kill(broker.pid, signal.SIGSTOP)
    for seq in range(WINDOW + MAX_WAITING + 20):
        tell(gate.link, verdict(seq, Verdict.REWORK))
    assert "confirmed nothing" in gate.next(LinkDown).reason
    assert gate.link.counters["dropped_full"] >= 20
    time.sleep(2.5)  # a connection that is accepted but never greeted is given up, too
    assert not gate.link.is_up
    os.kill(broker.pid, signal.SIGCONT)
    assert until(lambda: gate.link.is_up, BACK_S)


@pytest.mark.slow
def test_silent_half_open_broker_is_found_by_the_keepalive(broker, open_gate):
    gate = open_gate(broker.port)
    os.kill(broker.pid, signal.SIGSTOP)
    assert gate.next(LinkDown, timeout_s=15.0)
    os.kill(broker.pid, signal.SIGCONT)


class NaiveLink:
    """What most programs do: one client that reconnects by itself and keeps what it could not
    deliver. The harness must find it out."""

    def __init__(self, port: int, topics) -> None:
        self._topics = topics
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="naive")
        self._client.reconnect_delay_set(min_delay=0.02, max_delay=0.05)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    @property
    def is_up(self) -> bool:
        return self._client.is_connected()

    def publish_verdict(self, message, expires_ns) -> None:
        self._client.publish(self._topics.verdict, message.model_dump_json(), 1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def stale_verdicts(link, cutter, spy, topics, verdict, until, rounds: int) -> list[int]:
    """Break the connection `rounds` times, with verdicts under way and while it is down. Returns
    the seqs that came after their round was over, or twice."""
    for number in range(rounds):
        assert until(lambda: link.is_up)
        first = 10 * number
        tell(link, verdict(first))
        assert until(partial(_heard, spy, topics, first))
        cutter.held = True
        tell(link, verdict(first + 1))
        cutter.cut()
        tell(link, verdict(first + 2))
        assert until(lambda: not link.is_up)
        tell(link, verdict(first + 3))
        spy.say("round/over", str(number))
        cutter.allow()
    assert until(lambda: link.is_up)
    tell(link, verdict(10 * rounds))
    assert until(partial(_heard, spy, topics, 10 * rounds))
    return _stale(spy, topics)


def _heard(spy, topics, seq: int) -> bool:
    return any(json.loads(seen.payload)["seq"] == seq for seen in spy.on(topics.verdict)[-9:])


def _stale(spy, topics) -> list[int]:
    stale, heard, over = [], set(), -1
    for seen in list(spy.seen):
        if seen.topic == "round/over":
            over = int(seen.payload)
        elif seen.topic == topics.verdict:
            message = VerdictMessage.model_validate_json(seen.payload)
            assert message.part_id == f"P-{message.seq}"
            assert message.inspection_id == f"i-{message.seq}"
            if message.seq in heard or message.seq // 10 <= over:
                stale.append(message.seq)
            heard.add(message.seq)
    return stale


@pytest.mark.parametrize(("protocol", "rounds"), [("3.1.1", 100), ("5", 100)])
def test_no_verdict_survives_a_reconnect(
    broker, cutter, open_gate, spy, topics, verdict, until, protocol, rounds
):
    gate = open_gate(cutter.port, protocol)
    assert stale_verdicts(gate.link, cutter, spy, topics, verdict, until, rounds) == []
    assert gate.link.counters["connects"] > rounds
    assert gate.link.counters["verdicts_dropped"] >= rounds
    assert len(spy.on(topics.verdict)) >= rounds  # the ones sent while all was well
    for seen in spy.on(topics.verdict):
        assert seen.at <= VerdictMessage.model_validate_json(seen.payload).valid_until


def test_harness_finds_a_client_that_sends_again(broker, cutter, spy, topics, verdict, until):
    naive = NaiveLink(cutter.port, topics)
    try:
        assert stale_verdicts(naive, cutter, spy, topics, verdict, until, rounds=3)
    finally:
        cutter.allow()
        naive.close()


GATE = """
import sys, time
from random import Random
from edge.clock import SystemClock
from edge.config import Plc
from edge.core.messages import StateMessage
from edge.core.topics import LineTopics
from edge.plc.link import PlcLink

link = PlcLink(Plc(port=int(sys.argv[1])), LineTopics(sys.argv[2]), print, SystemClock(), Random(1))
link.publish_state(StateMessage(state="ready"))
link.start()
time.sleep(60)
"""


def test_killed_gate_is_offline_by_its_will_and_ready_after_its_restart(
    broker, spy, make_spy, topics, until
):
    def words() -> list[str]:
        return [json.loads(seen.payload)["state"] for seen in spy.on(topics.state)]

    def start() -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", GATE, str(broker.port), topics.prefix]
        return subprocess.Popen(argv, stdout=subprocess.DEVNULL)

    first = start()
    assert until(lambda: words() == ["ready"])
    first.kill()
    first.wait()
    assert until(lambda: words() == ["ready", "offline"])
    second = start()
    third = None
    try:
        assert until(lambda: words()[2:] == ["ready"])
        os.kill(second.pid, signal.SIGSTOP)  # it hangs, and another takes its place
        third = start()
        assert until(lambda: words()[3:] == ["offline", "ready"])
    finally:
        for process in (second, third):
            if process is not None:
                process.kill()
                process.wait()
