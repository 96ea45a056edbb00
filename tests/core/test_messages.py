"""Messages survive the trip, old ones parse for ever, and hostile ones are refused in one way."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from edge.core import messages, post, records
from edge.core.errors import MessageRefused
from edge.core.manifest import Manifest
from edge.core.messages import (
    MAX_MESSAGE_BYTES,
    AlarmMessage,
    By,
    ChallengeOrder,
    Heartbeat,
    Level,
    LevelOrder,
    OrderAck,
    PlcAck,
    Reason,
    RecipeOrder,
    Refusal,
    StateMessage,
    StateWord,
    Trigger,
    TriggerAck,
    Verdict,
    VerdictMessage,
    parse,
)
from edge.core.schemas import FOLDERS

CONTRACTS = Path(__file__).parents[1] / "contracts"
INBOUND = (Trigger, PlcAck, RecipeOrder, LevelOrder, ChallengeOrder)

PART_IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
SEQS = st.integers(0, 2**53 - 1)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=64)
TIMES = st.integers(0, 2**51).map(
    lambda us: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
)
IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


ANY_MESSAGE = st.one_of(
    st.builds(
        Trigger,
        part_id=PART_IDS,
        seq=SEQS,
        recipe=maybe(NAMES),
        deadline_ms=maybe(st.integers(10, 600_000)),
        lot=maybe(TEXTS),
    ),
    st.builds(
        TriggerAck,
        part_id=PART_IDS,
        seq=SEQS,
        accepted=st.booleans(),
        inspection_id=maybe(TEXTS),
        refused=maybe(st.sampled_from(Refusal)),
    ),
    st.builds(
        VerdictMessage,
        part_id=PART_IDS,
        seq=SEQS,
        inspection_id=TEXTS,
        verdict=st.sampled_from(Verdict),
        by=st.sampled_from(By),
        reasons=st.lists(st.sampled_from(Reason)).map(tuple),
        score=maybe(st.floats(0, 1)),
        model=maybe(TEXTS),
        recipe=TEXTS,
        latency_ms=FINITE,
        valid_until=TIMES,
    ),
    st.builds(PlcAck, part_id=PART_IDS, inspection_id=TEXTS),
    st.builds(RecipeOrder, id=IDS, recipe=NAMES),
    st.builds(LevelOrder, id=IDS, level=st.sampled_from(Level), who=maybe(TEXTS)),
    st.builds(
        ChallengeOrder,
        id=IDS,
        part_id=PART_IDS,
        expect=st.sampled_from((Verdict.PASS, Verdict.REWORK)),
    ),
    st.builds(OrderAck, id=IDS, ok=st.booleans(), error=maybe(TEXTS)),
    st.builds(
        StateMessage,
        state=st.sampled_from(StateWord),
        cause=maybe(TEXTS),
        action=maybe(TEXTS),
        level=maybe(st.sampled_from(Level)),
        recipe=maybe(TEXTS),
        model=maybe(TEXTS),
        since=maybe(TIMES),
    ),
    st.builds(Heartbeat, counter=st.integers(0, 65_535)),
    st.builds(AlarmMessage, code=NAMES, cause=TEXTS, since=TIMES, action=TEXTS),
)


# ---- round trips ----


@given(ANY_MESSAGE)
def test_message_survives_the_trip(message: BaseModel) -> None:
    for payload in (message.model_dump_json(), message.model_dump_json(exclude_none=True)):
        assert parse(type(message), payload.encode(), max_bytes=1 << 20) == message


@given(ANY_MESSAGE)
def test_unknown_fields_are_ignored(message: BaseModel) -> None:
    values = {**json.loads(message.model_dump_json()), "newer": {"field": [1, 2]}}
    assert parse(type(message), json.dumps(values).encode(), max_bytes=1 << 20) == message


@given(ANY_MESSAGE)
def test_message_of_another_version_is_refused(message: BaseModel) -> None:
    values = {**json.loads(message.model_dump_json()), "v": 2}
    with pytest.raises(MessageRefused, match="v: "):
        parse(type(message), json.dumps(values).encode(), max_bytes=1 << 20)


# ---- contracts ----


def kinds() -> dict[str, type[BaseModel]]:
    """Everything of version 1 that other programs and old disks hold, by its file's name."""
    snake = {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__).lstrip("_"): kind
        for folder in FOLDERS.values()
        for kind in folder
    }
    return {**snake, "manifest": Manifest}


def test_every_message_and_record_has_a_contract() -> None:
    assert {path.name for path in CONTRACTS.glob("*.json")} == {f"{k}.v1.json" for k in kinds()}


@pytest.mark.parametrize("name", sorted(kinds()))
def test_version_1_parses_for_ever(name: str) -> None:
    """Never change these files: what was written with version 1 must be read the same."""
    samples = json.loads((CONTRACTS / f"{name}.v1.json").read_text())
    assert samples
    for sample in samples:
        message = kinds()[name].model_validate_json(json.dumps(sample))
        assert message.model_dump(mode="json", exclude_unset=True) == sample


@pytest.mark.parametrize("name", sorted(kinds()))
def test_contract_names_every_field(name: str) -> None:
    """A new field needs a sample, too: its name and type are a promise from then on."""
    samples = json.loads((CONTRACTS / f"{name}.v1.json").read_text())
    assert {key for sample in samples for key in sample} == set(kinds()[name].model_fields)


