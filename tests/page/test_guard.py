"""Who may ask: Host, Origin, token, size. Every unsafe route, by the routes themselves."""

import json
import re
from urllib.parse import urlencode

import pytest
from starlette.routing import Route

from edge.core.messages import Verdict
from edge.page.guard import HEADERS, MAX_BODY_BYTES

FORM = "application/x-www-form-urlencoded"


def unsafe_routes(site):
    routes = [r for r in site.server.config.app.routes if isinstance(r, Route)]
    return [r.path for r in routes if not r.methods <= {"GET", "HEAD"}]


@pytest.fixture
def waiting(plant):
    return plant.part(verdict=Verdict.REVIEW, score=0.5)


def order_for(path, inspection_id, token):
    """A well-formed order for an unsafe route, and its content type."""
    if path.startswith("/api/"):
        fields = {"inspection_id": inspection_id, "verdict": "pass", "who": "Eve"}
        return json.dumps(fields).encode(), "application/json"
    fields = {"inspection_id": inspection_id, "verdict": "pass", "level": "full", "who": "Eve"}
    return urlencode(fields | ({"token": token} if token else {})).encode(), FORM


def send(site, path, waiting, token, **headers):
    body, kind = order_for(path, waiting, token)
    headers = {"Content_Type": kind, "Cookie": site.cookie, **headers}
    if token and path.startswith("/api/"):
        headers["X_Linegate_Token"] = token
    return site.ask("POST", path, body, **headers)[0]


def test_there_are_unsafe_routes_to_test(site):
    assert set(unsafe_routes(site)) == {"/name", "/reviews", "/level", "/api/reviews"}


@pytest.mark.parametrize(
    ("situation", "token", "headers", "refusal"),
    [
        ("no token", None, {}, 403),
        ("wrong token", "x" * 43, {}, 403),
        ("foreign origin", "own", {"Origin": "http://evil.example"}, 403),
        ("foreign port", "own", {"Origin": "http://127.0.0.1:1"}, 403),
        ("origin null", "own", {"Origin": "null"}, 403),
        ("cross-site fetch", "own", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("same-site fetch", "own", {"Sec_Fetch_Site": "same-site"}, 403),
        ("foreign host", "own", {"Host": "evil.example"}, 421),
    ],
)
def test_unsafe_route_refuses(site, gate, waiting, situation, token, headers, refusal):
    token = site.token if token == "own" else token
    for path in unsafe_routes(site):
        assert send(site, path, waiting, token, **headers) == refusal, (situation, path)
    assert gate.received == []


def test_the_same_orders_are_taken_from_our_own_page(site, gate, waiting):
    for path in unsafe_routes(site):
        assert send(site, path, waiting, site.token, Origin=site.url) in (200, 303), path
    assert len(gate.received) == 3


@pytest.mark.parametrize("host", ["evil.example", "", "localhost.evil.example", "127.0.0.1@evil"])
def test_foreign_host_sees_nothing(site, plant, host):
    plant.part()
    for path in ("/", "/api/status", "/api/parts", "/events", "/static/page.js"):
        status, text, _ = site.ask("GET", path, Host=host)
        assert status in (400, 421), (path, status)
        assert "A-1001" not in text and site.token not in text


def test_allowed_host_with_any_port(site):
    for host in ("localhost:9", "LOCALHOST", "127.0.0.1"):
        assert site.ask("GET", "/", Host=host)[0] == 200


def test_large_body_is_refused_and_the_page_lives_on(site, gate):
    body = b"token=" + b"x" * (MAX_BODY_BYTES + 1)
    assert site.ask("POST", "/reviews", body, Content_Type=FORM)[0] == 413
    assert site.ask("GET", "/")[0] == 200


def test_every_answer_carries_the_policy(site, plant):
    inspection_id = plant.part()
    paths = ["/", f"/parts/{inspection_id}", "/parts/nobody", "/nowhere", "/static/page.css"]
    paths += ["/api/parts", "/static/../app.py", "/images/" + "0" * 64 + ".png"]
    for path in paths:
        headers = site.ask("GET", path)[2].headers
        assert {name: headers[name] for name in HEADERS} == HEADERS, path
    assert "'unsafe" not in HEADERS["content-security-policy"]


@pytest.mark.parametrize(
    "name",
    ["../../ledger.db", "..%2f..%2fledger.db", "0" * 63, "G" * 64, "0" * 64, "%00" * 21],
)
def test_only_images_of_ours_are_served(site, plant, name):
    plant.part()
    for path in (f"/images/{name}.png", f"/images/{name}/small.jpg"):
        assert site.ask("GET", path)[0] == 404


def test_a_file_without_a_row_is_not_served(site, plant):
    import numpy as np

    orphan = plant.store.keep(np.full((9, 9), 7, np.uint8))
    assert site.ask("GET", f"/images/{orphan.sha256}.png")[0] == 404


def test_picture_is_served_as_what_it_is(site, plant):
    plant.part()
    (url, *_) = re.findall(r"/images/[0-9a-f]{64}", site.get("/"))
    status, _, response = site.ask("GET", f"{url}.png")
    assert (status, response.headers["content-type"]) == (200, "image/png")
    assert "immutable" in response.headers["cache-control"]
    status, _, response = site.ask("GET", f"{url}/small.jpg")
    assert (status, response.headers["content-type"]) == (200, "image/jpeg")


def test_hostile_text_is_shown_as_text(site, plant):
    plant.part(part_id="<script>alert(1)</script>")
    html = site.get("/")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
