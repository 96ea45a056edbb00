"""The link when the broker or the gate dies: nothing stale is said, and it is back in time."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from random import Random

import pytest

from edge.config import Plc
from edge.core.messages import StateMessage, StateWord, Trigger, Verdict
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
