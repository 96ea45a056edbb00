"""CSI cameras: against picamera2's recorded API, and a real one (marker `hardware`)."""

import ast
import inspect
import json
import sys
import threading
import time
from pathlib import Path

import fake_picamera2 as fake
import numpy as np
import pytest
from pydantic import ValidationError

from edge.camera import picamera, picamera_setup
from edge.camera.opening import open_camera
from edge.camera.picamera import PiCamera
from edge.camera.source import Shot
from edge.camera.steady import SteadyCamera
from edge.clock import SystemClock
from edge.config import Camera, PicameraSettings
from edge.core.clock import ns
from edge.core.errors import CameraFrozen, CameraLost, CameraTimeout

API = json.loads((Path(__file__).parent / "picamera2_api.json").read_text())
LIGHT = {"exposure_us": 5000, "gain": 2.0, "colour_gains": (1.8, 1.6), "focus_dioptres": 4.0}


# ---- the contract ----


def parameters(method):
    """As the record has them: names, and defaults as they are written."""
    shown = []
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        default = parameter.default
        shown.append(
            parameter.name if default is parameter.empty else f"{parameter.name}={default!r}"
        )
    return shown


@pytest.mark.parametrize("name", API["methods"])
def test_fake_has_the_recorded_signatures(name):
    made = {
        method: parameters(function)
        for method, function in vars(getattr(fake, name)).items()
        if inspect.isfunction(function) and method in API["methods"][name]
    }
    assert made == API["methods"][name]


def used_of(module, *owners):
    """Attributes that a module takes of these names."""
    return {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in owners
    }


def test_product_uses_nothing_but_what_is_recorded():
    recorded = {*API["methods"]["Picamera2"], *API["values"]["Picamera2"]}
    camera = used_of(picamera, "camera", "self._camera") | used_of(picamera_setup, "camera")
    assert camera and camera <= recorded
    request = used_of(picamera, "request")
    assert request and request <= set(API["methods"]["CompletedRequest"])


@pytest.mark.hardware
def test_installed_picamera2_has_the_recorded_signatures():
    from picamera2 import CompletedRequest, Picamera2

    for cls in (Picamera2, CompletedRequest):
        for method, wanted in API["methods"][cls.__name__].items():
            names = [text.partition("=")[0] for text in wanted]
            assert list(inspect.signature(getattr(cls, method)).parameters)[1:] == names, method


@pytest.mark.hardware
def test_real_camera_gives_only_frames_of_this_part():
    settings = PicameraSettings(exposure_us=5000, gain=2.0, grey=True, colour_gains=(1.8, 1.6))
    with SteadyCamera(PiCamera(settings, SystemClock()), "main", SystemClock()) as source:
        assert source.probe(), source.trouble
        for _ in range(100):
            asked = Shot("P1", "main", time.monotonic_ns())
            frame = source.grab(asked, 1.0)
            assert asked.triggered_at_ns <= frame.exposed_at_ns <= time.monotonic_ns()


# ---- a frame for a part ----


@pytest.fixture
def sensor(clock):
    return fake.Sensor(clock)


@pytest.fixture
def opened(sensor, clock):
    """Opens a camera; it is closed at the end."""
    made = []

    def open_(**settings):
        wanted = PicameraSettings.model_validate(
            LIGHT | {"width_px": 100, "height_px": 80} | settings
        )
        made.append(PiCamera(wanted, clock, fake.plugged(sensor), lambda: sensor.suspended_ns, 0.2))
        return made[-1].__enter__()

    yield open_
    for camera in made:
        if camera._camera is not None:
            camera.__exit__(None, None, None)


def shot(clock, lead_ms=0.0):
    return Shot("P1", "main", clock.ns, ns(lead_ms))


@pytest.mark.parametrize("idle_ms", [0, 5, 15, 33, 1000])
def test_frame_began_after_the_trigger_and_is_dated_by_its_exposure(opened, clock, idle_ms):
    source = opened()
    clock.ns += ns(idle_ms)
    asked = shot(clock)
    frame = source.grab(asked, 1.0)
    assert asked.triggered_at_ns <= frame.exposed_at_ns
    began_ns = frame.exposed_at_ns - 1_000_000_000 - 33_333_333 + 5_000_000
    assert began_ns % 33_333_333 == 0  # the stamp less the exposure
    assert clock.ns - asked.triggered_at_ns <= ns(5 + 2 * 33.4 + 20)


