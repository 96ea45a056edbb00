"""The link on a real broker, as the PLC sees it."""

import json
import subprocess
import time
from datetime import UTC, datetime
from random import Random

import pytest
from structlog.testing import capture_logs

from edge.config import Plc
from edge.core.messages import (
    AlarmMessage,
    ChallengeOrder,
    LevelOrder,
    OrderAck,
    PlcAck,
    RecipeOrder,
    Refusal,
    StateMessage,
    StateWord,
    Trigger,
    TriggerAck,
    Verdict,
)
from edge.plc.inbound import BadMessage
from edge.plc.link import LinkUp, PlcLink

pytestmark = pytest.mark.system

READY = StateMessage(state=StateWord.READY)
both = pytest.mark.parametrize("protocol", ["3.1.1", "5"])


def tell(link, message) -> None:
    """As the gate does: the link goes by the clock that never jumps."""
    left_s = (message.valid_until - datetime.now(UTC)).total_seconds()
    link.publish_verdict(message, time.monotonic_ns() + round(left_s * 1e9))


@both
def test_every_inbound_topic_arrives_typed(broker, open_gate, spy, topics, protocol):
    gate = open_gate(broker.port, protocol)
    gate.next(LinkUp)
    said = {
        topics.trigger: ({"part_id": "A-1", "seq": 7, "recipe": "demo", "lot": "L"}, Trigger),
        topics.ack: ({"part_id": "A-1", "inspection_id": "i-1"}, PlcAck),
        topics.recipe: ({"id": "o1", "recipe": "demo"}, RecipeOrder),
        topics.level: ({"id": "o2", "level": "full", "who": "Ada"}, LevelOrder),
        topics.challenge: ({"id": "o3", "part_id": "RABBIT"}, ChallengeOrder),
    }
    for topic, (fields, kind) in said.items():
        spy.say(topic, json.dumps({"v": 1, **fields, "unknown": "ignored"}))
        assert gate.next(kind) == kind(**fields)


@both
def test_verdict_ack_heartbeat_and_order_ack_reach_the_plc(
    broker, open_gate, spy, topics, verdict, until, protocol
):
    gate = open_gate(broker.port, protocol)
    message = verdict(3)
    gate.link.publish_ack(TriggerAck(part_id="P-3", seq=3, accepted=True, inspection_id="i-3"))
    tell(gate.link, message)
    gate.link.heartbeat(41)
    gate.link.order_ack(OrderAck(id="o1", ok=False, error="no such recipe"))
    assert until(lambda: len(spy.seen) == 4)
    by_topic = {seen.topic: json.loads(seen.payload) for seen in spy.seen}
    assert by_topic[topics.trigger_ack]["inspection_id"] == "i-3"
    assert by_topic[topics.verdict]["verdict"] == "pass"
    assert by_topic[topics.heartbeat] == {"v": 1, "counter": 41}
    assert by_topic[topics.order_ack]["error"] == "no such recipe"
    assert not any(seen.retained for seen in spy.seen)
    assert len(spy.on(topics.verdict)[0].payload) <= 256  # short strings of small PLCs
    assert gate.link.counters["verdicts"] == 1


def test_mqtt5_broker_is_told_to_forget_the_verdict(broker, open_gate, spy, topics, verdict, until):
    gate = open_gate(broker.port, "5")
    tell(gate.link, verdict(1, valid_s=0.3))
    tell(gate.link, verdict(2, valid_s=30.0))
    assert until(lambda: len(spy.on(topics.verdict)) == 2)
    assert [seen.expiry_s for seen in spy.on(topics.verdict)] == [1, 30]


def test_pass_past_its_time_is_never_sent(broker, open_gate, spy, topics, verdict, until):
    gate = open_gate(broker.port)
    tell(gate.link, verdict(1, Verdict.PASS, valid_s=-0.001))
    tell(gate.link, verdict(2, Verdict.REWORK, valid_s=-60))
    tell(gate.link, verdict(3, Verdict.PASS))
    assert until(lambda: len(spy.on(topics.verdict)) == 2)
    assert [json.loads(seen.payload)["seq"] for seen in spy.on(topics.verdict)] == [2, 3]
    assert gate.link.counters["dropped_expired"] == 1


def test_state_and_alarms_are_retained_and_cleared(
    broker, open_gate, spy, make_spy, topics, until, clock
):
    gate = open_gate(broker.port)
    alarm = AlarmMessage(code="camera_lost", cause="no frame", since=clock.now(), action="plug in")
    gate.link.publish_state(READY)
    gate.link.alarm("camera_lost", alarm)
    assert until(lambda: len(spy.seen) == 2)
    late = make_spy(broker.port)
    assert until(lambda: len(late.seen) == 2)
    assert all(seen.retained for seen in late.seen)
    gate.link.alarm("camera_lost", None)
    assert until(lambda: len(late.seen) == 3)
    assert late.seen[-1].payload == b""
    last = make_spy(broker.port)
    assert until(lambda: last.seen)
    assert [seen.topic for seen in last.seen] == [topics.state]


