"""A picture is known again to the bit, and never taken for another part's."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from edge.camera.parts import part_id
from edge.camera.simulator import Simulator
from edge.camera.source import Shot
from edge.config import SimulatorSettings
from edge.core.manifest import Face
from edge.core.messages import By, Level, Verdict
from edge.core.preprocess import to_input
from edge.core.recipe import Roi
from edge.core.records import InspectionRecord, ViewRecord
from edge.simulate.pictures import Pictures

SETTINGS = SimulatorSettings(width_px=160, height_px=120, defect_share=0.5, mark=True)
ROI = Roi(x_px=20, y_px=0, w_px=120, h_px=120)
FACE = Face(height_px=64, width_px=64, colour="rgb", heatmap=(8, 8), embedding=4)


@dataclass
class StillClock:
    def monotonic_ns(self) -> int:
        return 0

    def now(self) -> datetime:
        return datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def record():
    """The record of a pass on the 3rd exposure of its camera, which showed part `number`."""

    def make(number: int) -> InspectionRecord:
        with Simulator(SETTINGS, StillClock()) as camera:
            frames = [camera.grab(Shot(part_id(n), "main", 0), 1) for n in (90, 91, number)]
        digest = sha256(to_input(frames[-1].image, FACE, ROI).data).hexdigest()
        view = ViewRecord(view="main", frame_seq=frames[-1].seq, input_sha256=digest)
        return InspectionRecord(
            inspection_id="i", part_id="whatever", seq=1, recipe="r", recipe_sha256="0" * 64,
            config_sha256="0" * 64, level=Level.FULL, triggered_at=StillClock().now(),
            deadline_ms=100, verdict=Verdict.PASS, by=By.MODEL, latency_ms=1, views=(view,),
        )  # fmt: skip

    return make


def test_own_picture_is_known_again_and_a_neighbours_is_not(record) -> None:
    pictures = Pictures(SETTINGS, FACE, ROI)
    for number in (3, 4):
        seen = record(number)
        assert [n for n in range(2, 6) if pictures.shows(seen, n)] == [number]


def test_pass_without_a_picture_is_no_picture_of_the_part(record) -> None:
    blind = record(3).model_copy(update={"views": (ViewRecord(view="main"),)})
    assert not Pictures(SETTINGS, FACE, ROI).shows(blind, 3)
    assert not Pictures(SETTINGS, FACE, ROI).shows(blind.model_copy(update={"views": ()}), 3)
