import json

import numpy as np
import pytest
from bundles import make_bundle, picture
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.errors import BadPrediction, MessageRefused
from edge.core.manifest import Face
from edge.predict import protocol
from edge.predict.protocol import encode_answer, parse_infer

FACE = Face(height_px=16, width_px=16, colour="grey", heatmap=(2, 2), embedding=3)
SIZE = 256
IMAGE = np.arange(SIZE, dtype=np.uint8).reshape(FACE.input_shape)
NUMBERS = IMAGE.ravel().tolist()


def _tensor(**changes) -> dict:
    sound = {"name": "image", "shape": [1, 16, 16, 1], "datatype": "UINT8", "data": NUMBERS}
    return {key: value for key, value in (sound | changes).items() if value is not None}


def _body(*tensors, **rest) -> bytes:
    return json.dumps({"inputs": list(tensors) or [_tensor()], **rest}).encode()


def _binary(size=SIZE, follow: bytes = IMAGE.tobytes(), **rest) -> tuple[bytes, str]:
    head = _body(_tensor(data=None, parameters={"binary_data_size": size}), **rest)
    return head + follow, str(len(head))


@pytest.mark.parametrize(
    "data",
    [NUMBERS, [float(n) for n in NUMBERS], IMAGE.tolist(), IMAGE.astype(float).tolist()],
    ids=["flat", "flat floats", "nested", "nested floats"],
)
def test_json_numbers_in_every_honest_form_give_the_image(data):
    request = parse_infer(_body(_tensor(data=data)), None, FACE)
    assert np.array_equal(request.image, IMAGE)
    assert request.image.dtype == np.uint8


def test_binary_tensor_gives_the_image_without_a_copy():
    body, header_length = _binary()
    request = parse_infer(body, header_length, FACE)
    assert np.array_equal(request.image, IMAGE)
    assert not request.image.flags.owndata


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (_tensor(shape=[1, 16, 16, 3]), "shape"),
        (_tensor(shape=[1, 16, -16, -1]), "shape"),
        (_tensor(shape=[256]), "shape"),
        (_tensor(shape=[1] * 9), "shape"),
        (_tensor(shape=[1, 16, 16, 1.5]), "shape"),
        (_tensor(shape=[1, 16, 16, 10**30]), "shape"),
        (_tensor(datatype="FP32"), "FP32"),
        (_tensor(datatype=7), "datatype"),
        (_tensor(name="picture"), "picture"),
        (_tensor(data=NUMBERS[:-1]), "255 values"),
        (_tensor(data=[*NUMBERS, 1]), "257 values"),
        (_tensor(data=[]), "0 values"),
        (_tensor(data=[256, *NUMBERS[1:]]), "not integers in 0..255"),
        (_tensor(data=[-1, *NUMBERS[1:]]), "not integers in 0..255"),
        (_tensor(data=[0.5, *NUMBERS[1:]]), "not integers in 0..255"),
        (_tensor(data=[float("nan"), *NUMBERS[1:]]), "not integers in 0..255"),
        (_tensor(data=[float("inf"), *NUMBERS[1:]]), "not integers in 0..255"),
        (_tensor(data=["1"] * SIZE), "not a regular array"),
        (_tensor(data=[[1], [2, 3]]), "not a regular array"),
        (_tensor(data=[None] * SIZE), "not a regular array"),
        (_tensor(data=[10**300] * SIZE), "not a regular array"),
        (_tensor(data="AAAA"), "neither"),
        (_tensor(data=None), "neither"),
        (_tensor(data=None, parameters={"shared_memory_region": "x"}), "neither"),
        (_tensor(parameters={"binary_data_size": SIZE}), "both"),
    ],
)
def test_unfit_tensor_is_refused_with_its_reason(tensor, why):
    with pytest.raises(MessageRefused, match=why):
        parse_infer(_body(tensor), None, FACE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"inputs": ' + b"[" * 100_000,
        b'{"inputs": []}',
        b'{"inputs": 7}',
        b'{"inputs": [' + b"1" * 5000 + b"]}",
        _body(_tensor(), _tensor()),
        _body(_tensor(), _tensor(name="more")),
        _body(outputs=[{"name": "score"}, {"name": "score"}]),
        _body(outputs=[{"name": "classes"}]),
        _body(outputs=[{}]),
        _body(id=7),
        _body(id="x" * 300),
        _body() + b"trailing",
    ],
)
def test_malformed_request_is_refused(body):
    with pytest.raises(MessageRefused):
        parse_infer(body, None, FACE)