def test_alarm_of_an_earlier_run_is_cleared(broker, open_gate, spy, make_spy, topics, until):
    spy.say(topics.alarm("old"), b'{"code": "old"}', retain=True)
    spy.say(topics.alarm("mine"), b'{"code": "mine"}', retain=True)
    gate = open_gate(broker.port, wait=False)
    mine = AlarmMessage(code="mine", cause="c", since="2026-01-01T00:00:00Z", action="a")
    gate.link.alarm("mine", mine)
    assert until(lambda: spy.on(topics.alarm("old"))[-1].payload == b"")
    late = make_spy(broker.port)
    assert until(lambda: [seen.topic for seen in late.seen] == [topics.alarm("mine")])


def test_retained_trigger_is_ignored_and_a_live_one_is_not(broker, open_gate, spy, topics):
    spy.say(topics.trigger, '{"part_id": "STALE", "seq": 1}', retain=True)
    gate = open_gate(broker.port)
    spy.say(topics.trigger, '{"part_id": "LIVE", "seq": 2}', retain=True)
    assert gate.next(Trigger).part_id == "LIVE"
    assert gate.link.counters["retained_ignored"] == 1


@pytest.mark.parametrize(
    ("payload", "part_id", "seq"),
    [
        (b'{"part_id": "A", "seq": 5, "deadline_ms": "soon"}', "A", 5),
        (b'{"part_id": "A", "seq": 5, "v": 2}', "A", 5),
        (b'{"part_id": "A", "seq": -1}', "A", None),
        (b'{"part_id": "two words", "seq": 5}', None, 5),
        (b'["part_id", "seq"]', None, None),
        (b"\xff\xfe not json", None, None),
        (b"[" * 4000, None, None),
        (b"", None, None),
        (b'{"part_id": "A", "seq": 5, "lot": "' + b"x" * 5000 + b'"}', None, None),
    ],
)
def test_bad_trigger_is_told_with_the_identity_it_has(
    broker, open_gate, spy, topics, payload, part_id, seq
):
    gate = open_gate(broker.port)
    spy.say(topics.trigger, payload)
    bad = gate.next(BadMessage)
    assert (bad.part_id, bad.seq) == (part_id, seq)
    assert bad.error.startswith("Trigger: ")
    spy.say(topics.trigger, '{"part_id": "GOOD", "seq": 6}')
    assert gate.next(Trigger).part_id == "GOOD"


def test_flood_of_garbage_is_one_line_in_the_log(broker, open_gate, spy, topics, until):
    with capture_logs() as lines:
        gate = open_gate(broker.port)
        for _ in range(50):
            spy.say(topics.trigger, b"garbage")
        spy.say(topics.ack, b"garbage, too")
        assert until(lambda: gate.link.counters.get("bad_messages") == 51)
    said = [line for line in lines if line["event"] == "bad messages from the line"]
    assert [line["topic"] for line in said] == [topics.trigger, topics.ack]
    assert {line["count"] for line in said} == {1}


def test_listener_that_raises_does_not_end_the_thread(broker, topics, clock, spy, until):
    heard = []

    def clumsy(event: object) -> None:
        heard.append(event)
        raise RuntimeError("a mistake in the gate")

    link = PlcLink(Plc(port=broker.port), topics, clumsy, clock, Random(1)).start()
    try:
        assert until(lambda: link.is_up)
        for seq in range(3):
            spy.say(topics.trigger, json.dumps({"part_id": "A", "seq": seq}))
        assert until(lambda: len(heard) == 4)
        assert until(lambda: link.counters["listener_errors"] == 4)
    finally:
        link.close()


def test_close_says_offline_and_takes_no_more(broker, open_gate, spy, topics, verdict, until):
    gate = open_gate(broker.port)
    gate.link.publish_state(READY)
    tell(gate.link, verdict(1))
    gate.link.close()
    gate.link.close()
    tell(gate.link, verdict(2))
    assert until(lambda: len(spy.on(topics.state)) == 2)
    assert "stopped" in json.loads(spy.on(topics.state)[-1].payload)["cause"]
    assert len(spy.on(topics.verdict)) == 1
    assert gate.link.counters["verdicts_dropped"] == 1


def test_mosquitto_tools_can_be_the_plc(broker, open_gate, topics, verdict):
    """What docs/plc.md tells a person to type."""
    gate = open_gate(broker.port)
    where = ["-p", str(broker.port), "-V", "mqttv311", "-q", "1"]
    with subprocess.Popen(
        ["mosquitto_sub", *where, "-C", "2", "-W", "10", "-v", "-t", topics.verdict, "-t",
         topics.trigger_ack],
        stdout=subprocess.PIPE,
        text=True,
    ) as sub:  # fmt: skip
        payload = '{"v":1,"part_id":"A-1","seq":1,"deadline_ms":300}'
        end = time.monotonic() + 5
        while True:  # until the subscriber is there, triggers are answered to nobody
            subprocess.run(
                ["mosquitto_pub", *where, "-t", topics.trigger, "-m", payload], check=True
            )
            trigger = gate.next(Trigger)
            gate.link.publish_ack(
                TriggerAck(part_id=trigger.part_id, seq=1, accepted=False, refused=Refusal.OVERLOAD)
            )
            tell(gate.link, verdict(trigger.seq, part_id=trigger.part_id))
            time.sleep(0.1)
            if sub.poll() is not None or time.monotonic() > end:
                break
        out = sub.communicate(timeout=10)[0].splitlines()
    assert json.loads(out[0].split(" ", 1)[1])["refused"] == "overload"
    assert json.loads(out[1].split(" ", 1)[1])["part_id"] == "A-1"
