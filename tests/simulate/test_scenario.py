"""A scenario that cannot work is refused with the key and the mend."""

from pathlib import Path

import pytest

from edge.core.errors import ConfigError
from edge.simulate.belt import Belt
from edge.simulate.scenario import DEFAULT, Scenario, load_scenario


@pytest.fixture
def load(tmp_path: Path):
    def read(text: str) -> Scenario:
        path = tmp_path / "line.toml"
        path.write_text(text)
        return load_scenario(path)

    return read


def test_empty_file_is_a_line_of_100_parts(load) -> None:
    assert Belt(load("")).parts == 100


def test_default_line_has_three_parts_in_flight_at_varying_speed_and_spacing() -> None:
    belt = Belt(DEFAULT)
    assert belt.parts == 100
    assert belt.most_in_flight() >= 3
    assert len({change.speed_mm_s for change in DEFAULT.conveyor.change}) > 2
    assert DEFAULT.parts.spacing_mm[0] < DEFAULT.parts.spacing_mm[1]


def test_deadline_follows_from_speed_and_distance(small) -> None:
    """450 mm less 10 for the diverter's lead, at 100 mm/s, less 100 ms for the network."""
    assert small().lead_mm == pytest.approx(10)
    assert small().deadline_ms == 4300
    faster = {"speed_mm_s": 100, "change": [{"at_s": 1, "speed_mm_s": 400}]}
    assert small(conveyor=faster).deadline_ms == 925


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[conveyor]\nspeed = 3\n", r"conveyor.speed: unknown key \(see docs/simulate.md\)"),
        ("speed\n", "not TOML"),
        ("[parts]\nspacing_mm = [70, 200]\n", "parts.*overlap"),
        ("[parts]\nspacing_mm = [200, 150]\n", "the smaller one"),
        ("[parts]\ncount = 3\nseconds = 5\n", "give one of them"),
        ("[parts]\nspacing_mm = [90, 90]\n", "the diverter needs 27 mm at 300 mm/s, there are 10"),
        ("[layout]\ncamera_to_diverter_mm = 122\n", "33 ms are left"),
        (
            "[[conveyor.change]]\nat_s = 5\nspeed_mm_s = 0\nramp_s = 2\n"
            "[[conveyor.change]]\nat_s = 6\nspeed_mm_s = 9\n",
            "change at 6 s: the one before is not over",
        ),
        ('[[fault]]\nwhat = "gate_killed"\n', "give at_s or at_part"),
        ('[[fault]]\nwhat = "gate_killed"\nat_s = 1\nfor_s = 2\n', "starts again by itself"),
        ('[[fault]]\nwhat = "camera_lost"\nat_part = 1\n', "for_s is missing"),
        ('[[fault]]\nwhat = "earthquake"\nat_s = 1\n', "fault.0.what"),
        ('[layout]\ntopics = "a/#"\n', "layout.topics"),
    ],
)
def test_what_cannot_work_is_refused_by_its_key(load, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(text)
