"""What the prediction server costs over ONNX Runtime in the same process."""

import http.client
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import numpy as np
from pydantic_core import to_json

from edge.bench.table import RAW, Budget, Row, timed
from edge.bench.ways import times_ms
from edge.core.errors import LinegateError
from edge.core.preprocess import Image
from edge.gate.pace import LANES
from edge.plc.broker import free_port
from edge.predict.bundle import Bundle
from edge.predict.client import PredictClient
from edge.predict.protocol import HEADER_LENGTH
from edge.predict.session import ModelSession
from edge.supervisor import Supervisor, Task, own_command

START_S = 30.0
OWN_WAY, HTTP, HTTP_JSON = "the gate's own way", "HTTP, binary", "HTTP, JSON numbers"
SELDOM, SELDOM_S, SELDOM_CALLS = "the same, 20 times a second", 0.05, 100
TWO_VIEWS = "two views side by side, the gate's own way"
BUDGETS = {OWN_WAY: Budget(0.05), HTTP: Budget(0.2)}


def rows(bundle: Bundle, folder: Path, rounds: int, rng: Random) -> list[Row]:
    """Raw, the gate's own way and HTTP, asked in turn about one picture of the model's size."""
    image = rng_picture(bundle, rng)
    session = ModelSession(bundle.model, bundle.manifest)
    name = bundle.manifest.name
    with serving(bundle.folder, folder) as (socket, port), ExitStack() as stack:
        client = stack.enter_context(PredictClient(socket))
        ways: dict[str, Callable[[], object]] = {
            RAW: lambda: session.run(image),
            OWN_WAY: lambda: client.predict(name, image, 10.0, bundle.manifest),
            TWO_VIEWS: stack.enter_context(_side_by_side(socket, bundle, image)),
            HTTP: stack.enter_context(_over_http(port, name, image, binary=True)),
            HTTP_JSON: stack.enter_context(_over_http(port, name, image, binary=False)),
        }
        spent = times_ms(ways, rounds, rng)
        seldom = _seldom_ms(session, image)
    raw_ms = float(np.median(spent[RAW]))
    return [timed(RAW, spent[RAW], None), timed(SELDOM, seldom, raw_ms)] + [
        timed(way, spent[way], raw_ms, BUDGETS.get(way)) for way in ways if way != RAW
    ]


def _seldom_ms(session: ModelSession, image: Image) -> list[float]:
    """In a loop the model finds its weights in the processor's caches; on a line it does not."""
    spent = []
    for _ in range(SELDOM_CALLS):
        time.sleep(SELDOM_S)
        began = time.perf_counter_ns()
        session.run(image)
        spent.append((time.perf_counter_ns() - began) / 1e6)
    return spent


def rng_picture(bundle: Bundle, rng: Random) -> Image:
    """Any picture: a model takes the same time for each."""
    shape = bundle.manifest.face.input_shape
    return np.random.default_rng(rng.randrange(2**32)).integers(0, 256, shape, np.uint8)


@contextmanager
def serving(bundle: Path, folder: Path) -> Iterator[tuple[Path, int]]:
    """A prediction server with this bundle in a process of its own: its socket and its port."""
    socket, port = folder / "p.sock", free_port()
    command = own_command(
        "job", "predict", "--model", str(bundle),
        "--socket", str(socket), "--http", f"127.0.0.1:{port}",
    )  # fmt: skip

    def alive() -> bool:
        with PredictClient(socket) as client:
            return client.alive(0.5)

    supervisor = Supervisor([Task("predict", command, alive)], logs=folder)
    supervisor.start()
    try:
        if not supervisor.wait_ready(START_S):
            raise LinegateError(f"the prediction server did not start: see {folder}/predict.log")
        yield socket, port
    finally:
        supervisor.stop()


@contextmanager
def _side_by_side(socket: Path, bundle: Bundle, image: Image) -> Iterator[Callable[[], object]]:
    """As many views at once as the gate has lanes, each on a connection of its own."""
    name = bundle.manifest.name
    with ExitStack() as stack:
        clients = [stack.enter_context(PredictClient(socket)) for _ in range(LANES)]
        lanes = stack.enter_context(ThreadPoolExecutor(LANES))

        def ask(client: PredictClient) -> object:
            return client.predict(name, image, 10.0, bundle.manifest)

        yield lambda: list(lanes.map(ask, clients))


@contextmanager
def _over_http(port: int, name: str, image: Image, binary: bool) -> Iterator[Callable[[], object]]:
    """The protocol over TCP with the standard library's client, its request made once."""
    tensor: dict[str, object] = {"name": "image", "shape": image.shape, "datatype": "UINT8"}
    if binary:
        tensor["parameters"] = {"binary_data_size": image.nbytes}
    else:
        tensor["data"] = image.ravel().tolist()
    head = to_json({"inputs": [tensor], "parameters": {"binary_data_output": binary}})
    headers = {HEADER_LENGTH: str(len(head))} if binary else {}
    body = head + image.tobytes() if binary else head
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask() -> None:
        link.request("POST", f"/v2/models/{name}/infer", body, headers)
        response = link.getresponse()
        if response.status != 200:
            raise LinegateError(f"HTTP {response.status}: {response.read()[:200]!r}")
        response.read()

    try:
        yield ask
    finally:
        link.close()
