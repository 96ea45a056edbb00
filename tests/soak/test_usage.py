"""What grows is found, what only moves is not."""

from random import Random

import pytest

from soak.usage import Sample, trends


def samples(
    seconds: float = 3600, leak_mb_h: float = 0.0, lives_s: float = 1e9, fds: int = 20
) -> list[Sample]:
    """One job, every 10 s: warms up for 20 s to 100 MB, with noise, and leaks."""
    rng = Random(5)
    found = []
    for at_s in range(0, round(seconds), 10):
        age_s = at_s % lives_s
        warm_mb = min(age_s, 20) * 2 + 60 + rng.gauss(0, 0.3)
        pss_mb = warm_mb + leak_mb_h * age_s / 3600
        found.append(Sample("gate", at_s, int(at_s // lives_s), age_s, pss_mb, fds))
    return found


@pytest.mark.parametrize("leak_mb_h", [0.0, 0.5, 3.0])
def test_slope_is_the_leak_whatever_the_warm_up_was(leak_mb_h: float) -> None:
    trend = trends(samples(leak_mb_h=leak_mb_h))["gate"]
    assert trend.slope_mb_h == pytest.approx(leak_mb_h, abs=0.15)
    assert trend.slope_low_mb_h < trend.slope_mb_h < trend.slope_high_mb_h  # type: ignore[operator]


def test_job_that_was_started_again_does_not_look_like_one_that_grows() -> None:
    trend = trends(samples(lives_s=200))["gate"]
    assert trend.processes == 18
    assert abs(trend.slope_mb_h or 9) < 0.5


def test_short_run_has_no_slope() -> None:
    assert trends(samples(seconds=600))["gate"].slope_mb_h is None
    assert trends(samples(seconds=20))["gate"].samples == 2  # nothing outlived the warm-up


def test_connection_that_is_open_by_chance_is_no_leak_of_descriptors() -> None:
    seen = samples()
    visited = [
        Sample(s.job, s.at_s, s.pid, s.age_s, s.pss_mb, s.fds + (n == len(seen) - 1))
        for n, s in enumerate(seen)
    ]
    trend = trends(visited)["gate"]
    assert (trend.fds_first, trend.fds_last) == (20, 20)
    grown = trends([*seen[:-20], *samples(fds=21)[-20:]])["gate"]
    assert (grown.fds_first, grown.fds_last) == (20, 21)
