"""The gate's own way to a real prediction server, and callers that do not keep to it."""

import array
import json
import os
import socket
import threading

import numpy as np
import pytest
from bundles import picture

from edge.config import frames_socket
from edge.core.errors import PredictorUnavailable
from edge.predict.bundle import read_bundle
from edge.predict.frame_server import MAX_CALLERS, FrameServer
from edge.predict.frames import ANSWER, MAX_WORDS_BYTES, REQUEST, Slot
from edge.predict.metrics import Meters

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def manifest(server):
    return read_bundle(server.models / "toy-1").manifest


@pytest.fixture
def toy(server, manifest):
    """(server, manifest, image) with one model."""
    return server, manifest, picture(manifest.face, 0.5)


@pytest.fixture
def call(toy):
    """A connected socket, as a caller of frames has it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(frames_socket(toy[0].socket)))
        yield connection


def words(**said) -> bytes:
    text = json.dumps(said).encode()
    return REQUEST.pack(len(text)) + text


def told(connection) -> dict:
    data = b""
    while len(data) < ANSWER.size or len(data) < ANSWER.size + sum(ANSWER.unpack_from(data)[:2]):
        data += connection.recv(65536)
    size = ANSWER.unpack_from(data)[0]
    return json.loads(data[ANSWER.size : ANSWER.size + size])


def slot_of(image) -> Slot:
    slot = Slot.create(image.nbytes)
    slot.put(image.data.cast("B"))
    return slot


def hung_up(connection) -> bool:
    """Closed, or cut off because it had not read all."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_answer_is_the_one_that_http_gives(toy):
    running, manifest, image = toy
    tensor = {"name": "image", "shape": image.shape, "datatype": "UINT8", "data": image.tolist()}
    status, said = running.call("POST", "/v2/models/toy/infer", json.dumps({"inputs": [tensor]}))
    assert status == 200
    outputs = {one["name"]: np.float32(one["data"]) for one in said["outputs"]}
    with running.client() as client:
        answer = client.predict("toy", image, 5.0, manifest)
    assert np.float32(answer.score) == outputs["score"][0]
    assert np.array_equal(answer.heatmap.ravel(), outputs["heatmap"])
    assert np.array_equal(answer.embedding, outputs["embedding"])
    assert answer.model_sha256 == said["parameters"]["model_sha256"] == manifest.sha256


def test_each_picture_gets_its_own_score(toy):
    running, manifest, _ = toy
    pictures = [picture(manifest.face, share) for share in (0.1, 0.9, 0.4, 0.9, 0.1)]
    with running.client() as client:
        scores = [client.predict("toy", one, 5.0, manifest).score for one in pictures]
    assert len(set(scores)) == 3
    assert scores[0] == scores[4] and scores[1] == scores[3]


def test_new_version_answers_whoever_names_none(toy):
    running, _, image = toy
    first = running.add("grows")
    with running.client() as client:
        assert client.predict("grows", image, 5.0).version == 1
        newer = running.add("grows", version=2)
        assert client.predict("grows", image, 5.0).version == 2
        assert client.predict("grows", image, 5.0, first).version == 1
        assert client.predict("grows", image, 5.0, newer).version == 2


def test_requests_of_both_ways_are_counted(toy):
    running, _, image = toy
    running.add("counted")
    with running.client() as client:
        client.predict("counted", image, 5.0)
        with pytest.raises(PredictorUnavailable, match="shape"):
            client.predict("counted", image[:, 1:], 5.0)
        client.predict("counted", image, 5.0)
        client.predict("toy", image, 5.0)  # one caller in order: those before are counted
    text = running.call("GET", "/metrics")[1].decode()
    assert 'requests_total{model="counted",outcome="ok"} 2.0' in text
    assert 'requests_total{model="counted",outcome="refused"} 1.0' in text


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"model": "other", "shape": [1, 64, 64, 3]}, "no such model"),
        ({"model": "toy", "version": 9, "shape": [1, 64, 64, 3]}, "no such model"),
        ({"model": "toy", "version": {}, "shape": [1, 64, 64, 3]}, "no such model"),
        ({"model": "toy"}, "shape"),
        ({"model": "toy", "shape": [1, 9, 9, 3]}, "shape"),
        ({"model": "toy", "shape": "x" * 5000}, "shape"),
        ({"model": "toy", "shape": [1, 64, 64, 3]}, "memory of the picture"),
    ],
)
def test_request_that_cannot_be_met_is_refused_and_the_next_one_answered(toy, call, said, why):
    _, manifest, image = toy
    call.sendall(words(**said))
    assert why in told(call)["error"]
    slot = slot_of(image)
    socket.send_fds(call, [words(model="toy", shape=manifest.face.input_shape)], [slot.fd])
    assert told(call)["sha256"] == manifest.sha256


