"""The camera's clock as ours: a frame that was held up is not taken for a fresh one."""

import numpy as np
import pytest

from edge.camera.device_clock import DeviceClock

S, MS = 1_000_000_000, 1_000_000


@pytest.mark.parametrize("ppm", [-80, 0, 80])
def test_frame_is_dated_between_its_exposure_and_its_arrival_however_the_clocks_drift(
    ppm: int,
) -> None:
    clock, rng = DeviceClock(), np.random.default_rng(ppm + 100)
    for n in range(2000):
        exposed, delay = n * 10 * S, 0 if n == 0 else round(rng.exponential(20 * MS))
        found = clock.stamped_at_ns(1 + round(exposed * (1 + ppm * 1e-6)), exposed + delay)
        assert exposed - 2 * MS <= found <= exposed + delay


def test_frame_that_was_held_up_keeps_its_own_time() -> None:
    clock = DeviceClock()
    for n in range(5):
        clock.stamped_at_ns(1 + n * S, 100 * S + n * S)
    assert clock.stamped_at_ns(1 + 5 * S, 105 * S + 400 * MS) - 105 * S < MS


def test_offset_follows_a_slow_camera_clock() -> None:
    clock, late = DeviceClock(), []
    for n in range(3600):
        found = clock.stamped_at_ns(1 + round(n * S * (1 - 50e-6)), n * S)
        late.append(n * S - found)
    assert max(late) < MS  # after an hour, though the clocks are 180 ms apart


def test_clock_is_unsettled_while_frames_come_faster_than_they_were_taken() -> None:
    clock, settled = DeviceClock(), []
    for n in range(8):
        waited = max(0, 4 - n) * 40 * MS
        clock.stamped_at_ns(1 + n * 40 * MS, n * 40 * MS + waited)
        settled.append(clock.settled)
    assert settled == [False] * 5 + [True] * 3


def test_camera_without_a_clock_counts_from_arrival() -> None:
    assert DeviceClock().stamped_at_ns(0, 123) == 123
