"""A small line: parts of 100 mm, 200 mm apart, at 100 mm/s; camera at 300 mm, diverter at 800."""

import pytest

from edge.simulate.belt import Belt
from edge.simulate.diverter import Diverter
from edge.simulate.scenario import Scenario
from edge.simulate.world import World


@pytest.fixture
def small():
    """The scenario; keywords replace keys of `parts` or whole sections."""

    def make(count: int = 5, **sections: object) -> Scenario:
        return Scenario.model_validate(
            {
                "parts": {"count": count, "length_mm": 100, "spacing_mm": [200, 200]},
                "conveyor": {"speed_mm_s": 100, "pulses_per_mm": 2},
                "layout": {
                    "sensor_to_camera_mm": 300,
                    "camera_to_diverter_mm": 500,
                    "diverter_reaction_ms": 50,
                    "transport_ms": 100,
                },
                **sections,
            }
        )

    return make


@pytest.fixture
def belt(small) -> Belt:
    return Belt(small())


@pytest.fixture
def world(belt: Belt) -> World:
    return World(belt, Diverter(0.05))
