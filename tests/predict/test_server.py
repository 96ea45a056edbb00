"""A real server in its own process: known clients unchanged, hostile callers, orderly stop."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from bundles import make_bundle, picture, raw_run
from onnx import TensorProto, load_from_string

from edge.core.errors import PredictorUnavailable
from edge.predict.bundle import read_manifest
from edge.predict.protocol import body_limit

pytestmark = pytest.mark.system

INFER = "/v2/models/toy/infer"


@pytest.fixture(scope="module")
def toy(server):
    """Manifest of the model in service."""
    return read_manifest(server.models / "toy-1")


@pytest.fixture
def image(toy):
    return picture(toy.face, 0.5)


@pytest.fixture(autouse=True)
def still_answers(server, toy):
    """Whatever a test did: the server must answer rightly after it."""
    yield
    image = picture(toy.face, 0.7)
    with server.client() as client:
        answer = client.predict("toy", image, 30.0, toy)
    assert answer.score == raw_run(server.models / "toy-1", image)["score"][0]


def _assert_error(answer, status, words):
    assert answer[0] == status, answer
    assert set(answer[1]) == {"error"}
    assert words in answer[1]["error"]


# --- the protocol, by clients that were not written for it


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_tritonclient_gets_the_numbers_of_plain_onnx_runtime(server, toy, binary):
    triton = pytest.importorskip("tritonclient.http")
    client = triton.InferenceServerClient(server.url)
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("toy")
        assert client.is_model_ready("toy", "1")
        assert not client.is_model_ready("nope")
        assert client.get_server_metadata()["extensions"]
        assert client.get_model_metadata("toy")["platform"] == "onnx_onnxv1"
        for brightness in (0.0, 0.33, 1.0):
            image = picture(toy.face, brightness)
            given = triton.InferInput("image", list(image.shape), "UINT8")
            given.set_data_from_numpy(image, binary_data=binary)
            wanted = [
                triton.InferRequestedOutput(name, binary_data=binary)
                for name in ("score", "heatmap", "embedding")
            ]
            for outputs in (wanted, None):
                result = client.infer("toy", [given], outputs=outputs, request_id="7")
                for name, plain in raw_run(server.models / "toy-1", image).items():
                    assert np.array_equal(result.as_numpy(name), plain)
                assert result.get_response()["id"] == "7"
    finally:
        client.close()


def test_tritonclient_lists_loads_and_unloads_models(server, tmp_path):
    triton = pytest.importorskip("tritonclient.http")
    make_bundle(server.models / "guest-1", "guest")
    client = triton.InferenceServerClient(server.url, network_timeout=60)
    try:
        states = {line["name"]: line for line in client.get_model_repository_index()}
        assert states["toy"]["state"] == "READY"
        assert states["guest"]["state"] == "UNAVAILABLE"
        client.load_model("guest")
        assert client.is_model_ready("guest")
        client.unload_model("guest")
        assert not client.is_model_ready("guest")
        with pytest.raises(triton.InferenceServerException, match="no model 'nope' in the models"):
            client.load_model("nope")
        with pytest.raises(triton.InferenceServerException, match="models folder alone"):
            client.load_model("guest", config="{}")
        with pytest.raises(triton.InferenceServerException, match="guest"):
            client.unload_model("guest")
    finally:
        client.close()


def test_open_inference_client_gets_the_numbers_of_plain_onnx_runtime(server, toy, image):
    openapi = pytest.importorskip("open_inference.openapi")
    from httpx import Client
    from open_inference.openapi.client import OpenInferenceClient

    with Client(timeout=60) as link:
        client = OpenInferenceClient(base_url=f"http://{server.url}", httpx_client=link)
        client.check_server_liveness()
        client.check_server_readiness()
        client.check_model_readiness("toy")
        client.check_model_version_readiness("toy", "1")
        assert client.read_server_metadata().name == "linegate"
        assert client.read_model_metadata("toy").properties["model_sha256"] == toy.sha256
        assert client.read_model_version_metadata("toy", "1").versions == ["1"]
        tensor = openapi.RequestInput(
            name="image", shape=list(image.shape), datatype="UINT8", data=image.ravel().tolist()
        )
        request = openapi.InferenceRequest(inputs=[tensor])
        answers = [
            client.model_infer("toy", request=request),
            client.model_version_infer("toy", "1", request=request),
        ]
        with pytest.raises(openapi.NotFoundError):
            client.check_model_readiness("nope")
    plain = raw_run(server.models / "toy-1", image)
    for answer in answers:
        for output in answer.outputs:
            numbers = np.float32(list(output.data.__root__))
            assert np.array_equal(numbers.reshape(output.shape), plain[output.name])


def test_both_addresses_and_both_forms_give_the_same_answer(server, toy, image, infer_json):
    status, answer = server.call("POST", INFER, json.dumps(infer_json(image)))
    assert status == 200
    with server.client() as client:
        own = client.predict("toy", image, 10.0, toy)
    numbers = {output["name"]: np.float32(output["data"]) for output in answer["outputs"]}
    assert numbers["score"][0] == own.score
    assert np.array_equal(numbers["heatmap"], own.heatmap.ravel())
    assert np.array_equal(numbers["embedding"], own.embedding)
    assert own.model_sha256 == answer["parameters"]["model_sha256"] == toy.sha256


def test_metadata_health_and_metrics(server, toy):
    for path in ("/v2", "/v2/"):
        assert server.call("GET", path)[1]["name"] == "linegate"
    assert server.call("GET", "/v2/health/live") == (200, {"live": True})
    assert server.call("GET", "/v2/health/ready") == (200, {"ready": True})
    metadata = server.call("GET", "/v2/models/toy/versions/1")[1]
    assert metadata["inputs"] == [
        {"name": "image", "datatype": "UINT8", "shape": list(toy.face.input_shape)}
    ]
    assert [output["name"] for output in metadata["outputs"]] == ["score", "heatmap", "embedding"]
    server.call("POST", INFER, b"{")
    text = server.call("GET", "/metrics")[1].decode()
    assert 'linegate_predict_requests_total{model="toy",outcome="refused"}' in text
    assert 'linegate_predict_model_loaded{model="toy",version="1"} 1.0' in text
    assert 'linegate_predict_latency_ms_bucket{le="5.0",model="toy"}' in text
    assert float(text.split("\nlinegate_predict_rss_bytes ")[1].split()[0]) > 1e6


# --- hostile requests: the protocol's error, and nothing else happens


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": [1, 32, 32, 3]}, "shape"),
        ({"shape": [1, -64, -64, 3]}, "shape"),
        ({"datatype": "FP32"}, "FP32"),
        ({"data": [float("nan")] * 12288}, "integers"),
        ({"data": [1, 2, 3]}, "3 values"),
        ({"data": None}, "neither"),
        ({"name": "x"}, "exactly one"),
    ],
)
def test_unfit_tensor_gets_400(server, image, infer_json, change, words):
    body = json.dumps(infer_json(image, **change))
    _assert_error(server.call("POST", INFER, body), 400, words)


def test_duplicate_inputs_get_400(server, image, infer_json):
    request = infer_json(image)
    request["inputs"] *= 2
    _assert_error(server.call("POST", INFER, json.dumps(request)), 400, "exactly one")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\x00", b"[" * 50_000, b'{"inputs":[]}'])
def test_garbage_gets_400(server, body):
    assert server.call("POST", INFER, body)[0] == 400


@pytest.mark.parametrize("size", [12287, 12289, 0])
def test_binary_of_the_wrong_length_gets_400(server, image, infer_json, size):
    head = json.dumps(infer_json(image, data=None, parameters={"binary_data_size": 12288}))
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = server.call("POST", INFER, head.encode() + bytes(size), headers)
    _assert_error(answer, 400, "the shape needs 12288")


@pytest.mark.parametrize("length", ["-1", "0", "9999999", "x"])
def test_impossible_header_length_gets_400(server, image, infer_json, length):
    headers = {"Inference-Header-Content-Length": length}
    answer = server.call("POST", INFER, json.dumps(infer_json(image)), headers)
    _assert_error(answer, 400, "Inference-Header-Content-Length")


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/nope/infer",
        "/v2/models/toy/versions/2/infer",
        "/v2/models/toy/versions/x/infer",
        "/v2/models/..%2Ftoy/infer",
    ],
)
def test_unknown_model_or_version_gets_404(server, path):
    assert server.call("POST", path, b"{}")[0] == 404


def test_unknown_path_and_wrong_method_get_the_protocols_error(server):
    _assert_error(server.call("GET", "/v3"), 404, "Not Found")
    _assert_error(server.call("GET", INFER), 405, "Method Not Allowed")


def test_declared_huge_body_gets_413_before_it_is_sent(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as link:
        link.sendall(f"POST {INFER} HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n".encode())
        assert b"413" in link.recv(1000)


@pytest.mark.parametrize("extra_bytes", [1, 40_000_000])
def test_huge_body_gets_413(server, toy, extra_bytes):
    answer = server.call("POST", INFER, bytes(body_limit(toy.face) + extra_bytes))
    _assert_error(answer, 413, "longer than")


def test_endless_chunked_body_gets_413_at_the_limit(server, toy):
    limit = body_limit(toy.face)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as link:
        link.sendall(f"POST {INFER} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        for _ in range(limit // 65536 + 2):
            link.sendall(chunk)
        answer = b""
        while not answer.endswith(b"}"):
            answer += link.recv(1000)
    assert b"413" in answer
    assert str(limit).encode() in answer


def test_compressed_body_and_web_page_are_refused(server):
    answer = server.call("POST", INFER, b"{}", {"Content-Encoding": "gzip"})
    _assert_error(answer, 415, "compressed")
    answer = server.call(
        "POST", "/v2/repository/models/toy/unload", b"", {"Origin": "http://evil.example"}
    )
    _assert_error(answer, 403, "web pages")


def test_killed_client_in_the_middle_of_its_body_is_harmless(server):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as link:
            link.sendall(f"POST {INFER} HTTP/1.1\r\ncontent-length: 12000\r\n\r\n{{".encode())
            # a reset, not an orderly end
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def test_noise_on_the_socket_is_harmless(server):
    for noise in (b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"POST \xff HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as link:
            link.sendall(noise)
            link.settimeout(1.0)
            try:
                link.recv(1000)
            except TimeoutError:
                continue


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nx: ", b"GET / HTTP/1.1\r\n"])
def test_endless_head_is_cut_off_and_costs_no_memory(server, start):
    before = psutil.Process(server.process.pid).memory_info().rss
    more = b"a: b\r\n" * 20_000 if start.endswith(b"1\r\n") else b"a" * 100_000
    link = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    with link, pytest.raises(ConnectionError):
        link.sendall(start)
        for _ in range(1000):
            link.sendall(more)
    grown = psutil.Process(server.process.pid).memory_info().rss - before
    assert grown < 20_000_000  # of 100 MB sent


@pytest.mark.parametrize("body", [b"[]", b"{", b"7", b"[" * 50_000])
def test_repository_order_that_is_no_object_gets_400(server, body):
    assert server.call("POST", "/v2/repository/models/toy/load", body)[0] == 400


# --- hostile models: refused on loading, or harmless when they run


@pytest.mark.parametrize(
    ("kind", "words"), [("bomb", "allocate memory"), ("wrong_shape", "heatmap")]
)
def test_unfit_model_is_refused_on_loading_with_its_reason(server, kind, words):
    make_bundle(server.models / f"{kind}-1", kind, kind=kind)
    _assert_error(server.load(kind), 400, words)
    lines = server.call("POST", "/v2/repository/index")[1]
    [line] = [line for line in lines if line["name"] == kind]
    assert line["state"] == "UNAVAILABLE"
    assert words in line["reason"]


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(1000)])
def test_broken_file_is_refused_on_loading(server, content):
    folder = server.models / f"broken{len(content)}-1"
    make_bundle(folder, folder.name[:-2])
    _replace_model(folder, content)
    _assert_error(server.load(folder.name[:-2]), 400, "not an ONNX file")


def test_external_data_is_refused_on_loading(server):
    folder = server.models / "external-1"
    make_bundle(folder, "external")
    model = load_from_string((folder / "model.onnx").read_bytes())
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="../../../etc/passwd")
    _replace_model(folder, model.SerializeToString())
    _assert_error(server.load("external"), 400, "external data")


def _replace_model(folder, content):
    (folder / "model.onnx").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_model_that_asks_for_40_gb_only_later_fails_its_request_alone(server):
    late = server.add("late", kind="late_bomb")
    with server.client() as client:
        assert client.predict("late", picture(late.face, 0.2), 10.0).score > 0
        with pytest.raises(PredictorUnavailable, match="allocate memory"):
            client.predict("late", picture(late.face, 1.0), 10.0)
        assert client.predict("late", picture(late.face, 0.2), 10.0).score > 0


def test_nan_is_an_error_in_json_and_the_models_own_word_in_binary(server, infer_json):
    nan = server.add("nan", kind="nan")
    body = json.dumps(infer_json(picture(nan.face, 1.0)))
    _assert_error(server.call("POST", "/v2/models/nan/infer", body), 500, "score holds NaN")


def test_health_and_other_models_answer_while_one_is_slow(server, toy):
    slow = server.add("slow", kind="slow", slow_matmuls=100)
    with ThreadPoolExecutor() as pool, server.client() as client:
        ask = server.client()
        waiting = pool.submit(ask.predict, "slow", picture(slow.face, 0.5), 60.0)
        answered = 0
        while not waiting.done():
            assert client.alive(5.0)
            answered += 1
        assert waiting.result().score == pytest.approx(0.5, abs=0.01)
        ask.close()
    assert answered > 3


def test_forty_callers_at_once_each_get_their_own_answer(server, toy, infer_json):
    pictures = [picture(toy.face, number / 40) for number in range(40)]

    def ask(image):
        body = json.dumps(infer_json(image))
        said = [server.call("POST", "/v2/models/toy/infer", body)[1] for _ in range(5)]
        return [np.float32(one["outputs"][0]["data"][0]) for one in said]

    with ThreadPoolExecutor(40) as pool:
        for image, scores in zip(pictures, pool.map(ask, pictures), strict=True):
            assert set(scores) == {raw_run(server.models / "toy-1", image)["score"][0]}


# --- a life of its own


def test_stale_socket_is_replaced_and_the_stop_is_orderly(start, tmp_path):
    make_bundle(tmp_path / "models" / "toy-1")
    first = start(tmp_path / "models")
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(10)
    assert first.socket.exists()
    second = start(tmp_path / "models")
    assert os.stat(second.socket).st_mode & 0o777 == 0o660
    with second.client() as client:
        assert client.alive(5.0)
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(10) == 0
        assert not client.alive(1.0)
    assert not second.socket.exists()


def test_second_server_on_the_same_socket_says_so(server, tmp_path):
    code = (
        "import sys; from pathlib import Path; from edge.predict.server import serve\n"
        f"serve(Path({str(server.models)!r}), Path({str(server.socket)!r}), None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "another prediction server answers here" in done.stderr


@pytest.mark.parametrize(
    ("memory_mb", "words"), [(64, "memory_mb = 64 is too small"), (2048, "heatmap")]
)
def test_single_bundle_that_cannot_be_served_ends_the_server(tmp_path, memory_mb, words):
    make_bundle(tmp_path / "b", kind="wrong_shape")
    code = (
        "from pathlib import Path; from edge.predict.server import serve\n"
        f"serve(Path({str(tmp_path / 'b')!r}), Path({str(tmp_path / 's')!r}), None, {memory_mb})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1]


def test_empty_folder_is_live_not_ready_and_takes_its_first_model_later(start, tmp_path):
    (tmp_path / "models").mkdir()
    running = start(tmp_path / "models", ready=False)
    end = time.monotonic() + 30
    while not running.socket.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    time.sleep(0.2)
    assert running.call("GET", "/v2/health/live") == (200, {"live": True})
    assert running.call("GET", "/v2/health/ready") == (503, {"ready": False})
    running.add("toy")
    assert running.call("GET", "/v2/health/ready") == (200, {"ready": True})
