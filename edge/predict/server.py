"""The job `predict`: the models of one folder behind HTTP, on a Unix socket, a port, or both.

Its limits are its own: address space, request size, threads. It opens no connection to anyone.
"""

import contextlib
import ctypes
import resource
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import structlog
import uvicorn

from edge.config import frames_socket
from edge.core.errors import ConfigError, ModelRefused
from edge.predict.app import PredictApp, worker_count
from edge.predict.bundle import is_bundle
from edge.predict.frame_server import MAX_CALLERS, FrameServer
from edge.predict.http_head import BoundedHeadProtocol
from edge.predict.listen import tcp_listener, unix_listener
from edge.predict.metrics import Meters
from edge.predict.probation import Probation
from edge.predict.repository import Repository

MAX_CONNECTIONS = 256
KEEP_ALIVE_S = 75  # a gate may wait that long for its next part
STOP_S = 3

_MB = 1024 * 1024
_THREAD_BYTES = 72 * _MB  # of address space, not memory: a stack and a malloc arena
_LEAST_HEADROOM_BYTES = 64 * _MB
_KEEP_BYTES = 32 * _MB

_log = structlog.get_logger()


def serve(
    models: Path,
    socket: Path | None,
    http: tuple[str, int] | None,
    memory_mb: int = 2048,
    threads: int = 1,
    max_body_mb: int = 32,
    ready: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then answer what is under way, and return.

    `models` is a folder of bundles, or one bundle. `ready` is called once, when the first loading
    is over and left at least one model. Raises ConfigError if an address or the memory limit will
    not do, ModelRefused if `models` is one bundle and that is refused.
    """
    _keep_freed_memory()
    workers = worker_count(threads)
    headroom_bytes = _limit_memory(memory_mb * _MB, workers)
    probation = Probation(headroom_bytes // workers)
    repository = Repository(models, threads, probation.test)

    def settled() -> None:
        if not repository.is_ready:
            server.should_exit = is_bundle(models)
        elif ready is not None:
            ready()

    meters = Meters()
    app = PredictApp(repository, max_body_mb * _MB, workers, meters)
    server = uvicorn.Server(_config(app, settled))
    with ExitStack() as stack:
        stack.callback(probation.stop)
        listeners = []
        if socket is not None:
            listeners.append(stack.enter_context(unix_listener(socket)))
            frames = stack.enter_context(unix_listener(frames_socket(socket)))
            FrameServer(frames, repository.get, meters, max_body_mb * _MB).start()
        if http is not None:
            listeners.append(stack.enter_context(tcp_listener(*http)))
        if not listeners:
            raise ConfigError("the prediction server has neither a socket nor a port")
        _stop_on_signals(server)
        _log.info("prediction server listens", socket=str(socket or ""), http=http)
        server.run(listeners)
    if is_bundle(models) and not repository.is_ready and repository.refused:
        raise ModelRefused("; ".join(f"{name}: {why}" for name, why in repository.refused.items()))


def _config(app: PredictApp, settled: Callable[[], None]) -> uvicorn.Config:
    return uvicorn.Config(
        app.asgi(settled),
        loop="uvloop",
        http=BoundedHeadProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )


def _limit_memory(limit_bytes: int, workers: int) -> int:
    """Bound the address space of this process and its children; return what is left for models,
    in bytes. An allocation beyond fails, and only the request that asked for it."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit_bytes = min(limit_bytes, hard)
    used = psutil.Process().memory_info().vms + (workers + 1 + MAX_CALLERS) * _THREAD_BYTES
    if limit_bytes < used + _LEAST_HEADROOM_BYTES:
        raise ConfigError(
            f"predict.memory_mb = {limit_bytes // _MB} is too small: the server alone takes "
            f"{used // _MB} MB of address space; give it at least "
            f"{(used + _LEAST_HEADROOM_BYTES) // _MB + 1}"
        )
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    return limit_bytes - used


def _keep_freed_memory() -> None:
    """glibc hands a freed request body back to the system and faults in the next one page by
    page: 0.1 ms per 150 KB. Constants: malloc.h."""
    trim_threshold, mmap_threshold = -1, -3
    with contextlib.suppress(AttributeError, OSError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(trim_threshold, _KEEP_BYTES)
        libc.mallopt(mmap_threshold, _KEEP_BYTES)


def _stop_on_signals(server: uvicorn.Server) -> None:
    """From now on, and not only once it runs: uvicorn raises a signal again after its orderly
    stop, which must not kill what comes after."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.handle_exit)