def test_words_of_version_1_keep_their_meaning() -> None:
    assert [*Verdict] == ["pass", "rework", "review"]
    assert [*By] == ["model", "human", "failsafe"]
    assert {*Refusal} >= {"duplicate", "not_ready", "unknown_recipe", "overload", "bad_message"}
    assert {*StateWord} == {"starting", "ready", "degraded", "fault", "offline"}
    assert [*Level] == ["human", "shadow", "assist", "partial", "full"]
    assert {*records.Kind} == {"inspection", "review", "event", "alarm"}
    assert {*Reason} >= {
        "defect", "low_confidence", "image_quality", "no_frame", "stale_frame",
        "predictor_unavailable", "bad_prediction", "deadline", "not_durable", "drift",
        "challenge_failed", "reject_unconfirmed", "level", "operator",
    }  # fmt: skip


# ---- hostile input ----

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
ALL_KINDS = (*FOLDERS["line"], *FOLDERS["records"], *FOLDERS["post"])


def refused_or_read(kind: type[BaseModel], payload: bytes) -> bool:
    """Whether it was refused; nothing but MessageRefused may come out."""
    try:
        assert isinstance(parse(kind, payload), kind)
    except MessageRefused as refusal:
        assert str(refusal).startswith(f"{kind.__name__}: ")
        assert len(str(refusal)) < 400
        return True
    return False


@given(st.sampled_from(ALL_KINDS), st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(kind: type[BaseModel], payload: bytes) -> None:
    refused_or_read(kind, payload)


@given(st.sampled_from(ALL_KINDS), JSON)
def test_any_json_is_refused_or_read(kind: type[BaseModel], value: object) -> None:
    refused_or_read(kind, json.dumps(value).encode())


@given(st.sampled_from(sorted(set(kinds()) - {"manifest"})), st.data())
def test_any_wrong_field_is_refused_or_read(name: str, data: st.DataObject) -> None:
    sample = json.loads((CONTRACTS / f"{name}.v1.json").read_text())[0]
    key = data.draw(st.sampled_from(sorted(sample)))
    payload = json.dumps({**sample, key: data.draw(JSON)}).encode()
    if len(payload) <= MAX_MESSAGE_BYTES:
        refused_or_read(kinds()[name], payload)


@pytest.mark.parametrize("kind", INBOUND)
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"{}",
        b"\xff\xfe{}",
        b"[" * 4000,
        b'{"a":' * 800,
        b'{"part_id":"\\ud800","seq":1}',
        b'{"part_id":"A","seq":NaN}',
        b'{"part_id":"A","seq":1e999}',
        b'{"part_id":"A","seq":' + b"9" * 3000 + b"}",
        b'{"v":"1","id":"x","recipe":"y"}',
        b"\x00" * 100,
    ],
)
def test_nonsense_is_refused(kind: type[BaseModel], payload: bytes) -> None:
    assert refused_or_read(kind, payload)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ('{"seq":1}', "part_id"),
        ('{"part_id":"A"}', "seq"),
        ('{"part_id":"","seq":1}', "part_id"),
        ('{"part_id":"two words","seq":1}', "part_id"),
        ('{"part_id":"A\\n","seq":1}', "part_id"),
        ('{"part_id":"A\\u0000","seq":1}', "part_id"),
        ('{"part_id":"\\u00e4","seq":1}', "part_id"),
        ('{"part_id":"%s","seq":1}' % ("A" * 65), "part_id"),
        ('{"part_id":"A","seq":-1}', "seq"),
        ('{"part_id":"A","seq":9007199254740992}', "seq"),
        ('{"part_id":"A","seq":1.5}', "seq"),
        ('{"part_id":"A","seq":null}', "seq"),
        ('{"part_id":"A","seq":1,"recipe":"../etc"}', "recipe"),
        ('{"part_id":"A","seq":1,"deadline_ms":9}', "deadline_ms"),
        ('{"part_id":"A","seq":1,"deadline_ms":600001}', "deadline_ms"),
        ('{"part_id":"A","seq":1,"lot":["L"]}', "lot"),
        ('{"part_id":"A","seq":1,"v":2}', "v"),
    ],
)
def test_refusal_names_the_field(payload: str, field: str) -> None:
    with pytest.raises(MessageRefused, match=f"^Trigger: {field}: "):
        parse(Trigger, payload.encode())


def test_number_as_part_id_is_taken_as_text() -> None:
    """Many PLC programs count their parts."""
    assert parse(Trigger, b'{"part_id":17,"seq":17}').part_id == "17"


def test_message_beyond_the_limit_is_refused_unread() -> None:
    payload = b'{"part_id":"A","seq":1}'.ljust(MAX_MESSAGE_BYTES)
    assert parse(Trigger, payload).seq == 1
    with pytest.raises(MessageRefused, match="4097 bytes, at most 4096"):
        parse(Trigger, payload + b" ")


def test_messages_cannot_be_changed_afterwards() -> None:
    for kind in (messages.Message, *kinds().values(), post.Record, post.Gap, post.Chunk):
        assert kind.model_config.get("frozen"), kind.__name__


def test_challenge_cannot_expect_a_review() -> None:
    with pytest.raises(MessageRefused, match="expect"):
        parse(ChallengeOrder, b'{"id":"o","part_id":"A","expect":"review"}')
