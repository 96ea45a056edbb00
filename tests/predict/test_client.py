"""The gate's client against servers that misbehave in every way a peer can."""

import json
import socket
import threading
import time

import numpy as np
import pytest
from bundles import make_bundle, picture

from edge.config import frames_socket
from edge.core.errors import BadPrediction, PredictorUnavailable
from edge.predict.client import PredictClient
from edge.predict.frames import ANSWER, MAX_WORDS_BYTES, REQUEST, Slot
from edge.predict.wire import MAX_HEAD_BYTES, Connection, Deadline, request_head


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("m") / "toy-1")


@pytest.fixture
def image(manifest):
    return picture(manifest.face, 0.5)


@pytest.fixture
def fake_at(tmp_path):
    """Start a server: fake_at(path, read, *behaviours), one behaviour per connection, each called
    with the connected socket and what reads a request. Returns (client, requests seen)."""
    client = PredictClient(tmp_path / "p.sock")
    threads, listeners = [], []

    def run(listener, read, requests, behaviours):
        for behave in behaviours:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                try:
                    behave(connection, lambda c=connection: requests.append(read(c)))
                except OSError:
                    continue  # the client left

    def start(path, read, *behaviours):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        requests = []
        thread = threading.Thread(
            target=run, args=(listener, read, requests, behaviours), daemon=True
        )
        thread.start()
        threads.append(thread)
        listeners.append(listener)
        return client, requests

    yield start
    client.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    for listener in listeners:
        listener.close()


@pytest.fixture
def fake(fake_at, tmp_path):
    """A server of pictures."""
    return lambda *behaviours: fake_at(
        frames_socket(tmp_path / "p.sock"), FrameReader().read, *behaviours
    )


@pytest.fixture
def fake_http(fake_at, tmp_path):
    return lambda *behaviours: fake_at(tmp_path / "p.sock", _read_head, *behaviours)


class FrameReader:
    """(words, pixels) of each request; a slot is lent with the first of a connection."""

    def __init__(self):
        self._slot = None

    def read(self, connection):
        data, fds, _, _ = socket.recv_fds(connection, MAX_WORDS_BYTES, 1)
        if not data:
            raise ConnectionResetError
        if fds:
            self._slot = Slot.attach(fds[0], 64_000_000)
        (size,) = REQUEST.unpack_from(data)
        words = json.loads(data[REQUEST.size : REQUEST.size + size])
        return words, self._slot.image(tuple(words["shape"])).copy()


def _read_head(connection) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise ConnectionResetError
        data += more
    return data


def _response(body: bytes, status="200 OK", length=None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _told(words: bytes, tensors: bytes = b"", ms: float = 1.5) -> bytes:
    return ANSWER.pack(len(words), len(tensors), ms) + words + tensors


def _answer(manifest, **changes) -> bytes:
    """What the real server would send for these outputs."""
    outputs = {
        "score": np.float32([0.25]),
        "heatmap": np.full((1, 8, 8), 0.5, np.float32),
        "embedding": np.ones((1, 16), np.float32),
    } | changes
    described = [
        {"name": name, "shape": array.shape, "dtype": str(array.dtype)}
        for name, array in outputs.items()
    ]
    words = {"model": manifest.name, "version": manifest.version, "sha256": manifest.sha256}
    tensors = b"".join(array.tobytes() for array in outputs.values())
    return _told(json.dumps({**words, "outputs": described}).encode(), tensors)


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
    words, pixels = requests[0]
    assert words == {"model": "toy", "version": 1, "shape": list(image.shape)}
    assert np.array_equal(pixels, image)


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
    assert np.array_equal(requests[0][1], flipped)


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
    "words",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'{"outputs": [{"name": "score"}], "model": "toy"}',
        b'{"outputs": [], "model": "toy", "version": 1, "sha256": ""}',
        b'{"outputs": [{"name": "score", "shape": [-1], "dtype": "float32"}], "model": "toy"}',
        b'{"outputs": [{"name": "score", "shape": [1], "dtype": "float64"}], "model": "toy"}',
        b'{"outputs": [{"name": "heatmap", "shape": [1, 8, 8], "dtype": "float32"}, '
        b'{"name": "score", "shape": [1], "dtype": "float32"}], "model": "toy"}',
    ],
)
def test_malformed_answer_is_a_bad_prediction(fake, image, words):
    client, _ = fake(_says(_told(words)))
    with pytest.raises(BadPrediction, match="malformed"):
        client.predict("toy", image, 5.0)