def test_exposure_that_was_under_way_at_the_trigger_is_of_another_part(opened, sensor, clock):
    source = opened(exposure_us=30_000)
    first = source.grab(shot(clock), 1.0)
    clock.ns = first.exposed_at_ns + ns(33.4)  # the next one has just begun
    asked = shot(clock)
    assert source.grab(asked, 1.0).exposed_at_ns >= asked.triggered_at_ns


def test_lead_allows_an_exposure_before_the_plc_spoke(opened, clock):
    source = opened()
    source.grab(shot(clock), 1.0)
    clock.ns += ns(500)
    before = clock.ns
    frame = source.grab(shot(clock, lead_ms=60), 1.0)
    assert before - ns(60) <= frame.exposed_at_ns < before


def test_box_that_slept_dates_its_frames_all_the_same(opened, sensor, clock):
    sensor.suspended_ns = ns(3_600_000)
    asked = shot(clock)
    frame = opened().grab(asked, 1.0)
    assert 0 <= frame.exposed_at_ns - asked.triggered_at_ns < ns(100)


def test_stamps_of_another_clock_are_refused(opened, sensor, clock):
    sensor.metadata = {"SensorTimestamp": clock.ns + ns(3_600_000)}
    with pytest.raises(CameraLost, match="come from the future"):
        opened().grab(shot(clock), 1.0)


def test_camera_that_does_not_date_its_frames_is_refused(opened, sensor, clock):
    sensor.untold = ("ExposureTime",)
    with pytest.raises(CameraLost, match="does not say when"):
        opened().grab(shot(clock), 1.0)


@pytest.mark.parametrize(("grey", "shape"), [(False, (80, 100, 3)), (True, (80, 100))])
def test_picture_is_our_own_and_has_no_padding(opened, clock, grey, shape):
    image = opened(grey=grey).grab(shot(clock), 1.0).image
    assert image.shape == shape and image.dtype == np.uint8
    assert image.base is None and image.flags.c_contiguous and image.flags.writeable


def test_every_frame_is_given_back(opened, sensor, clock):
    source = opened()
    for _ in range(50):
        clock.ns += ns(70)
        source.grab(shot(clock), 1.0)
    assert sensor.made[-1].lent == 0


def test_same_stamp_again_is_a_frozen_camera(opened, sensor, clock):
    with SteadyCamera(opened(), "main", clock) as source:
        first = source.grab(shot(clock), 1.0)
        sensor.metadata = {"SensorTimestamp": first.exposed_at_ns + ns(5)}
        with pytest.raises(CameraFrozen, match="stands at frame 1"):
            source.grab(shot(clock, lead_ms=1000), 1.0)


# ---- what breaks ----


def test_camera_that_sends_nothing_takes_its_time_and_no_more(opened, sensor, clock):
    source = opened()
    sensor.cable = False
    before = clock.ns
    with pytest.raises(CameraTimeout, match="no frame within 100 ms"):
        source.grab(shot(clock), 0.1)
    assert clock.ns - before == ns(100)


def test_frames_asked_for_in_vain_do_not_eat_up_the_ring(opened, sensor, clock):
    source = opened()
    for _ in range(20):
        with pytest.raises(CameraTimeout):
            source.grab(shot(clock), 0.001)
        clock.ns += ns(100)
    assert sensor.made[-1].lent <= 1
    asked = shot(clock)
    assert source.grab(asked, 1.0).exposed_at_ns >= asked.triggered_at_ns


def test_frame_of_other_light_is_none_and_the_error_names_the_setting(opened, sensor, clock):
    sensor.ignores = ("AnalogueGain",)
    with pytest.raises(CameraTimeout, match=r"picamera\.gain: asked for 2.0, the frame has 1.0"):
        opened().grab(shot(clock), 0.2)


