"""The technicians' page (docs/page.md): its routes.

It reads ledger.db and the images, and sends orders to the gate; it owns nothing itself.
"""

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import tzinfo
from pathlib import Path
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edge.config import StationConfig
from edge.core.clock import Clock
from edge.core.errors import StoreError
from edge.core.recipe import Recipe
from edge.page.api import api_routes
from edge.page.gate_word import GateWatch, Orders
from edge.page.guard import Guard, Refused, form_fields
from edge.page.live import EventStream, Live
from edge.page.look import DeliveredUpTo, Watcher
from edge.page.people import (
    NameMissing,
    Said,
    change_level,
    clean_name,
    name_of,
    remember_name,
    review,
)
from edge.page.pictures import heat_box, thumbnail
from edge.page.questions import PageQuestions
from edge.page.recipe_book import RecipeBook
from edge.page.render import HERE, Renderer
from edge.page.views import Setting, detail
from edge.store.images import ImageStore
from edge.store.reader import LedgerReader

SHA256 = re.compile(r"[0-9a-f]{64}")
BACK = re.compile(r"/(parts/[A-Za-z0-9_.:-]{1,64})?")
FOREVER = {"cache-control": "private, max-age=31536000, immutable"}  # the name is the content


def nothing_known(epoch: str) -> int | None:
    """Without the post's books, nobody knows what was delivered."""
    return None


def make_app(
    config: StationConfig,
    recipes: Mapping[str, Recipe],
    orders: Orders,
    clock: Clock,
    delivered_up_to: DeliveredUpTo = nothing_known,
    zone: tzinfo | None = None,
) -> Starlette:
    """The page of one station. `orders` sends an order to the gate and raises LinegateError if it
    is away; `delivered_up_to` says how far the trainer has the records of an epoch."""
    pages = Pages(config, recipes, orders, clock, delivered_up_to, zone)
    return Starlette(
        routes=pages.routes(),
        middleware=[Middleware(Guard, config.page.allowed_hosts, pages.token)],
        exception_handlers={
            Refused: pages.refused,
            StoreError: pages.store_failed,
            HTTPException: pages.http_error,
        },
        lifespan=pages.lifespan,
    )