@pytest.mark.parametrize("change", [-4, 4])
def test_answer_of_another_length_than_it_says_is_a_bad_prediction(fake, manifest, image, change):
    whole = _answer(manifest)
    words_bytes, size, ms = ANSWER.unpack_from(whole)
    other = whole[ANSWER.size :][: words_bytes + size + change].ljust(words_bytes + size + change)
    client, _ = fake(_says(ANSWER.pack(words_bytes, size + change, ms) + other))
    with pytest.raises(BadPrediction, match="bytes of tensors"):
        client.predict("toy", image, 5.0, manifest)


def test_answer_of_a_model_that_changed_between_two_parts_is_read_anew(fake, manifest, image):
    newer = manifest.model_copy(update={"version": 2, "sha256": "1" * 64})
    client, _ = fake(_says(_answer(manifest), _answer(newer), _answer(newer)))
    assert client.predict("toy", image, 5.0).version == 1
    assert client.predict("toy", image, 5.0).version == 2
    with pytest.raises(BadPrediction, match="answered instead of toy"):
        client.predict("toy", image, 5.0, manifest)


def test_larger_picture_gets_more_room(fake, manifest, image):
    larger = np.tile(image, (1, 2, 2, 1))
    client, requests = fake(_says(*[_answer(manifest)] * 3))
    for one in (image, larger, image):
        client.predict("toy", one, 5.0)
    assert all(
        np.array_equal(pixels, one)
        for (_, pixels), one in zip(requests, (image, larger, image), strict=True)
    )


def test_error_of_the_server_comes_with_its_words(fake, image):
    client, _ = fake(_says(_told(b'{"error": "no model"}')))
    with pytest.raises(PredictorUnavailable, match="no model"):
        client.predict("toy", image, 5.0)


def test_connection_outlives_an_error_of_the_server(fake, manifest, image):
    client, requests = fake(_says(_told(b'{"error": "no model"}'), _answer(manifest)))
    with pytest.raises(PredictorUnavailable):
        client.predict("toy", image, 5.0)
    assert client.predict("toy", image, 5.0).score == 0.25
    assert len(requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        ANSWER.pack(2**31, 0, 0.0),
        ANSWER.pack(2, 2**31, 0.0) + b"{}",
        ANSWER.pack(100, 0, 0.0) + b"{}",
    ],
)
def test_server_that_does_not_speak_our_way_is_unavailable(fake, image, answer):
    client, _ = fake(_says(answer), _says(answer))
    with pytest.raises(PredictorUnavailable):
        client.predict("toy", image, 5.0)
    with pytest.raises(PredictorUnavailable):
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
def test_server_that_does_not_speak_http_is_not_alive(fake_http, answer):
    client, _ = fake_http(_says(answer), _says(answer))
    assert not client.alive(5.0)
    assert not client.loaded("toy", 5.0)


def _hangs(connection, read):
    read()
    connection.recv(1)


def _drips(connection, read):
    """A byte now and then resets a timeout that counts per call."""
    read()
    for byte in _told(b"x" * 1000):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize("behave", [_hangs, _drips], ids=["hangs", "drips"])
def test_server_that_takes_too_long_is_unavailable_at_the_deadline(fake, image, behave):
    client, _ = fake(behave)
    started = time.monotonic()
    with pytest.raises(PredictorUnavailable, match="no answer within 200 ms"):
        client.predict("toy", image, 0.2)
    assert time.monotonic() - started < 2.0  # of 50 s that it would drip


def test_planted_timeout_per_call_would_be_caught(fake_http, tmp_path):
    """A client whose time began anew with each recv would sit through the drip to its end."""

    class PerCall(Deadline):
        def left_s(self):
            return 0.2

    def drips_and_leaves(connection, read):
        read()
        for _ in range(12):
            connection.sendall(b"H")
            time.sleep(0.05)

    fake_http(drips_and_leaves, drips_and_leaves)
    request = [request_head("GET", "/", {}, 0)]
    for kind, end in ((PerCall, ConnectionResetError), (Deadline, TimeoutError)):
        deadline = kind(0.2)
        connection = Connection(tmp_path / "p.sock", deadline)
        with pytest.raises(end):
            connection.exchange(request, deadline)
        connection.close()


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
        with pytest.raises(PredictorUnavailable, match=r"nobody-frames\.sock"):
            client.predict("toy", image, 0.2)


def test_time_that_is_over_before_the_call_is_unavailable(tmp_path, image):
    with PredictClient(tmp_path / "p.sock") as client, pytest.raises(PredictorUnavailable):
        client.predict("toy", image, 0.0)


def test_alive_and_metadata_speak_the_protocol(fake_http):
    client, requests = fake_http(_says(_response(b'{"ready":true}'), _response(b'{"name":"toy"}')))
    assert client.alive(1.0)
    assert client.metadata("toy") == {"name": "toy"}
    assert [head.split()[1] for head in requests] == [b"/v2/health/ready", b"/v2/models/toy"]
