"""docs/plc.md is true: its examples are messages, its Structured Text follows the rules."""

import json
import re
from pathlib import Path

import pytest

from edge.core import messages
from edge.core.topics import LineTopics

DOC = (Path(__file__).parents[2] / "docs" / "plc.md").read_text()
KINDS = {
    "cmd/trigger": messages.Trigger,
    "trigger/ack": messages.TriggerAck,
    "verdict": messages.VerdictMessage,
    "ack": messages.PlcAck,
    "state": messages.StateMessage,
    "heartbeat": messages.Heartbeat,
    "alarm/plc_silent": messages.AlarmMessage,
    "cmd/recipe": messages.RecipeOrder,
    "cmd/level": messages.LevelOrder,
    "cmd/challenge": messages.ChallengeOrder,
    "cmd/ack": messages.OrderAck,
}
EXAMPLES = dict(re.findall(r"^### `([^`]+)`\n```json\n(.*?)```", DOC, re.M | re.S))


def test_every_topic_has_an_example():
    topics = LineTopics("p")
    real = {
        getattr(topics, name).removeprefix("p/")
        for name, value in vars(LineTopics).items()
        if isinstance(value, property)
    }
    assert {name for name in EXAMPLES if not name.startswith("alarm/")} == real
    assert set(EXAMPLES) == set(KINDS)


@pytest.mark.parametrize("topic", sorted(EXAMPLES))
def test_examples_are_written_as_the_gate_writes_them(topic):
    for line in EXAMPLES[topic].splitlines():
        message = messages.parse(KINDS[topic], line.encode())
        assert json.loads(message.model_dump_json(exclude_none=True)) == json.loads(line)
        assert list(json.loads(line)) == list(
            json.loads(message.model_dump_json(exclude_none=True))
        )


@pytest.mark.parametrize("words", [messages.Reason, messages.Refusal, messages.StateWord])
def test_every_word_is_explained(words):
    for word in words:
        assert f"`{word}`" in DOC


def test_commands_to_type_send_what_they_claim():
    typed = re.findall(r"-t \"\$P/([^\"]+)\" -m '([^']+)'", DOC)
    assert len(typed) == 5
    good = [(topic, text) for topic, text in typed if "soon" not in text]
    for topic, text in good:
        messages.parse(KINDS[topic], text.encode())
    with pytest.raises(messages.MessageRefused, match="deadline_ms"):
        messages.parse(messages.Trigger, dict(typed[-2:-1])["cmd/trigger"].encode())
