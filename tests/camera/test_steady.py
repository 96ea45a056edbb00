from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from edge.camera.source import Frame
from edge.camera.steady import BACKOFF_S, TIMEOUTS_IN_A_ROW, SteadyCamera
from edge.core.errors import CameraError, CameraFrozen, CameraLost, CameraTimeout


@dataclass
class ScriptedCamera:
    """Does what it is told: an error is raised, an image delivered, None delivers fresh noise."""

    live: bool = True
    script: list[Any] = field(default_factory=list)
    openings: list[Exception | None] = field(default_factory=list)
    seq: int = 0
    exposures: int = 0
    numbers: bool = True
    opened: int = 0
    closed: int = 0

    def __enter__(self):
        self.opened += 1
        trouble = self.openings.pop(0) if self.openings else None
        if trouble is not None:
            raise trouble
        return self

    def __exit__(self, *exc):
        self.closed += 1

    def grab(self, shot, timeout_s):
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        self.seq += self.numbers
        self.exposures += 1
        fresh = np.random.default_rng(self.exposures).integers(0, 256, (40, 30), dtype=np.uint8)
        return Frame(fresh if step is None else step, self.seq, 0)


@pytest.fixture
def camera():
    return ScriptedCamera()


@pytest.fixture
def steady(camera, clock):
    with SteadyCamera(camera, "main", clock) as steady:
        yield steady


def wait(clock, seconds):
    clock.ns += round(seconds * 1e9)


def test_good_frames_pass_through(steady, shot):
    assert [steady.grab(shot(), 1).seq for _ in range(3)] == [1, 2, 3]
    assert steady.trouble is None


def test_shots_frames_and_openings_are_counted(steady, camera, clock, shot):
    camera.script = [None, CameraTimeout("none"), CameraLost("cable")]
    steady.grab(shot(), 1)
    for _ in range(3):  # late, lost, and still away
        with pytest.raises(CameraError):
            steady.grab(shot(), 1)
    wait(clock, BACKOFF_S[0])
    steady.grab(shot(), 1)
    assert steady.counts() == {"shots": 5, "frames": 2, "opened": 2}


@dataclass
class CountingCamera(ScriptedCamera):
    """Knows what it missed since it was opened."""

    missed: int = 0

    def __enter__(self):
        self.missed = 0
        return super().__enter__()

    def counts(self):
        return {"missed_frames": self.missed} if self.opened > self.closed else {}


def test_what_the_camera_itself_missed_is_kept_when_it_is_reopened(clock, shot):
    camera = CountingCamera()
    with SteadyCamera(camera, "main", clock) as steady:
        assert steady.counts()["missed_frames"] == 0
        camera.missed = 3
        camera.script = [CameraLost("cable")]
        with pytest.raises(CameraLost):
            steady.grab(shot(), 1)
        assert steady.counts()["missed_frames"] == 3
        wait(clock, BACKOFF_S[0])
        steady.grab(shot(), 1)
        camera.missed = 2
        assert steady.counts()["missed_frames"] == 5


def test_camera_that_is_not_there_at_the_start_is_found_later(clock, shot):
    camera = ScriptedCamera(openings=[CameraLost("no such device")])
    with SteadyCamera(camera, "main", clock) as steady:
        with pytest.raises(CameraLost, match="no such device"):
            steady.grab(shot(), 1)
        assert steady.trouble == "no such device"
        wait(clock, BACKOFF_S[0])
        assert steady.probe()
        assert steady.grab(shot(), 1).seq == 1
        assert steady.trouble is None


def test_lost_camera_is_closed_and_reopened_after_a_pause(steady, camera, clock, shot):
    camera.script = [CameraLost("cable")]
    with pytest.raises(CameraLost, match="cable"):
        steady.grab(shot(), 1)
    assert camera.closed == 1
    with pytest.raises(CameraLost, match="cable"):
        steady.grab(shot(), 1)
    assert camera.opened == 1
    wait(clock, BACKOFF_S[0])
    assert steady.grab(shot(), 1).seq == 1
    assert camera.opened == 2


def test_pauses_between_attempts_grow_and_then_stay(clock):
    camera = ScriptedCamera(openings=[CameraLost("gone")] * 100)
    attempts = []
    with SteadyCamera(camera, "main", clock) as steady:
        start = clock.ns
        for _ in range(200):
            before = camera.opened
            steady.probe()
            if camera.opened > before:
                attempts.append((clock.ns - start) / 1e9)
            wait(clock, 0.1)
    pauses = np.diff([0, *attempts])
    expected = [*BACKOFF_S, *[BACKOFF_S[-1]] * 20][: len(pauses)]
    assert len(pauses) > len(BACKOFF_S)
    assert pauses == pytest.approx(expected, abs=0.11)