def test_driver_that_fails_is_a_lost_camera(opened, sensor, clock):
    sensor.fails = RuntimeError("failed to find buffer")
    with pytest.raises(CameraLost, match="its driver failed: failed to find buffer"):
        opened().grab(shot(clock), 1.0)
    assert sensor.made[-1].lent == 0


def test_closing_cancels_what_waits_and_gives_back_what_came(opened, sensor, clock):
    source = opened()
    with pytest.raises(CameraTimeout):
        source.grab(shot(clock), 0.001)
    clock.ns += ns(100)
    sensor.made[-1]._pass_time(0)
    assert sensor.made[-1].lent == 1
    source.__exit__(None, None, None)
    assert sensor.made[-1].closed and sensor.made[-1].lent == 0
    source.__enter__()
    with pytest.raises(CameraTimeout):
        source.grab(shot(clock), 0.001)
    source.__exit__(None, None, None)
    assert sensor.made[-1].closed and len(sensor.made) == 2


def test_driver_that_does_not_close_is_left_alone_and_not_opened_twice(opened, sensor):
    source = opened()
    sensor.hangs = threading.Event()
    source.__exit__(None, None, None)
    with pytest.raises(CameraLost, match="still being let go"):
        source.__enter__()
    sensor.hangs.set()
    source._closing.join(5)
    source.__enter__()


# ---- what is set ----


def test_light_and_lens_are_locked_before_the_first_frame(opened, sensor):
    opened(fps=50)
    assert sensor.made[-1].set == {
        "ExposureTime": 5000,
        "AnalogueGain": 2.0,
        "ColourGains": (1.8, 1.6),
        "LensPosition": 4.0,
        "AfMode": 0,
        "FrameDurationLimits": (20000, 20000),
    }
    assert sensor.made[-1].config["main"] == {"format": "RGB888", "size": (100, 80)}


def test_without_a_size_it_is_the_sensors(opened, sensor):
    opened(width_px=None, height_px=None)
    assert sensor.made[-1].config["main"]["size"] == (1456, 1088)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"gain": 40}, r"picamera\.gain = 40: this camera takes 1 to 16"),
        ({"exposure_us": 5}, r"picamera\.exposure_us = 5: this camera takes 13"),
        ({"focus_dioptres": None}, r"focus_dioptres is missing: this camera's lens moves"),
        ({"colour_gains": None, "grey": True}, "colour_gains is missing: it locks the white"),
        ({"number": 3}, "CSI camera 3 cannot be opened: No camera number 3 found"),
    ],
)
def test_what_the_camera_does_not_take_is_refused_by_name(opened, sensor, settings, complaint):
    with pytest.raises(CameraLost, match=complaint):
        opened(**settings)
    assert all(camera.closed for camera in sensor.made)


def test_camera_without_a_lens_refuses_a_focus(opened, sensor):
    del sensor.controls["LensPosition"], sensor.controls["AfMode"]
    with pytest.raises(CameraLost, match=r"focus_dioptres: this camera has no LensPosition"):
        opened()
    opened(focus_dioptres=None)


def test_size_that_the_camera_changes_is_refused(opened, sensor):
    sensor.adjusts_to = (128, 80)
    with pytest.raises(CameraLost, match="asked for 100x80, the camera takes 128x80"):
        opened()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"colour_gains": None}, "locks the white balance"),
        ({"height_px": 80}, "both width_px and height_px"),
        ({"fps": 300}, "longer than a frame"),
    ],
)
def test_settings_that_leave_something_to_chance_are_refused(settings, complaint):
    with pytest.raises(ValidationError, match=complaint):
        PicameraSettings.model_validate(LIGHT | settings)


def test_box_without_picamera2_says_what_to_install(clock):
    if "picamera2" in sys.modules:
        pytest.skip("picamera2 is here")
    source = open_camera(
        Camera(kind="picamera", picamera=PicameraSettings.model_validate(LIGHT)), clock
    )
    with pytest.raises(CameraLost, match="install python3-picamera2 of Raspberry Pi OS"):
        source.__enter__()


def test_clock_of_the_stamps_is_never_behind_ours():
    assert picamera.time_suspended_ns() >= 0
