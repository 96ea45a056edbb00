"""How late a frame may be where nobody set a limit: by the kind of the camera."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from edge.camera.lateness import BOX_MS, camera_delay_ms, frame_limits_ms
from edge.config import Camera
from edge.core.recipe import Recipe, View

PI = {"exposure_us": 800, "gain": 1, "grey": True}
LINES = {"rows_px": 100}
REGION = {"x_px": 0, "y_px": 0, "w_px": 64, "h_px": 8}


def camera(kind: str, section: dict[str, Any] | None = None, **more: Any) -> Camera:
    values = {"kind": kind, **({} if section is None else {kind: section}), **more}
    return TypeAdapter(Camera).validate_python(values)


@pytest.mark.parametrize(
    ("kind", "section", "delay_ms"),
    [
        ("simulator", {}, None),  # the part stands there as long as it is asked for
        ("simulator", {"belt": "belt.json"}, 0),
        ("replay", {"frames": "."}, None),
        ("usb", {"device": "/dev/video0", "fps": 20}, 50),
        ("usb", {"device": "/dev/video0"}, 150),
        ("picamera", {**PI, "fps": 50}, 20),
        ("gige", {}, 0),
        ("gige", {"trigger": "Line1", "features": {"TriggerDelay": 1500.0}}, 1.5),
        ("gige", {"trigger": "free"}, 150),
        ("gige", {"trigger": "free", "features": {"AcquisitionFrameRate": 10}}, 100),
        ("gige", {"trigger": "free", "region": REGION, "linescan": LINES}, None),
    ],
)
def test_delay_of_a_camera_follows_from_its_kind_and_trigger(
    kind: str, section: dict[str, Any], delay_ms: float | None
) -> None:
    assert camera_delay_ms(camera(kind, section)) == delay_ms


def test_camera_whose_rate_nobody_knows_may_take_its_timeout() -> None:
    slow = camera("usb", {"device": "rtsp://10.0.0.7/1"}, grab_timeout_ms=400)
    assert camera_delay_ms(slow) == 400


def recipe(*views: str, **more: Any) -> Recipe:
    return Recipe(name="disc", model="toy", views=tuple(_view(name) for name in views), **more)


def _view(name: str) -> View:
    return View(name=name, camera=name)


def test_views_wait_for_the_cameras_before_them_and_once_for_the_box() -> None:
    delays_ms = {"top": 20.0, "side": 5.0, "still": None}
    limits = frame_limits_ms(recipe("top", "still", "side"), delays_ms)
    assert limits == {"top": BOX_MS + 20, "still": None, "side": BOX_MS + 25}


def test_what_the_recipe_says_holds_for_every_view() -> None:
    limits = frame_limits_ms(recipe("top", "still", frame_within_ms=80), {"top": 20, "still": None})
    assert limits == {"top": 80, "still": 80}
