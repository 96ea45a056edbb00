"""The schemas in docs/ are those of the models, and real messages fit them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from edge.core import messages, post, records
from edge.core.schemas import FOLDERS, as_text, main, schemas

DOCS = Path(__file__).parents[2] / "docs" / "schemas"
NOW = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)
SHA = "0" * 64

SAMPLES = {
    "line/trigger": [
        messages.Trigger(part_id="A-1", seq=1),
        messages.Trigger(part_id="A-1", seq=2**53 - 1, recipe="demo", deadline_ms=300, lot="L7"),
    ],
    "line/trigger_ack": [
        messages.TriggerAck(part_id="A-1", seq=1, accepted=True, inspection_id="i"),
        messages.TriggerAck(part_id="A-1", seq=1, accepted=False, refused="overload"),
    ],
    "line/verdict_message": [
        messages.VerdictMessage(
            part_id="A-1",
            seq=1,
            inspection_id="i",
            verdict="rework",
            by="failsafe",
            reasons=("deadline",),
            recipe="demo",
            latency_ms=285.0,
            valid_until=NOW,
        )
    ],
    "line/plc_ack": [messages.PlcAck(part_id="A-1", inspection_id="i")],
    "line/recipe_order": [messages.RecipeOrder(id="o", recipe="demo")],
    "line/level_order": [messages.LevelOrder(id="o", level="full", who="Ada")],
    "line/challenge_order": [messages.ChallengeOrder(id="o", part_id="RABBIT")],
    "line/order_ack": [messages.OrderAck(id="o", ok=False, error="no such recipe")],
    "line/state_message": [
        messages.StateMessage(state="offline"),
        messages.StateMessage(
            state="degraded", cause="c", action="a", level="assist", recipe="demo", since=NOW
        ),
    ],
    "line/heartbeat": [messages.Heartbeat(counter=1)],
    "line/alarm_message": [messages.AlarmMessage(code="x", cause="c", since=NOW, action="a")],
    "records/inspection_record": [
        records.InspectionRecord(
            inspection_id="i",
            part_id="A-1",
            seq=1,
            recipe="demo",
            recipe_sha256=SHA,
            config_sha256=SHA,
            level="partial",
            triggered_at=NOW,
            deadline_ms=300,
            verdict="rework",
            by="model",
            reasons=("defect",),
            score=0.9,
            views=(records.ViewRecord(view="main", score=0.9, input_sha256=SHA),),
            latency_ms=12.0,
            stages_ms={"grab": 3.0},
        )
    ],
    "records/review_record": [
        records.ReviewRecord(
            inspection_id="i", verdict="pass", who="Ada", at=NOW, in_time=True, saw_score=False
        )
    ],
    "records/event_record": [
        records.EventRecord(code="c", text="t", at=NOW, detail={"n": 1, "why": None})
    ],
    "records/image_event": [
        records.ImageEvent(inspection_id="i", view="main", sha256=SHA, bytes=9, send=True, at=NOW)
    ],
    "records/alarm_record": [
        records.AlarmRecord(code="c", cause="c", action="a", raised=True, at=NOW)
    ],
    "post/hello": [post.Hello(device="d", epoch="e", last=0)],
    "post/batch": [
        post.Batch(
            device="d",
            epoch="e",
            records=(post.Record(seq=1, kind="event", body="{}", sha256=SHA),),
        )
    ],
    "post/ack": [post.Ack(epoch="e", up_to=7, gaps=(post.Gap(first=2, last=3),), images=(SHA,))],
    "post/want": [post.Want(sha256=SHA), post.Want(sha256=SHA, chunks=(0, 4))],
}


def test_files_are_what_the_models_say():
    """If this fails: python -m edge.core.schemas docs/schemas"""
    files = {
        path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text()
        for path in DOCS.rglob("*.json")
    }
    assert files == {name: as_text(schema) for name, schema in schemas().items()}


def test_main_writes_all_files(tmp_path):
    main(tmp_path)
    assert len(list(tmp_path.rglob("*.json"))) == len(schemas())


def test_every_message_of_the_line_has_a_schema():
    mine = {
        kind
        for kind in vars(messages).values()
        if isinstance(kind, type)
        and issubclass(kind, messages.Message)
        and kind is not messages.Message
    }
    assert set(FOLDERS["line"]) == mine


@pytest.mark.parametrize("name", sorted(schemas()))
def test_real_messages_fit_their_schema(name):
    schema = schemas()[name]
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    validator.check_schema(schema)
    for sample in SAMPLES[name]:
        for text in (sample.model_dump_json(), sample.model_dump_json(exclude_none=True)):
            validator.validate(json.loads(text))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("line/trigger", {"part_id": "A-1"}),
        ("line/trigger", {"part_id": "A-1", "seq": 2**53}),
        ("line/trigger", {"part_id": "two words", "seq": 1}),
        ("line/trigger", {"part_id": "A-1", "seq": 1, "v": 2}),
        ("line/level_order", {"id": "o", "level": "godlike"}),
        ("post/want", {"sha256": "short"}),
    ],
)
def test_wrong_messages_do_not_fit(name, wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schemas()[name], jsonschema.Draft202012Validator)
