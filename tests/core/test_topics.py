"""The topics are the contract: PLC programs and trainers hold them as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.topics import LineTopics, PostTopics, device_of

LINE = LineTopics("site/area/line/station/vision")
POST = PostTopics("box-1")
DEVICES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True)


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("trigger", "cmd/trigger"),
        ("trigger_ack", "trigger/ack"),
        ("verdict", "verdict"),
        ("ack", "ack"),
        ("recipe", "cmd/recipe"),
        ("level", "cmd/level"),
        ("challenge", "cmd/challenge"),
        ("order_ack", "cmd/ack"),
        ("state", "state"),
        ("heartbeat", "heartbeat"),
    ],
)
def test_topics_of_the_line(name: str, topic: str) -> None:
    assert getattr(LINE, name) == f"site/area/line/station/vision/{topic}"


def test_alarm_topic_ends_with_its_code() -> None:
    assert LINE.alarm("camera_lost") == "site/area/line/station/vision/alarm/camera_lost"


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("hello", "up/hello"),
        ("records", "up/records"),
        ("chunk_up", "up/chunk"),
        ("ack", "down/ack"),
        ("want", "down/want"),
        ("chunk_down", "down/chunk"),
        ("wish", "down/wish"),
    ],
)
def test_topics_of_the_post(name: str, topic: str) -> None:
    assert getattr(POST, name) == f"linegate/box-1/{topic}"


@given(DEVICES)
def test_device_is_read_from_each_of_its_topics(device: str) -> None:
    topics = PostTopics(device)
    for name, attribute in vars(PostTopics).items():
        if isinstance(attribute, property):
            assert device_of(getattr(topics, name)) == device


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "linegate",
        "linegate/box",
        "linegate//up/hello",
        "other/box/up/hello",
        "linegate/b/u/h/x",
    ],
)
def test_foreign_topic_has_no_device(topic: str) -> None:
    assert device_of(topic) is None


@given(st.text(max_size=40))
def test_any_topic_is_read_without_error(topic: str) -> None:
    device = device_of(topic)
    assert device is None or f"/{device}/" in topic
