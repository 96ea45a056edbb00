import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle

from edge.core.manifest import Manifest
from edge.predict.client import PredictClient

LAUNCH = """
import sys
from pathlib import Path
from edge.predict.server import serve
models, sock, port, memory_mb = sys.argv[1:]
serve(Path(models), Path(sock), ("127.0.0.1", int(port)), int(memory_mb))
"""


@dataclass(frozen=True)
class Running:
    """A prediction server in a process of its own, on both of its addresses."""

    models: Path
    socket: Path
    port: int
    process: subprocess.Popen

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    def call(self, method, path, body=None, headers=None):
        """(status, JSON or bytes) of one request on a new TCP connection."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            link.request(method, path, body, headers or {})
            response = link.getresponse()
            content = response.read()
        finally:
            link.close()
        kind = response.getheader("content-type", "")
        return response.status, json.loads(content) if "json" in kind else content

    def load(self, name):
        return self.call("POST", f"/v2/repository/models/{name}/load")

    def add(self, name, **how) -> Manifest:
        """Put a bundle into the models folder and load it."""
        folder = self.models / f"{name}-{how.get('version', 1)}"
        manifest = make_bundle(folder, name, **how)
        assert self.load(name) == (200, {})
        return manifest

    def client(self) -> PredictClient:
        return PredictClient(self.socket)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def launch(models: Path, sock: Path, memory_mb: int = 2048) -> Running:
    port = free_port()
    command = [sys.executable, "-c", LAUNCH, str(models), str(sock), str(port), str(memory_mb)]
    return Running(models, sock, port, subprocess.Popen(command))


def wait_ready(running: Running, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    with running.client() as client:
        while not client.alive(1.0):
            assert running.process.poll() is None, "the server ended before it was ready"
            assert time.monotonic() < end, "the server did not become ready"
            time.sleep(0.02)


def stop(running: Running) -> int:
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGTERM)
    return running.process.wait(20)


@pytest.fixture
def start(tmp_path):
    """Start servers that are stopped at the end: start(models folder, memory_mb)."""
    started = []

    def _start(models: Path, memory_mb: int = 2048, ready: bool = True) -> Running:
        running = launch(models, tmp_path / "p.sock", memory_mb)
        started.append(running)
        if ready:
            wait_ready(running)
        return running

    yield _start
    for running in started:
        running.process.kill()
        running.process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for the whole file, with the bundle toy-1."""
    folder = tmp_path_factory.mktemp("s")
    make_bundle(folder / "models" / "toy-1")
    running = launch(folder / "models", folder / "p.sock")
    wait_ready(running)
    yield running
    assert stop(running) == 0


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory) -> Path:
    """The bundle toy-1; read only."""
    folder = tmp_path_factory.mktemp("bundle") / "toy-1"
    make_bundle(folder)
    return folder


@pytest.fixture
def infer_json():
    """The JSON of a request as a dict: infer_json(image, **changes of the tensor)."""

    def _infer_json(image: np.ndarray, **changes) -> dict:
        tensor = {"name": "image", "shape": list(image.shape), "datatype": "UINT8"}
        tensor["data"] = image.ravel().tolist()
        tensor |= changes
        return {"inputs": [{key: value for key, value in tensor.items() if value is not None}]}

    return _infer_json
