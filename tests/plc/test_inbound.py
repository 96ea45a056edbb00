"""Whatever bytes come, the answer is a typed message, a BadMessage, or silence."""

import json

from hypothesis import given
from hypothesis import strategies as st

from edge.core.clock import ns
from edge.core.messages import MAX_MESSAGE_BYTES, Trigger
from edge.core.topics import LineTopics
from edge.plc.inbound import QUIET_NS, BadMessage, Inbox, Quieter, RateCap

TOPICS = LineTopics("p")
INBOX = Inbox(TOPICS)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NAMES = ("v", "part_id", "seq", "recipe", "deadline_ms", "lot", "id", "level", "who")
fields = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, json_values))


@given(topic=st.sampled_from(INBOX.topics), payload=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(topic, payload):
    assert INBOX.read(topic, payload) is not None


@given(topic=st.sampled_from(INBOX.topics), message=fields)
def test_any_json_object_is_read_or_refused(topic, message):
    payload = json.dumps(message).encode("utf-8", "surrogatepass")
    event = INBOX.read(topic, payload)
    if isinstance(event, BadMessage):
        assert event.seq is None or 0 <= event.seq < 2**53
        assert event.part_id is None or 1 <= len(event.part_id) <= 64
    elif isinstance(event, Trigger):
        assert str(event.part_id) == str(message["part_id"])


def test_foreign_topic_is_nobodys():
    for topic in ("p/cmd/other", "q/cmd/trigger", "p/cmd/trigger/x", "p/verdict"):
        assert INBOX.read(topic, b"{}") is None


def test_oversized_message_is_not_parsed():
    payload = b'{"part_id": "A", "seq": 1, "lot": "' + b" " * MAX_MESSAGE_BYTES + b'"}'
    event = INBOX.read(TOPICS.trigger, payload)
    assert isinstance(event, BadMessage)
    assert event.part_id is None
    assert str(MAX_MESSAGE_BYTES) in event.error


def test_bad_order_keeps_its_id():
    event = INBOX.read(TOPICS.level, b'{"id": "o1", "level": "godlike"}')
    assert isinstance(event, BadMessage)
    assert event.order_id == "o1"
    assert "level" in event.error


def test_rate_cap_refuses_the_rest_of_a_second():
    cap = RateCap(3)
    assert [cap.admits(ns(ms)) for ms in (100, 200, 300, 400, 999)] == [True] * 3 + [False] * 2
    assert cap.admits(ns(1000))


def test_same_trouble_is_said_at_once_and_then_once_a_minute_with_its_count():
    quieter = Quieter()
    flood = [quieter.count("a", n * QUIET_NS // 1000) for n in range(2001)]
    assert [count for count in flood if count is not None] == [1, 1000, 1000]
    assert [flood[0], flood[1000], flood[2000]] == [1, 1000, 1000]


def test_trouble_of_another_name_is_said_at_once():
    quieter = Quieter()
    assert quieter.count("a", 0) == 1
    assert quieter.count("b", 1) == 1
    assert quieter.count("a", 2) is None
