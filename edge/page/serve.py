"""Runs the page until it is told to stop."""

import ipaddress
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType

import structlog
import uvicorn
from starlette.applications import Starlette

from edge.config import Page, StationConfig
from edge.core.clock import Clock
from edge.core.errors import LinegateError
from edge.core.recipe import Recipe
from edge.page.app import make_app, nothing_known
from edge.page.gate_word import Orders
from edge.page.look import DeliveredUpTo

MAX_CONNECTIONS = 64
STOP_WITHIN_S = 5
SILENT_CLIENT_MS = 40_000  # a screen that went away without a word frees its place

log = structlog.get_logger()


def run_page(
    config: StationConfig,
    recipes: Mapping[str, Recipe],
    orders: Orders,
    clock: Clock,
    delivered_up_to: DeliveredUpTo = nothing_known,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once the port is open. Blocks.

    Raises LinegateError if the port cannot be had.
    """
    listening = listen(config.page)
    warn_if_open(config.page)
    app = make_app(config, recipes, orders, clock, delivered_up_to)
    log.info("page.serving", url=f"http://{config.page.host}:{config.page.port}/")
    ready()
    PageServer(app).run(sockets=[listening])


class PageServer(uvicorn.Server):
    """uvicorn that ends the live streams first, and does not die of the signal it was sent."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=STOP_WITHIN_S,
            )
        )
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.live.close()
        await super().shutdown(sockets)


def listen(page: Page) -> socket.socket:
    """Raises LinegateError if the port is taken or the address is not ours."""
    try:
        listening = socket.create_server((page.host, page.port), family=_family(page.host))
    except OSError as error:
        raise LinegateError(
            f"the page cannot listen on {page.host}:{page.port}: {error.strerror}; choose another "
            "page.port in station.toml, or stop what uses it"
        ) from error
    # Inherited by every connection: what is sent and never acknowledged ends it (tcp(7)).
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_CLIENT_MS)
    return listening


def warn_if_open(page: Page) -> None:
    if not _is_loopback(page.host):
        log.warning(
            "page.open_to_the_network",
            host=page.host,
            problem="the page has no users yet: everybody on this network can pass parts",
            action="set page.host to 127.0.0.1, or keep the network to the line",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
