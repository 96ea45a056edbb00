"""A station without a gate: a real ledger with real pictures, and a gate that obeys the test."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest

from edge.clock import SystemClock
from edge.config import StationConfig
from edge.core.errors import LinegateError
from edge.core.messages import By, Level, Reason, StateMessage, StateWord, Verdict, VerdictMessage
from edge.core.orders import (
    Answer,
    CameraFigures,
    Condition,
    Order,
    ReviewOrder,
    SetLevelOrder,
    Status,
)
from edge.core.recipe import Recipe
from edge.core.records import ImageEvent, InspectionRecord, ReviewRecord, ViewRecord
from edge.page.app import make_app
from edge.page.serve import PageServer, listen
from edge.store.images import ImageStore
from edge.store.ledger_db import LedgerDb
from edge.store.reader import LedgerReader
from edge.store.writer import Writer
from edge.store.writes import AddReview, ClosePart, KeepImage, OpenPart

MODEL_SHA = "ab" * 32
SECRET_SCORE = 0.73519
RECIPE = Recipe(name="flange", model="flange", review_s=120.0)


class Plant:
    """Makes parts in a ledger, as the gate would."""

    def __init__(self, folder: Path) -> None:
        self.config = station_config(folder)
        self.recipes = {RECIPE.name: RECIPE}
        self.store = ImageStore(self.config.images_dir)
        self.reader = LedgerReader(self.config.ledger_path)
        ledger = LedgerDb.open(self.config.ledger_path, "box", lambda: "epoch-1", SystemClock())
        self.writer = Writer(ledger)
        self.writer.start()
        self._numbers = itertools.count(1)

    def part(
        self,
        verdict: Verdict | None = Verdict.PASS,
        level: Level = Level.PARTIAL,
        score: float | None = 0.12,
        reasons: tuple[Reason, ...] = (),
        by: By = By.MODEL,
        at: datetime | None = None,
        picture: bool = True,
        part_id: str | None = None,
        opinion: Verdict | None = None,
        heat: np.ndarray | None = None,
        serial: str | None = None,
    ) -> str:
        """One part; returns its inspection id. `verdict` None leaves it open."""
        number = next(self._numbers)
        record = InspectionRecord(
            inspection_id=f"i{number:05d}",
            part_id=part_id or f"A-{1000 + number}",
            seq=number,
            lot="L7",
            recipe=RECIPE.name,
            recipe_sha256=RECIPE.sha256,
            model="flange-3",
            model_sha256=MODEL_SHA,
            config_sha256=self.config.sha256,
            level=level,
            triggered_at=at or datetime.now(UTC),
            deadline_ms=300,
            verdict=verdict or Verdict.REWORK,
            by=by,
            reasons=reasons,
            score=score,
            opinion=opinion,
            views=(ViewRecord(view="main", score=score),),
            latency_ms=21.4,
            stages_ms={"grab": 8.1, "predict": 6.2},
            serial=serial,
        )
        self.writer.commit([OpenPart(record)])
        if picture:
            self._keep(record, "frame", draw_part(number, verdict))
            if score is not None:
                self._keep(record, "heatmap", draw_heat(number) if heat is None else heat)
        if verdict is not None:
            self.close(record)
        return record.inspection_id

    def close(self, record: InspectionRecord) -> None:
        answer = VerdictMessage(
            part_id=record.part_id,
            seq=record.seq,
            inspection_id=record.inspection_id,
            verdict=record.verdict,
            by=record.by,
            reasons=record.reasons,
            score=record.score,
            recipe=record.recipe,
            latency_ms=record.latency_ms,
            valid_until=record.triggered_at + timedelta(seconds=1),
        )
        self.writer.commit([ClosePart(record, answer)])

    def _keep(self, record: InspectionRecord, kind: str, image: np.ndarray) -> None:
        kept = self.store.keep(image)
        event = ImageEvent(
            inspection_id=record.inspection_id,
            view="main",
            kind=kind,
            sha256=kept.sha256,
            bytes=kept.bytes,
            send=True,
            at=record.triggered_at,
        )
        self.writer.commit([KeepImage(event, record.verdict)])


class FakeGate:
    """Answers orders as gate/control.py does. `away` set: it is not there."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.away: str | None = None
        self.state = StateMessage(
            state=StateWord.READY, level=Level.PARTIAL, recipe=RECIPE.name, model="flange-3"
        )
        self.conditions: tuple[Condition, ...] = ()
        self.figures = CameraFigures()
        self.received: list[Order] = []
        self._beats = itertools.count()

    def __call__(self, order: Order) -> Answer:
        if self.away is not None:
            raise LinegateError(self.away)
        match order:
            case ReviewOrder():
                self.received.append(order)
                return self._review(order)
            case SetLevelOrder():
                self.received.append(order)
                self.state = self.state.model_copy(update={"level": order.level})
                return Answer(ok=True)
        return Answer(ok=True, status=self._status())

    def _status(self) -> Status:
        return Status(
            state=self.state,
            conditions=self.conditions,
            in_flight=0,
            waiting=len(self.plant.reader.waiting(100)),
            heartbeat=next(self._beats),
            counters={"accepted": 1},
            cameras={"main": {"shots": 9, "frames": 8, "opened": 1, "missed_frames": 1}},
            camera_figures=self.figures,
        )

    def _review(self, order: ReviewOrder) -> Answer:
        found = self.plant.reader.inspection(order.inspection_id)
        assert found is not None
        in_time = found.verdict is Verdict.REVIEW
        review = ReviewRecord(
            inspection_id=order.inspection_id,
            verdict=order.verdict,
            who=order.who,
            at=datetime.now(UTC),
            in_time=in_time,
            saw_score=order.saw_score,
        )
        self.plant.writer.commit([AddReview(review)])
        if in_time:
            record = InspectionRecord.model_validate_json(found.body)
            update = {"verdict": order.verdict, "by": By.HUMAN, "revision": 2}
            self.plant.close(record.model_copy(update=update))
        return Answer(ok=True, in_time=in_time)