@pytest.mark.parametrize(
    "binary",
    [
        _binary(follow=IMAGE.tobytes()[:-1]),
        _binary(follow=IMAGE.tobytes() + b"x"),
        _binary(follow=b""),
        _binary(size=SIZE - 1),
        _binary(size=-SIZE),
        _binary(size=10**30),
        _binary(size=float(SIZE)),
        _binary(size=True),
        _binary(size="256"),
        (_body() + b"x" * 5, str(len(_body()))),
    ],
)
def test_binary_part_of_the_wrong_length_is_refused(binary):
    body, header_length = binary
    with pytest.raises(MessageRefused):
        parse_infer(body, header_length, FACE)


@pytest.mark.parametrize("header_length", ["0", "-5", "abc", "", "1e3", "99999999", "9" * 50, "²"])
def test_header_length_that_cannot_be_is_refused(header_length):
    body, _ = _binary()
    with pytest.raises(MessageRefused, match="Inference-Header-Content-Length"):
        parse_infer(body, header_length, FACE)


@given(st.binary(max_size=300), st.none() | st.text(max_size=6))
def test_random_bytes_raise_nothing_but_message_refused(body, header_length):
    with pytest.raises(MessageRefused):
        parse_infer(body, header_length, FACE)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@settings(max_examples=200)
@given(st.sampled_from(["name", "shape", "datatype", "data", "parameters"]), _json)
def test_any_json_in_any_field_is_refused_or_gives_the_image(field, value):
    try:
        request = parse_infer(_body({**_tensor(), field: value}), None, FACE)
    except MessageRefused:
        return
    assert request.image.shape == FACE.input_shape


def test_body_limit_fits_the_longest_honest_forms_and_not_much_more():
    nested = json.dumps({"inputs": [_tensor(data=IMAGE.astype(float).tolist())]}, indent=2)
    assert len(nested) < protocol.body_limit(FACE) < 100_000


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("m") / "toy-1")


def _answer(manifest, score=0.25, **request):
    image = picture(manifest.face, 0.5)
    tensor = {"name": "image", "shape": image.shape, "datatype": "UINT8"}
    body = json.dumps({"inputs": [{**tensor, "data": image.ravel().tolist()}], **request})
    parsed = parse_infer(body.encode(), None, manifest.face)
    outputs = {
        "score": np.float32([score]),
        "heatmap": np.full((1, 8, 8), 0.1, np.float32),
        "embedding": np.arange(16, dtype=np.float32)[None],
    }
    return encode_answer(parsed, outputs, manifest, 1.23456)


def test_json_answer_names_the_model_and_carries_every_float_exactly(manifest):
    encoded = _answer(manifest, score=0.1, id="part-7")
    assert encoded.json_bytes is None
    answer = json.loads(encoded.body)
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("toy", "1", "part-7")
    assert answer["parameters"] == {"model_sha256": manifest.sha256, "server_ms": 1.235}
    score, heatmap, embedding = answer["outputs"]
    assert score == {"name": "score", "shape": [1], "datatype": "FP32", "data": score["data"]}
    assert np.float32(score["data"][0]) == np.float32(0.1)
    assert (heatmap["shape"], len(heatmap["data"])) == ([1, 8, 8], 64)
    assert embedding["data"] == list(range(16))


def test_each_output_may_be_binary_or_not_and_comes_in_the_order_asked_for(manifest):
    encoded = _answer(
        manifest,
        parameters={"binary_data_output": True},
        outputs=[
            {"name": "embedding"},
            {"name": "score", "parameters": {"binary_data": False}},
        ],
    )
    answer = json.loads(encoded.body[: encoded.json_bytes])
    embedding, score = answer["outputs"]
    assert (embedding["parameters"], score["data"]) == ({"binary_data_size": 64}, [0.25])
    tail = np.frombuffer(encoded.body[encoded.json_bytes :], "<f4")
    assert tail.tolist() == list(range(16))


def test_nan_travels_in_binary_but_not_as_json(manifest):
    encoded = _answer(manifest, score=np.nan, parameters={"binary_data_output": True})
    first = np.frombuffer(encoded.body[encoded.json_bytes :][:4], "<f4")
    assert np.isnan(first[0])
    with pytest.raises(BadPrediction, match="score holds NaN"):
        _answer(manifest, score=np.nan)
