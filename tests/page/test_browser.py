"""The page in a real browser: Chromium, desktop and phone. Skipped, loudly, where there is none."""

import shutil
import time
from contextlib import contextmanager

import pytest

from edge.core.messages import Level, Reason, Verdict
from edge.core.orders import CameraFigures, PixelFigures, ViewFigures

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 375, "height": 812}, "has_touch": True, "is_mobile": True}

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH: the page was NOT looked at"),
]


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@contextmanager
def looking(browser, site, path="/", name="Ada%20L.", before=lambda page: None, **how):
    """A page that may not complain, and may not ask anybody else."""
    context = browser.new_context(**(how or DESKTOP))
    if name:
        context.add_cookies([{"name": "linegate_name", "value": name, "url": site.url}])
    page = context.new_page()
    complaints, asked = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    before(page)
    page.goto(site.url + path)
    page.complaints = complaints
    yield page
    assert all(url.startswith(site.url + "/") for url in asked), asked
    context.close()


def is_live(page):
    page.wait_for_selector("body.live", timeout=20_000)


def may_be_judged(page):
    page.wait_for_timeout(900)  # longer than page.js's ARM_MS


@pytest.fixture
def watched(gate):
    """Asked for before `site`, as its page remembers what the gate said."""
    view = ViewFigures(
        recipe="W" * 32, view="V" * 32, camera="C" * 32, moved_px=12.3, moved_max_px=3,
        sharpness=None, sharpness_min=0.5, light=1.42, light_max=0.3, reference_light=201.4,
    )  # fmt: skip
    pixels = PixelFigures(camera="C" * 32, new=1234, accepted=56)
    gate.figures = CameraFigures(views=(view,), pixels=(pixels,))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_figures_of_the_cameras_fit_and_are_marked_beyond_their_limits(
    browser, watched, site, size
):
    with looking(browser, site, **size) as page:
        is_live(page)
        assert "12.3 px off" in page.inner_text("#cameras")
        assert page.locator("#cameras .beyond svg").count() == 3
        assert page.evaluate("document.documentElement.scrollWidth") == size["viewport"]["width"]
        assert page.complaints == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_new_part_arrives_and_nothing_overflows(browser, site, plant, size):
    plant.part(Verdict.REWORK, reasons=(Reason.DEFECT,), score=0.93)
    with looking(browser, site, **size) as page:
        is_live(page)
        assert "A-1001" in page.inner_text("#newest")
        plant.part(part_id="W" * 64)  # the longest id there can be
        page.wait_for_selector("#newest >> text=" + "W" * 64)
        assert "The model sees a defect" in page.inner_text("#reworks")
        assert page.evaluate("document.documentElement.scrollWidth") == size["viewport"]["width"]
        small = page.eval_on_selector_all(
            "button, summary, input[type=text], .tools label, .levels label, .crumb",
            "all => all.filter(e => e.offsetHeight && e.offsetHeight < 44).map(e => e.outerHTML)",
        )
        assert small == []
        assert page.complaints == []


@pytest.mark.parametrize("script", ["htmx.min.js", "hx-sse.min.js", "page.js"])
def test_live_although_a_script_comes_late(browser, site, script):
    def delay(route):
        time.sleep(0.5)
        route.continue_()

    with looking(browser, site, before=lambda page: page.route(f"**/{script}", delay)) as page:
        is_live(page)
        assert page.complaints == []


def test_page_of_a_restarted_box_is_loaded_again(browser, site):
    with looking(browser, site) as page:
        is_live(page)
        page.evaluate("document.body.dataset.process = 'another'")
        with page.expect_navigation():
            site.server.config.app.state.live.close()  # the stream ends; the page asks again
        is_live(page)


def test_review_by_touch(browser, site, plant, gate):
    first = plant.part(Verdict.REVIEW, score=0.5)
    plant.part(Verdict.REVIEW, score=0.6)
    with looking(browser, site, **PHONE) as page:
        is_live(page)
        may_be_judged(page)
        page.tap("#queue button.no")
        page.wait_for_selector("text=Part A-1001: REWORK reached the line in time.")
        page.wait_for_selector("#queue >> text=A-1002")
        assert [order.inspection_id for order in gate.received] == [first]
        assert page.complaints == []


def test_buttons_are_in_reach_while_the_picture_is_looked_at(browser, site, plant):
    plant.part(Verdict.REVIEW, score=0.5)
    with looking(browser, site, **PHONE) as page:
        page.wait_for_selector("#queue button.yes")
        page.evaluate("document.querySelector('.waiting').scrollIntoView()")
        box = page.locator("#queue button.yes").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 812
        assert box["height"] >= 44 and box["width"] >= 120


