"""The gate's client against servers that misbehave in every way a peer can."""

import json
import socket
import threading
import time

import numpy as np
import pytest
from bundles import make_bundle, picture

from edge.core.errors import BadPrediction, PredictorUnavailable
from edge.predict.client import PredictClient
from edge.predict.protocol import HEADER_LENGTH, encode_answer, parse_infer
from edge.predict.wire import MAX_HEAD_BYTES, Connection, Deadline, request_head


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("m") / "toy-1")


@pytest.fixture
def image(manifest):
    return picture(manifest.face, 0.5)


@pytest.fixture
def fake(tmp_path):
    """Start a server: fake(*behaviours), one per connection, each called with the connected
    socket after one request was read. Returns (client, requests seen)."""
    path = tmp_path / "p.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    client = PredictClient(path)
    threads, requests = [], []

    def run(behaviours):
        for behave in behaviours:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                try:
                    behave(connection, lambda c=connection: requests.append(_read_request(c)))
                except OSError:
                    continue  # the client left

    def start(*behaviours):
        thread = threading.Thread(target=run, args=(behaviours,), daemon=True)
        thread.start()
        threads.append(thread)
        return client, requests

    yield start
    client.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    listener.close()


def _read_request(connection) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < size:
        body += _some(connection)
    return head, body


def _some(connection) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError
    return data


def _response(body: bytes, json_bytes: int | None = None, status="200 OK", length=None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    if json_bytes is not None:
        lines.append(f"{HEADER_LENGTH}: {json_bytes}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _outputs(**changes):
    sound = {
        "score": np.float32([0.25]),
        "heatmap": np.full((1, 8, 8), 0.5, np.float32),
        "embedding": np.ones((1, 16), np.float32),
    }
    return sound | changes


def _answer(manifest, **changes) -> bytes:
    """What the real server would send for these outputs."""
    zeros = np.zeros(manifest.face.input_shape, np.uint8)
    tensor = {"name": "image", "shape": zeros.shape, "datatype": "UINT8", "data": zeros.tolist()}
    body = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    request = parse_infer(body, None, manifest.face)
    encoded = encode_answer(request, _outputs(**changes), manifest, 1.5)
    return _response(encoded.body, encoded.json_bytes)


def _says(*answers: bytes):
    """Answer one request after the other on a connection, then close it."""

    def behave(connection, read):
        for answer in answers:
            read()
            connection.sendall(answer)

    return behave


def test_answer_has_all_that_the_gate_needs(fake, manifest, image):
    client, requests = fake(_says(_answer(manifest)))
    answer = client.predict("toy", image, 5.0, manifest)
    assert (answer.score, answer.server_ms) == (0.25, 1.5)
    assert (answer.model, answer.version, answer.model_sha256) == ("toy", 1, manifest.sha256)
    assert (answer.heatmap.shape, answer.heatmap.dtype) == ((8, 8), np.float32)
    assert answer.embedding.shape == (16,)
    assert requests[0][0].startswith(b"POST /v2/models/toy/versions/1/infer HTTP/1.1\r\n")


def test_connection_is_kept(fake, manifest, image):
    client, requests = fake(_says(*[_answer(manifest)] * 3))
    for _ in range(3):
        client.predict("toy", image, 5.0)
    assert len(requests) == 3


def test_idle_connection_that_the_server_closed_is_opened_again(fake, manifest, image):
    client, requests = fake(*[_says(_answer(manifest))] * 3)
    for _ in range(3):
        assert client.predict("toy", image, 5.0).score == 0.25
    assert len(requests) == 3


def test_image_that_is_not_contiguous_is_sent_right(fake, manifest):
    flipped = picture(manifest.face, 0.5)[:, ::-1]
    client, requests = fake(_says(_answer(manifest)))
    client.predict("toy", flipped, 5.0)
    assert requests[0][1].endswith(flipped.tobytes())


@pytest.mark.parametrize(
    "changes",
    [
        {"score": np.float32([np.nan])},
        {"score": np.float32([1.5])},
        {"score": np.float32([-0.5])},
        {"heatmap": np.full((1, 8, 8), np.nan, np.float32)},
        {"heatmap": np.zeros((1, 4, 4), np.float32)},
        {"embedding": np.full((1, 16), np.nan, np.float32)},
        {"embedding": np.zeros((1, 3), np.float32)},
    ],
)
def test_answer_that_is_none_is_a_bad_prediction(fake, manifest, image, changes):
    client, _ = fake(_says(_answer(manifest, **changes)))
    with pytest.raises(BadPrediction):
        client.predict("toy", image, 5.0, manifest)


@pytest.mark.parametrize(
    "change", [{"name": "other"}, {"version": 2}, {"sha256": "0" * 64}], ids=str
)
def test_answer_of_another_model_is_a_bad_prediction(fake, manifest, image, change):
    client, _ = fake(_says(_answer(manifest.model_copy(update=change))))
    with pytest.raises(BadPrediction, match="answered instead of toy"):
        client.predict("toy", image, 5.0, manifest)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"outputs": [{"name": "score"}], "model_name": "toy"}',
        b'{"outputs": [{"name": "score", "datatype": "FP32", "shape": [1], '
        b'"parameters": {"binary_data_size": 4}}]}',
        b'{"outputs": [{"name": "score", "datatype": "FP32", "shape": [1], '
        b'"parameters": {"binary_data_size": -8}}]}',
    ],
)
def test_malformed_answer_is_a_bad_prediction(fake, image, body):
    client, _ = fake(_says(_response(body, len(body))))
    with pytest.raises(BadPrediction, match="malformed"):
        client.predict("toy", image, 5.0)


