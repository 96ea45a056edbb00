"""What the prediction server costs over ONNX Runtime in-process. Nothing is asserted by time.

All ways are asked in turn, round after round, so that whatever else the machine does falls on
each of them alike. Run: make bench
"""

import http.client
import json
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle, picture

from edge.predict.bundle import read_bundle
from edge.predict.client import PredictClient
from edge.predict.session import ModelSession

pytestmark = [pytest.mark.system, pytest.mark.slow]

ROUNDS = 1000
SERVE = (
    "import sys; from pathlib import Path; from edge.predict.server import serve\n"
    "serve(Path(sys.argv[1]), Path(sys.argv[2]), ('127.0.0.1', int(sys.argv[3])))"
)


@pytest.fixture
def addresses(tmp_path):
    """(socket, port) of a server with one model of 224x224x3, about 150 KB a picture."""
    make_bundle(tmp_path / "toy-1", side_px=224)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sock = tmp_path / "p.sock"
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(tmp_path), str(sock), str(port)])
    with PredictClient(sock) as client:
        end = time.monotonic() + 60
        while not client.alive(1.0):
            assert time.monotonic() < end
            time.sleep(0.02)
    yield sock, port
    process.terminate()
    process.wait(20)


def _over_http(port: int, image: np.ndarray, binary: bool):
    """The protocol over TCP with the standard library's client."""
    tensor = {"name": "image", "shape": image.shape, "datatype": "UINT8"}
    if binary:
        tensor["parameters"] = {"binary_data_size": image.nbytes}
    else:
        tensor["data"] = image.ravel().tolist()
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": binary}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))} if binary else {}
    body = head + image.tobytes() if binary else head
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask():
        link.request("POST", "/v2/models/toy/infer", body, headers)
        response = link.getresponse()
        assert response.status == 200
        response.read()

    return ask, link.close


def _times_ms(ways: dict, rounds: int) -> dict[str, np.ndarray]:
    times = {name: [] for name in ways}
    order = list(ways)
    shuffle = random.Random(1).shuffle  # whoever comes after a way to the same server finds it warm
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            started = time.perf_counter()
            ways[name]()
            times[name].append((time.perf_counter() - started) * 1000)
    return {name: np.array(values) for name, values in times.items()}


def test_overhead_of_the_server(addresses, tmp_path):
    sock, port = addresses
    bundle = read_bundle(Path(tmp_path / "toy-1"))
    session = ModelSession(bundle.model, bundle.manifest)
    image = picture(bundle.manifest.face, 0.5)
    binary, close_binary = _over_http(port, image, binary=True)
    numbers, close_numbers = _over_http(port, image, binary=False)
    with PredictClient(sock) as client:
        ways = {
            "ONNX Runtime in-process": lambda: session.run(image),
            "gate's client, shared memory": lambda: client.predict("toy", image, 10.0),
            "HTTP, TCP, binary": binary,
            "HTTP, TCP, JSON numbers": numbers,
        }
        _times_ms(ways, 50)
        times = _times_ms(ways, ROUNDS)
    close_binary()
    close_numbers()
    raw = float(np.median(times["ONNX Runtime in-process"]))
    print(f"\n{'ms, one caller':28} {'p5':>7} {'p50':>7} {'p99':>7} {'over raw':>9} {'ratio':>6}")
    for name, values in times.items():
        p5, p50, p99 = np.percentile(values, [5, 50, 99])
        row = f"{name:28} {p5:7.3f} {p50:7.3f} {p99:7.3f} {p50 - raw:+9.3f} {p50 / raw:6.2f}"
        print(row)
    assert all(len(values) == ROUNDS for values in times.values())
