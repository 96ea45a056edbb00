from itertools import pairwise

import numpy as np
import pytest

from edge.camera.parts import defect_of, part_id
from edge.camera.simulator import Simulator
from edge.config import SimulatorSettings
from edge.core.errors import CameraLost, CameraTimeout


def test_frame_is_exposed_after_the_call_and_counted(simulator, clock, shot):
    clock.ns = 5_000_000_000
    first, second = simulator.grab(shot(), 1), simulator.grab(shot(), 1)
    assert first.exposed_at_ns >= 5_000_000_000
    assert (first.seq, second.seq) == (1, 2)
    assert first.image.shape == (120, 160, 3) and first.image.dtype == np.uint8


def test_two_grabs_of_one_part_are_never_equal(simulator, shot):
    assert simulator.live
    images = [simulator.grab(shot(), 1).image for _ in range(10)]
    assert all(not np.array_equal(a, b) for a, b in pairwise(images))


def test_frozen_camera_counts_on_over_the_same_pixels(simulator, faults_file, shot):
    before = simulator.grab(shot(part_id(1)), 1)
    faults_file(frozen=True)
    after = simulator.grab(shot(part_id(2)), 1)
    assert np.array_equal(before.image, after.image)
    assert after.seq == before.seq + 1


def test_stalled_camera_repeats_counter_and_time(simulator, faults_file, clock, shot):
    before = simulator.grab(shot(part_id(1)), 1)
    faults_file(stalled=True)
    clock.ns += 10**9
    after = simulator.grab(shot(part_id(2)), 1)
    assert (after.seq, after.exposed_at_ns) == (before.seq, before.exposed_at_ns)


def test_lost_camera_comes_back_when_the_fault_is_gone(simulator, faults_file, shot):
    faults_file(lost=True)
    with pytest.raises(CameraLost, match="unplugged"):
        simulator.grab(shot(), 1)
    with pytest.raises(CameraLost):
        simulator.__enter__()
    faults_file()
    assert simulator.__enter__().grab(shot(), 1).seq == 1


def test_dropped_frames_time_out_in_their_share(simulator, faults_file, clock, shot):
    faults_file(drop=0.25)
    dropped = 0
    for _ in range(200):
        try:
            simulator.grab(shot(), 0.15)
        except CameraTimeout:
            dropped += 1
    assert 45 <= dropped <= 55
    assert clock.slept_s == [0.15] * dropped


def test_slow_camera_takes_its_time(simulator, faults_file, clock, shot):
    faults_file(slow_ms=400)
    frame = simulator.grab(shot(), 1.0)
    assert clock.ns - frame.exposed_at_ns == 400_000_000


def test_camera_slower_than_the_timeout_gives_none(simulator, faults_file, clock, shot):
    faults_file(slow_ms=400)
    with pytest.raises(CameraTimeout, match="400 ms"):
        simulator.grab(shot(), 0.15)
    assert sum(clock.slept_s) == pytest.approx(0.15)


def test_dead_lamp_is_black(simulator, faults_file, shot):
    faults_file(lamp=0.0)
    assert simulator.grab(shot(), 1).image.mean() < 3


def test_truth_says_what_the_view_shows(clock, shot):
    settings = SimulatorSettings(
        width_px=160, height_px=120, defect_share=1.0, views=("main", "side")
    )
    with Simulator(settings, clock) as camera:
        for number in range(12):
            defect = defect_of(settings, number)
            truths = {view: camera.truth(shot(part_id(number), view)) for view in settings.views}
            for view, truth in truths.items():
                assert truth.label == (defect.view == view)
                assert (truth.mask is not None) == (defect.view == view)
                assert truth.group == part_id(number)


def test_views_show_the_part_differently(clock, shot):
    settings = SimulatorSettings(width_px=160, height_px=120, views=("main", "side"))
    with Simulator(settings, clock) as camera:
        top, rim = camera.grab(shot(view="main"), 1), camera.grab(shot(view="side"), 1)
        unknown = camera.grab(shot(view="what"), 1)
    apart = [np.abs(top.image.astype(int) - other.image).mean() for other in (rim, unknown)]
    assert apart[0] > 20 > 3 > apart[1]


def test_domain_names_lot_and_light(simulator, faults_file, shot):
    assert simulator.truth(shot()).domain == "lot000"
    faults_file(lamp=0.5, lot="B")
    assert simulator.truth(shot()).domain == "B-dim"
