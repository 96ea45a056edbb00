"""The figures of the cameras, each beside its limit, on the page and for scripts."""

import re
import time

import pytest

from edge.core.orders import CameraFigures, PixelFigures, ViewFigures
from edge.page.camera_view import NOT_SEEN, Figure, Watched, cameras_view

VIEW = ViewFigures(
    recipe="flange", view="main", camera="main", moved_px=0.42, moved_max_px=3, sharpness=0.93,
    sharpness_min=0.5, light=0.95, light_max=0.3, reference_light=101.4,
)  # fmt: skip


def shown(**other) -> dict[str, Figure]:
    (watched,) = cameras_view(CameraFigures(views=(VIEW.model_copy(update=other),)))
    return {figure.label: figure for figure in watched.figures}


def test_every_figure_stands_beside_its_limit():
    assert cameras_view(CameraFigures(views=(VIEW,))) == (
        Watched(
            "flange, view main",
            (
                Figure("Place", "0.4 px off", "at most 3 px", True),
                Figure("Focus", "93 %", "at least 50 %", True),
                Figure("Light", "95 %", "70 to 130 % of 101 grey levels", True),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("label", "other"),
    [("Place", {"moved_px": 3.01}), ("Focus", {"sharpness": 0.49}), ("Light", {"light": 1.31})],
)
def test_figure_beyond_its_limit_is_marked_and_no_other(label, other):
    assert [name for name, figure in shown(**other).items() if not figure.good] == [label]


def test_what_cannot_be_told_is_neither_good_nor_bad():
    found = shown(moved_px=None, sharpness=None)
    assert (found["Place"].value, found["Place"].good) == (NOT_SEEN, None)
    assert (found["Focus"].value, found["Focus"].good) == (NOT_SEEN, None)


@pytest.mark.parametrize(
    ("new", "accepted", "value"), [(0, 0, "0 new"), (0, 2, "0 new, 2 accepted"), (1, 0, "1 new")]
)
def test_pixels_are_counted(new, accepted, value):
    pixels = PixelFigures(camera="top", new=new, accepted=accepted)
    (watched,) = cameras_view(CameraFigures(pixels=(pixels,)))
    assert watched == Watched("Camera top", (Figure("Pixels", value, "no new bad ones", new == 0),))


@pytest.fixture
def moved(gate) -> None:
    """Asked for before `site`: the page remembers for a moment what the gate said."""
    gate.figures = CameraFigures(views=(VIEW.model_copy(update={"moved_px": 7.0}),))


def test_page_and_api_show_them(moved, site):
    marked = r'class="beyond">\s*<th scope="row">Place</th>\s*<td><svg.*</svg> 7.0 px off'
    assert re.search(marked, site.get("/"))
    (found,) = site.json("/api/status")["gate"]["camera_figures"]["views"]
    assert (found["moved_px"], found["moved_max_px"]) == (7.0, 3.0)


def test_gate_that_is_away_has_no_figures(gate, site):
    gate.away = "no socket"
    deadline = time.monotonic() + 10
    while "None: the gate does not answer" not in site.get("/"):
        assert time.monotonic() < deadline


def test_page_says_what_figures_need_where_there_are_none(site):
    assert "No figures yet" in site.get("/")