class Pages:
    """The HTML routes, and what they share."""

    def __init__(
        self,
        config: StationConfig,
        recipes: Mapping[str, Recipe],
        orders: Orders,
        clock: Clock,
        delivered_up_to: DeliveredUpTo,
        zone: tzinfo | None,
    ) -> None:
        self.token = secrets.token_urlsafe(32)
        self._clock = clock
        self._orders = orders
        self._store = ImageStore(config.images_dir)
        self._questions = PageQuestions(config.ledger_path)
        reader = LedgerReader(config.ledger_path)
        self._watcher = Watcher(
            reader, self._questions, GateWatch(orders, clock), delivered_up_to, clock, zone
        )
        self._setting = Setting(
            RecipeBook(reader, recipes.values()).find,
            zone,
            lambda roi, frame: heat_box(roi, self._store.path(frame)),
        )
        process = secrets.token_hex(8)
        fixed = {
            "station": config.station.device,
            "where": config.station.topic_prefix.removesuffix("/vision"),
            "zone": clock.now().astimezone(zone).tzname(),
            "token": self.token,
            "process": process,
            "reads_codes": any(v.code for recipe in recipes.values() for v in recipe.views),
        }
        self._renderer = Renderer(self._setting, fixed)
        self.live = Live(self._watcher.stamp, self._render_fragments, clock, process)

    def routes(self) -> list[Route | Mount]:
        return [
            Route("/", self.index),
            Route("/parts/{inspection_id}", self.part),
            Route("/find", self.find),
            Route("/events", self.events),
            Route("/images/{sha256}.png", self.image),
            Route("/images/{sha256}/small.jpg", self.small_image),
            Route("/name", self.keep_name, methods=["POST"]),
            Route("/reviews", self.post_review, methods=["POST"]),
            Route("/level", self.post_level, methods=["POST"]),
            *api_routes(self._watcher, self._orders, self.live, self.token),
            Mount("/static", NoCacheFiles(directory=HERE / "static")),
        ]

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        app.state.live = self.live
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.live.run)
            yield
            tasks.cancel_scope.cancel()

    # ---- pages ----

    def index(self, request: Request) -> Response:
        return self._page(request, "index.html", fragments=self._render_fragments())

    def part(self, request: Request) -> Response:
        inspection_id = request.path_params["inspection_id"]
        found = self._watcher.part(inspection_id)
        if found is None:
            raise Refused(404, "There is no such part. Perhaps it is too old to be kept here.")
        reviews = self._watcher.reviews(inspection_id)
        delivered = self._watcher.delivered(inspection_id)
        attempts = () if found.serial is None else self._watcher.attempts(found.serial)
        shown = detail(found, reviews, delivered, self._setting, attempts)
        return self._page(request, "part.html", part=shown)

    def find(self, request: Request) -> Response:
        """The last inspection of a serial: typed, or from a hand scanner."""
        attempts = self._watcher.attempts(request.query_params.get("serial", "").strip())
        if not attempts:
            raise Refused(404, "No part with this serial was inspected here.")
        return RedirectResponse(f"/parts/{attempts[-1].inspection_id}", 303)

    async def events(self, request: Request) -> Response:
        return EventStream(self.live, await self.live.admit())

    # ---- pictures ----

    def image(self, request: Request) -> Response:
        path = self._seen_path(request)
        return FileResponse(path, media_type="image/png", headers=FOREVER)

    def small_image(self, request: Request) -> Response:
        path = self._seen_path(request)
        try:
            return Response(thumbnail(path), media_type="image/jpeg", headers=FOREVER)
        except OSError as error:
            raise Refused(404, "The picture cannot be read.") from error

    def _seen_path(self, request: Request) -> Path:
        sha256 = request.path_params["sha256"]
        if SHA256.fullmatch(sha256) and self._questions.may_be_seen(sha256):
            path = self._store.path(sha256)
            if path.is_file():
                return path
        raise Refused(404, "There is no such picture, or it is no longer kept.")

    # ---- orders ----

    async def keep_name(self, request: Request) -> Response:
        form = form_fields(await request.body())
        name = clean_name(form.get("who", ""))
        back = form.get("back", "/")
        response = RedirectResponse(back if BACK.fullmatch(back) else "/", 303)
        remember_name(response, name)
        return response

    async def post_review(self, request: Request) -> Response:
        form = form_fields(await request.body())
        inspection_id, verdict = form.get("inspection_id", ""), form.get("verdict", "")
        said = await run_in_threadpool(
            review, self._orders, self._watcher, inspection_id, verdict, name_of(request)
        )
        await self.live.show_now()
        return self._answer(request, said)

    async def post_level(self, request: Request) -> Response:
        form = form_fields(await request.body())
        said = await run_in_threadpool(
            change_level, self._orders, form.get("level", ""), name_of(request)
        )
        return self._answer(request, said)

    # ---- errors ----

    def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        answer = self._answer(request, Said("bad", error.sentence, error.status))
        if isinstance(error, NameMissing):
            answer.headers["hx-trigger"] = "needs-name"  # page.js leads to the field
        return answer

    def store_failed(self, request: Request, error: Exception) -> Response:
        return self._answer(request, Said("bad", f"The records cannot be read: {error}", 503))

    def http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self._answer(request, Said("bad", f"{error.detail}.", error.status_code))

    # ---- answers ----

    def _render_fragments(self) -> Mapping[str, str]:
        return self._renderer.fragments(self._watcher.look())

    def _answer(self, request: Request, said: Said) -> Response:
        """A sentence, as the one who asks can take it: JSON, a fragment, or a page."""
        if request.url.path.startswith("/api/"):
            return JSONResponse({"ok": False, "sentence": said.sentence}, said.status)
        if request.url.path == "/events":
            return Response(said.sentence, said.status, media_type="text/plain")
        if "hx-request" in request.headers:
            html = self._renderer.page("_answer.html", tone=said.tone, sentence=said.sentence)
            return HTMLResponse(html, said.status)
        return self._page(
            request, "answer.html", said.status, tone=said.tone, sentence=said.sentence
        )

    def _page(
        self, request: Request, template: str, status: int = 200, **values: Any
    ) -> HTMLResponse:
        back = request.url.path if BACK.fullmatch(request.url.path) else "/"
        now_ms = round(self._clock.now().timestamp() * 1000)
        html = self._renderer.page(
            template, who=name_of(request), back=back, now_ms=now_ms, **values
        )
        return HTMLResponse(html, status)


class NoCacheFiles(StaticFiles):
    """Our own scripts and styles: asked for again each time (304), so that an update of the box
    never meets an old script."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response