def test_camera_that_opens_but_delivers_nothing_is_not_reopened_without_pause(camera, clock, shot):
    camera.script = [CameraLost("no data")] * 1000
    with SteadyCamera(camera, "main", clock) as steady:
        for _ in range(100):
            with pytest.raises(CameraLost):
                steady.grab(shot(), 1)
            wait(clock, 0.1)
    assert camera.opened <= 9


def test_one_timeout_does_not_close_the_camera_but_several_do(steady, camera, shot):
    camera.script = [CameraTimeout("slow")] * TIMEOUTS_IN_A_ROW
    for n in range(TIMEOUTS_IN_A_ROW):
        assert camera.closed == 0, n
        with pytest.raises(CameraTimeout):
            steady.grab(shot(), 1)
    assert camera.closed == 1
    assert "3 times no frame in time" in steady.trouble


def test_frame_between_timeouts_starts_the_count_again(steady, camera, shot):
    camera.script = [CameraTimeout("slow"), CameraTimeout("slow"), None] * 5
    for step in list(camera.script):
        if step is None:
            steady.grab(shot(), 1)
            continue
        with pytest.raises(CameraTimeout):
            steady.grab(shot(), 1)
    assert camera.closed == 0


def test_counter_that_stands_is_a_frozen_camera(steady, camera, shot):
    steady.grab(shot(), 1)
    camera.numbers = False
    with pytest.raises(CameraFrozen, match="stands at frame 1"):
        steady.grab(shot(), 1)


def test_same_pixels_under_a_running_counter_are_a_frozen_camera(steady, camera, clock, shot):
    held = steady.grab(shot(), 1).image
    camera.script = [held, held, None]
    for _ in range(2):
        with pytest.raises(CameraFrozen, match="same picture"):
            steady.grab(shot(), 1)
        with pytest.raises(CameraFrozen, match="same picture"):  # not yet reopened
            steady.grab(shot(), 1)
        wait(clock, 10)
    assert steady.grab(shot(), 1).seq == 4
    assert camera.opened == 3


def test_difference_in_any_row_step_is_enough(steady, camera, shot):
    image = steady.grab(shot(), 1).image
    noisy = image.copy()
    noisy[:, 0] ^= 1
    camera.script = [noisy]
    assert steady.grab(shot(), 1).seq == 2


@pytest.mark.parametrize("value", [0, 255])
def test_black_or_white_twice_is_a_matter_of_light_not_frozen(steady, camera, shot, value):
    flat = np.full((40, 30), value, np.uint8)
    camera.script = [flat, flat.copy()]
    steady.grab(shot(), 1)
    assert steady.grab(shot(), 1).seq == 2


def test_picture_of_another_size_is_a_lost_camera_until_it_has_its_size_again(
    steady, camera, clock, shot
):
    other = np.random.default_rng(7).integers(0, 256, (80, 60), dtype=np.uint8)
    camera.script = [None, other, other, None]
    steady.grab(shot(), 1)
    for _ in range(2):
        with pytest.raises(CameraLost, match="are 60x80 now and were 30x40"):
            steady.grab(shot(), 1)
        wait(clock, BACKOFF_S[-1])
    assert steady.grab(shot(), 1).image.shape == (40, 30)
    assert camera.opened == 3


def test_recorded_pictures_may_have_any_size(clock, shot):
    pictures = [np.full((side, 30), 7, np.uint8) for side in (40, 80)]
    with SteadyCamera(ScriptedCamera(live=False, script=pictures), "main", clock) as steady:
        assert [steady.grab(shot(), 1).image.shape[0] for _ in range(2)] == [40, 80]


def test_recorded_pictures_may_repeat(clock, shot):
    image = np.eye(40, dtype=np.uint8)
    camera = ScriptedCamera(live=False, script=[image, image])
    with SteadyCamera(camera, "main", clock) as steady:
        assert [steady.grab(shot(), 1).seq for _ in range(2)] == [1, 2]


def test_reopened_camera_may_count_from_the_start(steady, camera, clock, shot):
    steady.grab(shot(), 1)
    camera.script = [CameraLost("cable")]
    with pytest.raises(CameraLost):
        steady.grab(shot(), 1)
    wait(clock, 1)
    camera.seq = 0
    assert steady.grab(shot(), 1).seq == 1


def test_simulators_faults_are_all_noticed(simulator, faults_file, clock, shot):
    with SteadyCamera(simulator, "main", clock) as steady:
        number = iter(range(1000))
        outcome = []
        for faults in ({}, {"frozen": True}, {}, {"stalled": True}, {}, {"lost": True}, {}):
            faults_file(**faults)
            wait(clock, 10)
            try:
                steady.grab(shot(f"SIM-{next(number):06d}"), 0.2)
                outcome.append("frame")
            except CameraError as error:
                outcome.append(type(error).__name__)
    frozen, lost = "CameraFrozen", "CameraLost"
    assert outcome == ["frame", frozen, "frame", frozen, "frame", lost, "frame"]
