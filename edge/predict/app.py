"""The HTTP face of the prediction server: Open Inference Protocol v2 (docs/predict.md).

The event loop only moves bytes. Whatever takes time (parsing, the model, loading) runs in
threads, so that health is answered while a model works.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import Any, TypeVar, TypeVarTuple

from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.core.errors import MessageRefused, ModelRefused, PredictorError
from edge.predict import protocol
from edge.predict.metrics import Meters
from edge.predict.protocol import HEADER_LENGTH, Encoded
from edge.predict.repository import ModelState, Repository
from edge.predict.session import ModelSession

MAX_IN_FLIGHT = 64  # inference requests accepted at once; one more is told to come again
MAX_LOADING = 4
MAX_ORDER_BYTES = 65_536  # of a repository request
BODY_TIMEOUT_S = 10.0

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Endpoint = Callable[[Request], Awaitable[Response]]


def worker_count(threads: int) -> int:
    """How many models may run at once: what the processor has, at most four."""
    return max(1, min(4, (os.cpu_count() or 1) // threads))


class PredictApp:
    """The endpoints. One per process."""

    def __init__(
        self, repository: Repository, max_body_bytes: int, workers: int, meters: Meters
    ) -> None:
        self._repository = repository
        self._max_body_bytes = max_body_bytes
        self._meters = meters
        self._workers = ThreadPoolExecutor(workers, "model")
        self._loaders = ThreadPoolExecutor(1, "load")
        self._in_flight = 0
        self._loading = 0

    def asgi(self, on_settled: Callable[[], None]) -> Starlette:
        """The application. The first loading starts with it; `on_settled` is called after."""

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            first = asyncio.create_task(self._load_all(on_settled))
            yield
            first.cancel()
            self._workers.shutdown(wait=False, cancel_futures=True)
            self._loaders.shutdown(wait=False, cancel_futures=True)

        return Starlette(
            routes=self._routes(), lifespan=lifespan, exception_handlers=_ERROR_HANDLERS
        )

    def _routes(self) -> list[Route]:
        get: dict[str, Endpoint] = {
            "/v2": self._server,
            "/v2/": self._server,
            "/v2/health/live": self._live,
            "/v2/health/ready": self._ready,
            "/metrics": self._metrics,
        }
        post: dict[str, Endpoint] = {
            "/v2/repository/index": self._index,
            "/v2/repository/models/{model}/load": self._load,
            "/v2/repository/models/{model}/unload": self._unload,
        }
        for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            get |= {model: self._model, f"{model}/ready": self._model_ready}
            post |= {f"{model}/infer": self._infer}
        return [Route(path, endpoint, methods=["GET"]) for path, endpoint in get.items()] + [
            Route(path, endpoint, methods=["POST"]) for path, endpoint in post.items()
        ]

    async def _load_all(self, on_settled: Callable[[], None]) -> None:
        await _in_thread(self._loaders, self._repository.load_all)
        on_settled()

    async def _server(self, request: Request) -> Response:
        return JSONResponse(protocol.server_metadata(version("linegate")))

    async def _live(self, request: Request) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self, request: Request) -> Response:
        ready = self._repository.is_ready
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def _metrics(self, request: Request) -> Response:
        return Response(self._meters.text(self._repository), media_type="text/plain; version=0.0.4")

    async def _model(self, request: Request) -> Response:
        manifest = self._session(request).manifest
        versions = self._repository.versions(manifest.name)
        return JSONResponse(protocol.model_metadata(manifest, versions))

    async def _model_ready(self, request: Request) -> Response:
        return JSONResponse({"name": self._session(request).manifest.name, "ready": True})

    async def _infer(self, request: Request) -> Response:
        session = self._session(request)
        with self._meters.request(session.manifest.name), self._admitted():
            encoded = await self._answer(request, session)
        if encoded.json_bytes is None:
            return Response(encoded.body, media_type="application/json")
        headers = {HEADER_LENGTH: str(encoded.json_bytes)}
        return Response(encoded.body, headers=headers, media_type="application/octet-stream")

    async def _answer(self, request: Request, session: ModelSession) -> Encoded:
        limit = min(self._max_body_bytes, protocol.body_limit(session.manifest.face))
        body = await read_body(request, limit)
        header_length = request.headers.get(HEADER_LENGTH)
        return await _in_thread(self._workers, infer, session, body, header_length)

    async def _index(self, request: Request) -> Response:
        order = await _order(request)
        states = await _in_thread(self._workers, self._repository.index)
        only_ready = order.get("ready") is True
        return JSONResponse([_line(state) for state in states if state.ready or not only_ready])

    async def _load(self, request: Request) -> Response:
        order = await _order(request)
        if order.get("parameters"):
            raise MessageRefused("a model comes from the models folder alone: no parameters")
        if self._loading >= MAX_LOADING:
            raise HTTPException(503, "other models are being loaded; come again")
        self._loading += 1
        try:
            await _in_thread(self._loaders, self._repository.load, request.path_params["model"])
        finally:
            self._loading -= 1
        return JSONResponse({})

    async def _unload(self, request: Request) -> Response:
        await _order(request)
        name = request.path_params["model"]
        if not self._repository.unload(name):
            raise HTTPException(404, f"no model {name[:64]!r} is loaded")
        return JSONResponse({})

    def _session(self, request: Request) -> ModelSession:
        name, version = request.path_params["model"], request.path_params.get("version")
        session = self._repository.get(name, version)
        if session is None:
            wanted = name[:64] if version is None else f"{name[:64]} version {version[:16]}"
            raise HTTPException(404, f"no model {wanted!r} is loaded")
        return session

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self._in_flight >= MAX_IN_FLIGHT:
            raise HTTPException(503, f"{MAX_IN_FLIGHT} requests are waiting already; come again")
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1


def infer(session: ModelSession, body: bytes, header_length: str | None) -> Encoded:
    """From request bytes to answer bytes; runs in a worker thread."""
    started = time.perf_counter()
    request = protocol.parse_infer(body, header_length, session.manifest.face)
    outputs = session.run(request.image)
    server_ms = (time.perf_counter() - started) * 1000
    return protocol.encode_answer(request, outputs, session.manifest, server_ms)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, never more than `limit` bytes of it and not for long."""
    if "origin" in request.headers:
        raise HTTPException(403, "requests from web pages are refused")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "compressed bodies are not supported")
    if int(request.headers.get("content-length", 0)) > limit:
        raise HTTPException(413, f"the body is longer than {limit} bytes")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _collect(request, limit)
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {BODY_TIMEOUT_S:g} s") from None


async def _collect(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
        if size > limit:
            raise HTTPException(413, f"the body is longer than {limit} bytes")
    return b"".join(chunks)


async def _order(request: Request) -> dict[str, Any]:
    """The JSON object of a repository request; an empty body is an empty one."""
    body = await read_body(request, MAX_ORDER_BYTES)
    try:
        order = from_json(body) if body.strip() else {}
    except ValueError as error:
        raise MessageRefused(f"not JSON: {error}") from error
    if not isinstance(order, dict):
        raise MessageRefused("not a JSON object")
    return order


async def _in_thread(pool: ThreadPoolExecutor, work: Callable[[*Ts], T], *args: *Ts) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, work, *args)


def _line(state: ModelState) -> dict[str, str]:
    word = "READY" if state.ready else "UNAVAILABLE"
    return {"name": state.name, "version": state.version, "state": word, "reason": state.reason}


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


async def _failed(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error) or "not enough memory"}, 500)


_ERROR_HANDLERS: dict[Any, Any] = {
    HTTPException: _http_error,
    MessageRefused: _refused,
    ModelRefused: _refused,
    ClientDisconnect: _refused,  # nobody is left to read it
    PredictorError: _failed,
    MemoryError: _failed,
}