@dataclass
class Site:
    """A running page, and how to ask it."""

    host: str
    port: int
    plant: Plant
    gate: FakeGate
    server: PageServer
    cookie: str = field(default="linegate_name=Ada%20L.")

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, str, HTTPResponse]:
        """(status, text, response). Header names are written with underscores."""
        connection = HTTPConnection(self.host, self.port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace"), response
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> str:
        status, text, _ = self.ask("GET", path, **headers)
        assert status == 200, f"{path}: {status} {text[:300]}"
        return text

    def json(self, path: str) -> dict:
        return json.loads(self.get(path))

    @property
    def token(self) -> str:
        return self.json("/api/status")["token"]

    def post(self, path: str, token: str | None = None, **fields: str) -> tuple[int, str]:
        """An htmx form, as the page sends it."""
        body = urlencode({"token": self.token if token is None else token, **fields}).encode()
        status, text, _ = self.ask(
            "POST",
            path,
            body,
            Content_Type="application/x-www-form-urlencoded",
            Origin=self.url,
            HX_Request="true",
            Cookie=self.cookie,
        )
        return status, text


class Stream:
    """A screen: reads /events until something has come."""

    def __init__(self, site: Site) -> None:
        self._connection = HTTPConnection(site.host, site.port, timeout=10)
        self._connection.request("GET", "/events")
        self.response = self._connection.getresponse()
        self.status = self.response.status

    def until(self, text: str) -> str:
        """All events up to the one that holds `text`. Raises EOFError if the stream ends before."""
        heard = ""
        while text not in heard:
            heard += self._event()
        return heard

    def _event(self) -> str:
        event = ""
        while not event.endswith("\n\n"):
            line = self.response.readline().decode()
            if not line:
                raise EOFError("the stream ended")
            event += line
        return event

    def close(self) -> None:
        self.response.close()
        self._connection.close()


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    plant = Plant(tmp_path)
    yield plant
    assert plant.writer.close()


@pytest.fixture
def gate(plant: Plant) -> FakeGate:
    return FakeGate(plant)


@pytest.fixture
def site(plant: Plant, gate: FakeGate) -> Iterator[Site]:
    with serving(plant, gate) as site:
        yield site


@pytest.fixture
def screen(site: Site) -> Iterator[Callable[[], Stream]]:
    """Opens screens that are closed in the end."""
    opened: list[Stream] = []

    def open_screen() -> Stream:
        opened.append(Stream(site))
        return opened[-1]

    yield open_screen
    for stream in opened:
        stream.close()


@pytest.fixture
def serving_at() -> object:
    """Serves the page of a station that has another state directory than its gate."""

    @contextmanager
    def serve(folder: Path, gate: FakeGate) -> Iterator[tuple[Site, Callable[[], Stream]]]:
        with serving(gate.plant, gate, station_config(folder)) as site:
            yield site, lambda: Stream(site)

    return serve


@contextmanager
def serving(plant: Plant, gate: FakeGate, config: StationConfig | None = None) -> Iterator[Site]:
    listening = listen(plant.config.page.model_copy(update={"port": 0}))
    app = make_app(config or plant.config, plant.recipes, gate, SystemClock(), zone=UTC)
    server = PageServer(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Site("127.0.0.1", listening.getsockname()[1], plant, gate, server)
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()


def station_config(folder: Path) -> StationConfig:
    return StationConfig.model_validate(
        {
            "state_dir": folder,
            "station": {"device": "flange-gate", "site": "plant", "line": "l2", "station": "s1"},
            "camera": [{"kind": "simulator"}],
            "predict": {"models": folder / "models"},
            "gate": {"recipe": RECIPE.name},
        }
    )


def draw_part(number: int, verdict: Verdict | None) -> np.ndarray:
    """A disc with holes on a belt, with a scratch if it is not good. BGR (120, 160, 3)."""
    rng = np.random.default_rng(number)
    image = np.full((120, 160, 3), (52, 48, 44), np.uint8)
    cv2.circle(image, (80, 60), 44, (168, 172, 176), -1, cv2.LINE_AA)
    for angle in np.arange(6) * np.pi / 3 + rng.uniform(0, 1):
        hole = (80 + round(30 * np.cos(angle)), 60 + round(30 * np.sin(angle)))
        cv2.circle(image, hole, 5, (40, 38, 36), -1, cv2.LINE_AA)
    if verdict is not Verdict.PASS:
        cv2.line(image, (60, 42), (96, 70), (90, 92, 96), 2, cv2.LINE_AA)
    return cv2.add(image, rng.integers(0, 12, image.shape, np.uint8))


def draw_heat(number: int) -> np.ndarray:
    """A grey bump, uint8 (14, 14), different for every part."""
    y, x = np.mgrid[0:14, 0:14]
    bump = np.exp(-((x - 6.5) ** 2 + (y - 6) ** 2) / 6.0)
    heat = np.uint8(255 * bump)
    heat[0, 0] = number % 256
    return heat
