"""Verdicts, names and levels, by form and by API."""

import json

import pytest

from edge.core.messages import Level, Verdict
from edge.page.guard import Refused
from edge.page.people import clean_name


def post_json(site, body, **headers):
    headers = {"Content_Type": "application/json", "X_Linegate_Token": site.token, **headers}
    status, text, _ = site.ask("POST", "/api/reviews", body, **headers)
    return status, json.loads(text)


def test_verdict_in_time_reaches_the_line(site, plant, gate):
    inspection_id = plant.part(Verdict.REVIEW, score=0.5)
    status, html = site.post("/reviews", inspection_id=inspection_id, verdict="pass")
    assert status == 200
    assert "Part A-1001: PASS reached the line in time." in html
    order = gate.received[0]
    assert (order.verdict, order.who) == (Verdict.PASS, "Ada L.")
    assert plant.reader.inspection(inspection_id).verdict is Verdict.PASS


def test_verdict_on_a_closed_part_is_only_recorded(site, plant):
    inspection_id = plant.part(Verdict.PASS)
    status, html = site.post("/reviews", inspection_id=inspection_id, verdict="rework")
    assert status == 200
    assert "REWORK is recorded, but the line already had its verdict" in html
    assert plant.reader.inspection(inspection_id).verdict is Verdict.PASS
    assert "Ada L. said REWORK" in site.get(f"/parts/{inspection_id}")


def test_gate_away_keeps_nothing_and_says_so(site, plant, gate):
    inspection_id = plant.part(Verdict.REVIEW)
    token = site.token
    gate.away = "connection refused"
    status, html = site.post("/reviews", token, inspection_id=inspection_id, verdict="pass")
    assert status == 503
    assert "Not carried out. The gate says: connection refused" in html


def test_nobody_decides_without_a_name(site, plant, gate):
    inspection_id = plant.part(Verdict.REVIEW)
    site.cookie = ""
    status, html = site.post("/reviews", inspection_id=inspection_id, verdict="pass")
    assert status == 422
    assert "First say who you are" in html
    assert gate.received == []


def test_only_pass_and_rework_are_verdicts(site, plant, gate):
    inspection_id = plant.part(Verdict.REVIEW)
    for verdict in ("review", "", "PASS", "scrap"):
        assert site.post("/reviews", inspection_id=inspection_id, verdict=verdict)[0] == 422
    assert gate.received == []


def test_unknown_part_cannot_be_judged(site, gate, plant):
    plant.part()
    assert site.post("/reviews", inspection_id="nobody", verdict="pass")[0] == 404
    assert gate.received == []


def test_name_is_asked_once_and_kept(site, plant):
    site.cookie = ""
    body = f"token={site.token}&who=%20Zo%C3%AB%20%20K.%20&back=/parts/i00001".encode()
    status, _, response = site.ask(
        "POST", "/name", body, Content_Type="application/x-www-form-urlencoded"
    )
    cookie = response.headers["set-cookie"]
    assert (status, response.headers["location"]) == (303, "/parts/i00001")
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert "Zoë K." in site.get("/", Cookie=cookie.partition(";")[0])


def test_name_form_leads_nowhere_else(site):
    for back in ("//evil.example", "https://evil.example", "/../x", "javascript:1"):
        body = f"token={site.token}&who=Ada&back={back}".encode()
        assert site.ask("POST", "/name", body)[2].headers["location"] == "/", back


@pytest.mark.parametrize("text", ["", "   ", "x" * 65, "a\x00b", "a\u202eb"])
def test_what_is_no_name(text):
    with pytest.raises(Refused):
        clean_name(text)


def test_level_is_changed_with_a_name(site, gate, plant):
    status, html = site.post("/level", level="human")
    assert status == 200
    assert "The level is now Human: a person decides every part." in html
    assert (gate.received[0].level, gate.received[0].who) == (Level.HUMAN, "Ada L.")
    assert site.post("/level", level="god")[0] == 422


def test_level_goes_down_without_a_name_and_up_as_the_gate_allows(site, gate, plant):
    token = site.token
    site.cookie = ""
    assert site.post("/level", token, level="human")[0] == 200
    assert (gate.received[0].level, gate.received[0].who) == (Level.HUMAN, None)
    gate.away = "going up from human to full needs a named person in 'who'"
    status, html = site.post("/level", token, level="full")
    assert status == 422  # as with a verdict without a name: the page asks for it
    assert "who you are" in html


def test_without_javascript_an_answer_is_a_page(site, plant):
    inspection_id = plant.part(Verdict.REVIEW)
    body = f"token={site.token}&inspection_id={inspection_id}&verdict=pass".encode()
    status, html, _ = site.ask("POST", "/reviews", body, Cookie=site.cookie)
    assert status == 200
    assert html.startswith("<!doctype html>") and "reached the line in time" in html


# ---- the API ----


def test_api_review(site, plant, gate):
    inspection_id = plant.part(Verdict.REVIEW, score=0.5)
    body = json.dumps({"inspection_id": inspection_id, "verdict": "rework", "who": "cell 7"})
    status, answer = post_json(site, body.encode())
    assert (status, answer["ok"], answer["in_time"]) == (200, True, True)
    assert gate.received[0].who == "cell 7"


NOT_A_REVIEW = (
    b"",
    b"[]",
    b"null",
    b"{",
    b"\xff\xfe",
    b'{"inspection_id": 5, "verdict": "pass", "who": "x"}',
    b'{"inspection_id": "i00001", "verdict": "pass"}',
    b'{"inspection_id": "i00001", "verdict": "pass", "who": " "}',
)


def test_api_names_what_it_wants(site, gate):
    for body in NOT_A_REVIEW:
        status, answer = post_json(site, body)
        assert (status, answer["ok"]) == (422, False), body
        assert answer["sentence"]
    assert gate.received == []


def test_api_part_has_the_record_and_the_three_words(site, plant):
    inspection_id = plant.part(Verdict.PASS, score=0.04)
    part = site.json(f"/api/parts/{inspection_id}")
    assert (part["decided"], part["durable"], part["delivered"]) == (True, True, None)
    assert part["record"]["stages_ms"] == {"grab": 8.1, "predict": 6.2}
    assert {image["kind"] for image in part["images"]} == {"frame", "heatmap"}
    assert site.ask("GET", "/api/parts/nobody")[0] == 404


def test_api_open_part_has_no_record_yet(site, plant):
    part = site.json(f"/api/parts/{plant.part(None)}")
    assert (part["verdict"], part["record"], part["decided"]) == (None, None, False)


def test_api_limit(site, plant):
    for _ in range(3):
        plant.part(picture=False)
    parts = site.json("/api/parts?limit=2")["parts"]
    assert [part["part_id"] for part in parts] == ["A-1003", "A-1002"]
    for limit in ("0", "201", "-1", "two", "1e2", "9" * 12, "0000000019999"):
        assert site.ask("GET", f"/api/parts?limit={limit}")[0] == 422, limit


def test_technician_sees_what_a_camera_missed(site):
    assert site.json("/api/status")["gate"]["cameras"]["main"]["missed_frames"] == 1
    assert "1 of 9 pictures did not come, 1 frame lost on the way" in site.get("/")


def test_api_status_of_a_gate_that_is_away(site, gate):
    gate.away = "connection refused"
    status = site.json("/api/status")
    assert (status["gate"], status["away"]) == (None, "connection refused")
