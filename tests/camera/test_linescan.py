"""Lines become frames by where the belt stood, whatever the belt and the blocks do."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.camera.linescan import WRAP, Strip
from edge.camera.linescan_camera import LinescanCamera
from edge.camera.source import Frame, Shot
from edge.config import GigeSettings, LinescanSettings
from edge.core.errors import CameraLost, CameraTimeout

ROWS = 40


def lines_at(counts):
    """Lines that show where they were taken: two bytes of the belt's count."""
    counts = np.asarray(counts).astype(np.int64)
    return np.stack([counts % 256, counts // 256 % 256], axis=1).astype(np.uint8)


def shown(image):
    """Where the rows of a frame were taken."""
    return image[:, 0].astype(int) + 256 * image[:, 1].astype(int)


def strip_of(blocks, **wanted):
    strip = Strip(LinescanSettings(rows_px=ROWS, **wanted))
    for block, count in blocks:
        strip.add(block, count)
    return strip


# ---- the lines ----


def test_blocks_that_follow_each_other_are_put_together():
    strip = strip_of([(lines_at(range(n, n + 8)), n) for n in range(0, 48, 8)])
    image, missing = strip.frame()
    assert strip.complete and list(shown(image)) == list(range(ROWS)) and not missing.any()


def test_strip_is_complete_with_its_last_row_and_not_before():
    strip = strip_of([(lines_at(range(39)), 0)])
    assert not strip.complete and strip.n_rows == 39
    strip.add(lines_at([39]), 39)
    assert strip.complete


def test_lost_block_leaves_its_rows_missing_but_for_those_at_its_edge():
    blocks = [(lines_at(range(n, n + 10)), n) for n in (0, 20, 30)]
    image, missing = strip_of(blocks, max_gap_px=2).frame()
    assert list(np.flatnonzero(missing)) == list(range(12, 18))
    assert set(shown(image)[10:20]) == {9, 20}


@given(
    start=st.integers(0, WRAP - 1),
    starts=st.lists(st.integers(-30, 60), max_size=25),
    heights=st.lists(st.integers(1, 20), min_size=1, max_size=26),
    reverse=st.booleans(),
)
def test_every_row_is_the_line_of_its_place_however_blocks_overlap(start, starts, heights, reverse):
    """The belt may stand, go back and come again; the counter may wrap."""
    sign = -1 if reverse else 1
    strip = Strip(LinescanSettings(rows_px=ROWS, reverse=reverse, encoder_chunk="EncoderValue"))
    kept: list[int] = []
    for at, height in zip([0, *starts], heights, strict=False):
        strip.add(lines_at(np.arange(at, at + height) + 1000), (start + sign * at) % WRAP)
        for place in range(at, at + height):  # one line at a time: only what is ahead of all
            if not kept or place > kept[-1]:
                kept.append(place)
    image, missing = strip.frame()
    assert strip.complete == (kept[-1] >= ROWS - 1)
    for row, place in enumerate(shown(image) - 1000):
        nearest = min(abs(k - row) for k in kept)
        assert abs(place - row) == nearest and missing[row] == (nearest > 1)


@settings(max_examples=200)
@given(
    per_line=st.floats(0.25, 4.0),
    per_px=st.floats(0.5, 3.0),
    height=st.integers(1, 30),
)
def test_pitch_of_the_lines_becomes_that_of_square_pixels(per_line, per_px, height):
    """Denser lines are left out, sparser ones come twice: the nearest one, at every row."""
    strip = Strip(LinescanSettings(
        rows_px=ROWS, counts_per_line=per_line, counts_per_px=per_px, max_gap_px=10
    ))  # fmt: skip
    n = 0
    while not strip.complete:
        strip.add(lines_at(np.arange(n, n + height)), n * per_line)
        n += height
    image, missing = strip.frame()
    off_px = np.abs(shown(image) * per_line / per_px - np.arange(ROWS))
    assert not missing.any() and off_px.max() <= per_line / per_px / 2 + 1e-6


def test_belt_that_goes_back_shows_its_lines_once():
    blocks = [
        (lines_at(range(20)), 0),
        (lines_at(range(100, 110)), 10),
        (lines_at(range(20, 40)), 20),
    ]
    image, missing = strip_of(blocks).frame()
    assert list(shown(image)) == list(range(ROWS)) and not missing.any()


def test_colour_stays_colour():
    strip = strip_of([(np.zeros((ROWS, 7, 3), np.uint8), 0)])
    assert strip.frame()[0].shape == (ROWS, 7, 3)


# ---- the camera ----


@dataclass
class Belt:
    """Blocks of eight lines, one each millisecond; `at` says where the belt stood."""

    clock: object
    knows: bool = True
    lost: tuple[int, ...] = ()
    fails: Exception | None = None
    taken_ns: int = 0
    live: bool = True
    n: int = 0
    stands_at: int | None = None
    closed: list = field(default_factory=list)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.closed.append(exc)

    def counts(self):
        return {"missed_frames": 3}

    def grab(self, shot, timeout_s):
        until_ns = self.clock.ns + round(timeout_s * 1e9)
        while True:
            if self.fails is not None and self.n > 2:
                raise self.fails
            ready_ns = 1_000_000_000 + self.n * 1_000_000
            if ready_ns > until_ns:
                self.clock.ns = until_ns
                raise CameraTimeout(f"no frame within {1000 * timeout_s:.0f} ms")
            self.clock.ns = max(self.clock.ns, ready_ns)
            n, self.n = self.n, self.n + 1
            if n not in self.lost and ready_ns >= shot.not_before_ns:
                at = 8 * n if self.stands_at is None else min(8 * n, self.stands_at)
                self.taken_ns = ready_ns
                image = lines_at(range(at, at + 8))
                return Frame(image, n + 1, ready_ns, at if self.knows else None)


@pytest.fixture
def belt(clock):
    return Belt(clock)


def camera(belt, clock, **wanted):
    return LinescanCamera(belt, LinescanSettings(rows_px=ROWS, **wanted), clock)


def at(ms):
    return Shot("P1", "main", 1_000_000_000 + round(ms * 1e6))


@pytest.mark.parametrize("knows", [True, False])
def test_frame_begins_with_the_first_block_after_the_trigger(belt, clock, knows):
    belt.knows = knows
    frame = camera(belt, clock).grab(at(2.5), 0.1)
    assert list(shown(frame.image)) == list(range(24, 24 + ROWS))
    assert (frame.seq, frame.exposed_at_ns) == (4, 1_003_000_000)


@pytest.mark.parametrize("knows", [True, False])
def test_block_that_never_came_makes_it_no_frame(belt, clock, knows):
    belt.knows, belt.lost = knows, (5,)
    with pytest.raises(
        CameraTimeout, match=r"6 of 40 rows lie more than 1 px from any line.*at 17"
    ):
        camera(belt, clock).grab(at(2.5), 0.1)


def test_small_gap_is_filled_if_the_settings_allow_it(belt, clock):
    belt.lost = (5,)
    frame = camera(belt, clock, max_gap_px=5).grab(at(2.5), 0.1)
    assert set(shown(frame.image)[16:24]) == {39, 48}


def test_belt_that_stops_is_a_timeout_that_says_how_far_it_came(belt, clock):
    belt.stands_at = 32
    with pytest.raises(CameraTimeout, match="16 of 40 rows, then no frame within"):
        camera(belt, clock).grab(at(2.5), 0.05)
    assert clock.ns <= 1_060_000_000


def test_part_too_close_to_the_one_before_it_is_no_frame(belt, clock):
    source = camera(belt, clock)
    source.grab(at(0), 0.1)
    with pytest.raises(CameraTimeout, match="its first lines are gone"):
        source.grab(at(3), 0.1)
    assert shown(source.grab(at(5), 0.1).image)[0] == 40


def test_lost_camera_is_lost_and_closing_closes_it(belt, clock):
    belt.fails = CameraLost("cable")
    with camera(belt, clock) as source, pytest.raises(CameraLost, match="cable"):
        source.grab(at(0), 0.1)
    assert len(belt.closed) == 1 and source.counts() == {"missed_frames": 3}


@pytest.mark.parametrize(
    ("gige", "complaint"),
    [
        ({"trigger": "free"}, "needs a region"),
        ({"region": {"x_px": 0, "y_px": 0, "w_px": 64, "h_px": 8}}, "lines come without a pause"),
    ],
)
def test_lines_without_blocks_or_with_a_trigger_each_are_refused(gige, complaint):
    with pytest.raises(ValidationError, match=complaint):
        GigeSettings.model_validate({"linescan": {"rows_px": 100}} | gige)


def test_counted_lines_cannot_go_backwards():
    with pytest.raises(ValidationError, match="needs encoder_chunk"):
        LinescanSettings(rows_px=100, reverse=True)
