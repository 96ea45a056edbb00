"""Live updates by server-sent events: one rendering for all screens, at most twice a second.

A screen that reads slowly skips what is outdated: of every fragment it is owed only the newest.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Hashable, Mapping

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from edge.core.clock import Clock
from edge.page.guard import Refused

MAX_SCREENS = 8
POLL_S = 0.2  # how often is asked whether anything changed
PUSH_S = 0.5  # at least this long between two pushes
HEARTBEAT_S = 15.0
RETRY_S = 5.0

Fragments = Mapping[str, str]  # id of the element -> its HTML

log = structlog.get_logger()


class Screen:
    """One connected browser, and the fragments it is still owed."""

    def __init__(self, owed: Fragments) -> None:
        self._owed = dict(owed)
        self._news = asyncio.Event()

    def owe(self, fragments: Fragments) -> None:
        self._owed.update(fragments)
        self._news.set()

    async def take(self, timeout_s: float) -> Fragments:
        """What is owed, once there is something; empty after so long a silence."""
        if not self._owed:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), timeout_s)
            except TimeoutError:
                return {}
        owed, self._owed = self._owed, {}
        return owed

    def wake(self) -> None:
        self._news.set()


class Live:
    """Looks for changes while anybody watches. `stamp` is cheap and differs after a change;
    `render` makes all fragments. Both may block and run in a thread."""

    def __init__(
        self,
        stamp: Callable[[], Hashable],
        render: Callable[[], Fragments],
        clock: Clock,
        process: str,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._stamp = stamp
        self._render = render
        self._clock = clock
        self._process = process
        self._heartbeat_s = heartbeat_s
        self._screens: set[Screen] = set()
        self._shown: Fragments = {}
        self._seen: Hashable = None
        self._rendering = asyncio.Lock()
        self._closed = False

    async def run(self) -> None:
        """Until cancelled: poll, and push what changed."""
        while not self._closed:
            await asyncio.sleep(POLL_S)
            try:
                if self._screens and await self._changed():
                    await self.refresh()
                    await asyncio.sleep(PUSH_S - POLL_S)
            except Exception:  # one bad row must not end the live updates
                log.exception("page.update_failed")
                self._seen = None
                await asyncio.sleep(RETRY_S)

    async def _changed(self) -> bool:
        stamp = await run_in_threadpool(self._stamp)
        last, self._seen = self._seen, stamp
        return stamp != last

    async def refresh(self) -> Fragments:
        """Render now; every screen gets what is new. Returns all fragments."""
        async with self._rendering:
            fragments = await run_in_threadpool(self._render)
            news = {name: html for name, html in fragments.items() if self._shown.get(name) != html}
            self._shown = fragments
        for screen in self._screens:
            screen.owe(news)
        return fragments

    async def show_now(self) -> None:
        """After an order: every screen sees what came of it. The answer never depends on that."""
        try:
            await self.refresh()
        except Exception:
            log.exception("page.update_failed")

    async def admit(self) -> Screen:
        """A new screen, owed everything. Raises Refused when there are enough."""
        if len(self._screens) >= MAX_SCREENS:
            raise Refused(
                503,
                f"{MAX_SCREENS} screens already watch this station live. "
                "This one loads the page again every ten seconds.",
            )
        screen = Screen({})
        self._screens.add(screen)
        try:
            screen.owe(await self.refresh())
        except BaseException:
            self.leave(screen)
            raise
        return screen

    async def stream(self, screen: Screen) -> AsyncIterator[str]:
        """The events of one screen, until it leaves or the page closes."""
        yield event("hello", json.dumps({"process": self._process, "now": self._now_ms()}))
        while not self._closed:
            owed = await screen.take(self._heartbeat_s)
            yield partials(owed) if owed else event("beat", "")

    def leave(self, screen: Screen) -> None:
        self._screens.discard(screen)

    def close(self) -> None:
        """Let every stream end, so that the server can stop at once."""
        self._closed = True
        for screen in self._screens:
            screen.wake()

    def _now_ms(self) -> int:
        return round(self._clock.now().timestamp() * 1000)


def event(name: str, text: str) -> str:
    """One named server-sent event."""
    return f"event: {name}\ndata: {text}\n\n"


def partials(fragments: Fragments) -> str:
    """One unnamed event: htmx puts every partial into its place and keeps what did not change."""
    html = "".join(
        f'<hx-partial hx-target="#{name}" hx-swap="innerMorph">{text}</hx-partial>'
        for name, text in fragments.items()
    )
    return "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"


class EventStream(StreamingResponse):
    """A screen's response; the screen leaves with it, however it ends."""

    def __init__(self, live: Live, screen: Screen) -> None:
        super().__init__(live.stream(screen), media_type="text/event-stream")
        self._live = live
        self._screen = screen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._live.leave(self._screen)
