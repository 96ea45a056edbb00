"""The simulated camera sees who stands there, whoever is asked for."""

import numpy as np
import pytest

from edge.camera.belt import Belt, BeltFile, Stand
from edge.camera.parts import part_id
from edge.camera.simulator import Simulator
from edge.config import SimulatorSettings
from edge.core.quality import measure

S = 1_000_000_000
BELT = Belt(
    parts=(Stand(number=4, from_ns=2 * S, to_ns=3 * S), Stand(number=5, from_ns=4 * S, to_ns=5 * S))
)


@pytest.mark.parametrize(
    ("at_s", "number"),
    [(0, None), (1.999, None), (2, 4), (3, 4), (3.5, None), (4, 5), (5, 5), (5.001, None)],
)
def test_belt_knows_who_stands_there(at_s: float, number: int | None) -> None:
    assert BELT.number_at(round(at_s * S)) == number


def test_file_is_read_again_when_it_changes_and_a_broken_one_is_an_empty_belt(tmp_path) -> None:
    path = tmp_path / "belt.json"
    file = BeltFile(path)
    assert file.read() == Belt()
    path.write_text(BELT.model_dump_json())
    assert file.read() == BELT
    path.write_text('{"parts": "none"}')
    assert file.read() == Belt()
    path.unlink()
    assert file.read() == Belt()


@pytest.fixture
def on_belt(clock, tmp_path):
    """A camera over BELT, of size 160 x 120."""
    path = tmp_path / "belt.json"
    path.write_text(BELT.model_dump_json())
    settings = SimulatorSettings(width_px=160, height_px=120, belt=path)
    with Simulator(settings, clock, clock.sleep) as camera:
        yield camera


def test_camera_shows_the_part_that_stands_there_not_the_one_asked_for(on_belt, clock, shot):
    clock.ns = 2 * S
    seen = on_belt.grab(shot(part_id(5)), 1)
    by_id = Simulator(SimulatorSettings(width_px=160, height_px=120), clock, clock.sleep)
    with by_id as camera:
        assert np.array_equal(seen.image, camera.grab(shot(part_id(4)), 1).image)
    assert on_belt.truth(shot(part_id(5))).domain == on_belt.truth(shot(part_id(4))).domain


def test_camera_over_an_empty_belt_shows_no_part(on_belt, clock, shot):
    clock.ns = 2 * S
    part = measure(on_belt.grab(shot(), 1).image)
    clock.ns = 10 * S
    empty, again = on_belt.grab(shot(), 1).image, on_belt.grab(shot(), 1).image
    assert measure(empty).contrast < part.contrast / 4
    assert not np.array_equal(empty, again)  # a live picture, not a frozen one
    assert on_belt.truth(shot()).label is None
