"""A part's serial on the page: shown, counted, and found."""

from edge.core.messages import Reason, Verdict


def test_part_shows_its_serial_and_the_way_to_its_other_inspections(site, plant):
    first = plant.part(verdict=Verdict.REWORK, serial="S<1>")
    second = plant.part(serial="S<1>")
    page = site.get(f"/parts/{second}")
    assert "<dd>S&lt;1&gt;</dd>" in page
    listed = page[page.index("Inspections of this serial") :]
    assert f'href="/parts/{first}"' in listed and "REWORK</a>" in listed
    assert f'href="/parts/{second}"' not in listed


def test_part_that_came_once_has_no_list(site, plant):
    page = site.get(f"/parts/{plant.part(serial='S1')}")
    assert "<dd>S1</dd>" in page and "Inspections of this serial" not in page
    assert "Serial" not in site.get(f"/parts/{plant.part()}")


def test_duplicate_is_told_in_words(site, plant):
    part = plant.part(Verdict.REWORK, reasons=(Reason.SERIAL_DUPLICATE,), serial="S1")
    assert "A part with this serial has passed before" in site.get(f"/parts/{part}")


def test_serial_leads_to_the_last_inspection(site, plant):
    plant.part(Verdict.REWORK, serial="S 1/2")
    last = plant.part(serial="S 1/2")
    status, _, response = site.ask("GET", "/find?serial=+S%201%2F2+")
    assert (status, response.getheader("location")) == (303, f"/parts/{last}")
    status, text, _ = site.ask("GET", "/find?serial=S1")
    assert status == 404 and "No part with this serial" in text
    assert site.ask("GET", "/find")[0] == 404


def test_field_to_find_a_part_is_there_only_where_codes_are_read(site, plant):
    assert 'action="/find"' not in site.get("/")


def test_api_lists_the_inspections_of_a_serial(site, plant):
    ids = [plant.part(Verdict.REWORK, serial="S1"), plant.part(serial="S1")]
    plant.part(serial="S2")
    found = site.json("/api/parts?serial=S1")["parts"]
    assert [part["inspection_id"] for part in found] == ids[::-1]
    assert {part["serial"] for part in found} == {"S1"}
    assert site.json("/api/parts?serial=none")["parts"] == []