def test_error_of_the_server_comes_with_its_words(fake, image):
    client, _ = fake(_says(_response(b'{"error": "no model"}', status="404 Not Found")))
    with pytest.raises(PredictorUnavailable, match="HTTP 404: no model"):
        client.predict("toy", image, 5.0)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        _response(b"", length="-1"),
        _response(b"", length="9" * 30),
        _response(b"{}", length=100),
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (MAX_HEAD_BYTES // 3),
    ],
)
def test_server_that_does_not_speak_http_is_unavailable(fake, image, answer):
    client, _ = fake(_says(answer), _says(answer))
    with pytest.raises(PredictorUnavailable):
        client.predict("toy", image, 5.0)
    with pytest.raises(PredictorUnavailable):
        client.predict("toy", image, 5.0)


def _hangs(connection, read):
    read()
    connection.recv(1)


def _never_reads(connection, read):
    time.sleep(0.6)


def _drips(connection, read):
    """A byte now and then resets a timeout that counts per call."""
    read()
    for byte in _response(b"x" * 1000):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize("behave", [_hangs, _drips], ids=["hangs", "drips"])
def test_server_that_takes_too_long_is_unavailable_at_the_deadline(fake, image, behave):
    client, _ = fake(behave)
    started = time.monotonic()
    with pytest.raises(PredictorUnavailable, match="no answer within 200 ms"):
        client.predict("toy", image, 0.2)
    assert time.monotonic() - started < 2.0  # of 50 s that it would drip


def test_planted_timeout_per_call_would_be_caught(fake, tmp_path):
    """A client whose time began anew with each recv would sit through the drip to its end."""

    class PerCall(Deadline):
        def left_s(self):
            return 0.2

    def drips_and_leaves(connection, read):
        read()
        for _ in range(12):
            connection.sendall(b"H")
            time.sleep(0.05)

    fake(drips_and_leaves, drips_and_leaves)
    request = [request_head("GET", "/", {}, 0)]
    for kind, end in ((PerCall, ConnectionResetError), (Deadline, TimeoutError)):
        deadline = kind(0.2)
        connection = Connection(tmp_path / "p.sock", deadline)
        with pytest.raises(end):
            connection.exchange(request, deadline)
        connection.close()


def test_server_that_does_not_read_is_unavailable_at_the_deadline(fake):
    client, _ = fake(_never_reads)
    big = np.zeros((1, 2048, 2048, 3), np.uint8)
    with pytest.raises(PredictorUnavailable, match="no answer within 200 ms"):
        client.predict("toy", big, 0.2)


def test_late_answer_is_not_taken_for_the_next_request(fake, manifest, image):
    def late(connection, read):
        read()
        time.sleep(0.4)
        connection.sendall(_answer(manifest, score=np.float32([0.9])))

    client, _ = fake(late, _says(_answer(manifest)))
    with pytest.raises(PredictorUnavailable):
        client.predict("toy", image, 0.2)
    assert client.predict("toy", image, 5.0).score == 0.25


def test_no_server_is_unavailable_and_not_alive(tmp_path, image):
    with PredictClient(tmp_path / "nobody.sock") as client:
        assert not client.alive(0.2)
        with pytest.raises(PredictorUnavailable, match=r"nobody\.sock"):
            client.predict("toy", image, 0.2)


def test_time_that_is_over_before_the_call_is_unavailable(tmp_path, image):
    with PredictClient(tmp_path / "p.sock") as client, pytest.raises(PredictorUnavailable):
        client.predict("toy", image, 0.0)


def test_alive_and_metadata_speak_the_protocol(fake):
    client, requests = fake(_says(_response(b'{"ready":true}'), _response(b'{"name":"toy"}')))
    assert client.alive(1.0)
    assert client.metadata("toy") == {"name": "toy"}
    assert [head.split()[1] for head, _ in requests] == [b"/v2/health/ready", b"/v2/models/toy"]