def test_a_second_tap_does_not_judge_the_part_that_slid_under_it(browser, site, plant, gate):
    for _ in range(3):
        plant.part(Verdict.REVIEW, score=0.5)
    with looking(browser, site) as page:
        is_live(page)
        may_be_judged(page)
        page.click("#queue button.yes")
        page.wait_for_selector("#queue >> css=[data-front=i00002]")
        page.click("#queue button.yes", no_wait_after=True)
        page.wait_for_timeout(300)
        assert len(gate.received) == 1
        may_be_judged(page)
        page.click("#queue button.yes")
        page.wait_for_selector("#queue >> css=[data-front=i00003]")
        assert [order.inspection_id for order in gate.received] == ["i00001", "i00002"]


def test_keys_judge_but_not_while_a_name_is_typed(browser, site, plant, gate):
    plant.part(Verdict.REVIEW, score=0.5)
    plant.part(Verdict.REVIEW, score=0.5)
    with looking(browser, site) as page:
        is_live(page)
        page.click(".you summary")
        page.fill("#name", "")
        page.locator("#name").press_sequentially("Pru R.")
        may_be_judged(page)
        assert gate.received == []
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("p")
        page.wait_for_selector("text=PASS reached the line in time")
        may_be_judged(page)
        page.keyboard.press("r")
        page.wait_for_selector("text=REWORK reached the line in time")
        assert [order.verdict for order in gate.received] == [Verdict.PASS, Verdict.REWORK]
        assert page.complaints == []


def test_name_is_asked_before_the_first_verdict(browser, site, plant, gate):
    plant.part(Verdict.REVIEW, score=0.5)
    with looking(browser, site, name=None) as page:
        is_live(page)
        may_be_judged(page)
        page.click("#queue button.yes")
        page.wait_for_selector("text=First say who you are")
        assert page.evaluate("document.activeElement.id") == "name"
        page.keyboard.type("Zoë")
        page.keyboard.press("Enter")
        page.wait_for_selector(".you >> text=Zoë")
        may_be_judged(page)
        page.click("#queue button.yes")
        page.wait_for_selector("text=PASS reached the line in time")
        assert gate.received[0].who == "Zoë"


def test_late_verdict_on_the_parts_own_page(browser, site, plant, gate):
    inspection_id = plant.part(Verdict.PASS, score=0.1)
    with looking(browser, site, f"/parts/{inspection_id}") as page:
        page.click("button.no")
        page.wait_for_selector("text=the line already had its verdict")
        assert page.complaints == []


def test_heatmap_can_be_faded_and_hidden(browser, site, plant):
    inspection_id = plant.part(Verdict.REWORK, reasons=(Reason.DEFECT,), score=0.9)
    with looking(browser, site, f"/parts/{inspection_id}") as page:
        page.wait_for_selector("html.js")
        page.fill("#heat-strength", "30")
        assert page.eval_on_selector(".heat", "e => getComputedStyle(e).opacity") == "0.3"
        page.keyboard.press("h")
        assert page.eval_on_selector(".heat", "e => getComputedStyle(e).display") == "none"
        page.reload()
        page.wait_for_selector("html.js")
        assert page.eval_on_selector(".heat", "e => getComputedStyle(e).display") == "none"
        assert page.complaints == []


def test_level_is_chosen_with_its_consequences(browser, site, plant, gate):
    with looking(browser, site) as page:
        is_live(page)
        page.click("text=Change the level of automation")
        assert "the model is not asked" in page.inner_text(".levels")
        page.check("input[value=human]")
        page.click("text=Change level")
        page.wait_for_selector("text=The level is now Human")
        page.wait_for_selector("#state >> text=Human: a person decides every part")
        assert gate.received[0].level is Level.HUMAN
        assert page.locator("details >> css=input[value=human]").is_visible()  # still open


def test_lost_box_is_said_plainly(browser, site, plant):
    with looking(browser, site) as page:
        is_live(page)
        assert page.is_hidden("#notice")
        site.server.should_exit = True
        page.wait_for_selector("#notice >> text=No contact with the box", timeout=20_000)
        assert page.locator("body.stale").count() == 1


def test_readable_without_javascript(browser, site, plant, gate):
    plant.part(Verdict.REWORK, reasons=(Reason.DEFECT,), score=0.9)
    plant.part(Verdict.REVIEW, score=0.5)
    with looking(browser, site, java_script_enabled=False) as page:
        text = page.inner_text("main")
        assert "Ready" in text and "The model sees a defect" in text and "A-1002" in text
        page.click("#queue button.yes")
        page.wait_for_selector("text=PASS reached the line in time")
        page.click("text=Back")
        page.click("#newest >> text=A-1001")
        assert "Decided" in page.inner_text("main")
        assert page.complaints == []