def test_slot_that_is_too_small_for_the_model_is_refused(toy, call):
    slot = Slot.create(100)
    said = words(model="toy", shape=toy[1].face.input_shape)
    socket.send_fds(call, [said], [slot.fd])
    assert "too small" in told(call)["error"]


def test_request_in_pieces_is_put_together(toy, call):
    said = words(model="other", shape=[])
    for byte in said:
        call.sendall(bytes([byte]))
    assert "no such model" in told(call)["error"]


@pytest.mark.parametrize(
    "bytes_",
    [
        REQUEST.pack(5) + b"{oops",
        REQUEST.pack(2) + b"[]",
        REQUEST.pack(MAX_WORDS_BYTES) + b"x",
        REQUEST.pack(2**32 - 1) + b"x" * 100,
    ],
)
def test_caller_that_speaks_otherwise_is_hung_up_on_and_harms_nobody(toy, call, bytes_):
    running, manifest, image = toy
    call.sendall(bytes_)
    assert hung_up(call)
    with running.client() as client:
        client.predict("toy", image, 5.0, manifest)


def test_memory_that_may_shrink_is_not_taken(toy, call):
    """Else its owner could crash the server by cutting it off."""
    fd = os.memfd_create("loose")
    os.ftruncate(fd, 100_000)
    socket.send_fds(call, [words(model="toy", shape=toy[1].face.input_shape)], [fd])
    os.close(fd)
    assert hung_up(call)
    assert toy[0].process.poll() is None


def test_memory_beyond_the_limit_and_no_memory_are_not_taken(toy, call, tmp_path):
    slot = Slot.create(64 * 1024 * 1024)
    socket.send_fds(call, [words(model="toy")], [slot.fd])
    assert hung_up(call)
    with (tmp_path / "f").open("wb") as file, socket.socket(socket.AF_UNIX) as other:
        other.settimeout(10)
        other.connect(str(frames_socket(toy[0].socket)))
        socket.send_fds(other, [words(model="toy")], [file.fileno()])
        assert hung_up(other)


def test_more_descriptors_than_one_are_not_kept(toy, call):
    running, manifest, image = toy
    before = len(os.listdir(f"/proc/{running.process.pid}/fd"))
    many = array.array("i", [slot_of(image).fd for _ in range(20)])
    said = words(model="toy", shape=manifest.face.input_shape)
    call.sendmsg([said], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, many)])
    told(call)
    assert len(os.listdir(f"/proc/{running.process.pid}/fd")) <= before + 3


def test_one_caller_too_many_is_hung_up_on_until_another_leaves(toy):
    running, manifest, image = toy
    clients = [running.client() for _ in range(MAX_CALLERS + 1)]
    for client in clients[:-1]:
        client.predict("toy", image, 5.0, manifest)
    with pytest.raises(PredictorUnavailable):
        clients[-1].predict("toy", image, 5.0, manifest)
    clients[0].close()
    deadline = threading.Event()
    for _ in range(100):
        try:
            clients[-1].predict("toy", image, 5.0, manifest)
            break
        except PredictorUnavailable:
            deadline.wait(0.02)
    else:
        pytest.fail("the place did not become free")
    for client in clients:
        client.close()


def test_callers_at_once_get_their_own_answers(toy):
    running, manifest, _ = toy
    wrong, shares = [], (0.1, 0.5, 0.9)

    def ask(share):
        image = picture(manifest.face, share)
        with running.client() as client:
            scores = {client.predict("toy", image, 10.0, manifest).score for _ in range(50)}
        found[share] = scores

    found: dict[float, set[float]] = {}
    threads = [threading.Thread(target=ask, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    wrong = [share for share in shares if len(found[share]) != 1]
    assert not wrong and len({next(iter(found[share])) for share in shares}) == 3


class Tired:
    """A listener that fails some times before it takes a caller, as without descriptors left."""

    def __init__(self, listener: socket.socket, times: int) -> None:
        self._listener, self._times = listener, times

    def fileno(self) -> int:
        return self._listener.fileno()

    def accept(self):
        if self._times:
            self._times -= 1
            raise OSError(24, "Too many open files")
        return self._listener.accept()


def test_listener_that_fails_for_a_while_is_not_given_up(tmp_path):
    path = tmp_path / "f.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as caller:
        listener.bind(str(path))
        listener.listen()
        FrameServer(Tired(listener, 2), lambda name, version: None, Meters(), 1000).start()
        caller.settimeout(10)
        caller.connect(str(path))
        caller.sendall(words(model="toy"))
        assert "no such model" in told(caller)["error"]
