import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.camera.simulator import Simulator
from edge.camera.source import Shot
from edge.config import SimulatorSettings


@dataclass
class FakeClock:
    """Time that passes only when somebody sleeps."""

    ns: int = 1_000_000_000
    slept_s: list[float] = field(default_factory=list)

    def monotonic_ns(self) -> int:
        return self.ns

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 6, tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.ns += round(seconds * 1e9)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def shot():
    """A shot of a part."""

    def make(part_id="SIM-000001", view="main"):
        return Shot(part_id, view, triggered_at_ns=0)

    return make


@pytest.fixture
def faults_file(tmp_path):
    """Write the simulator's faults file; every write counts as a change."""
    path: Path = tmp_path / "faults.json"

    def write(**faults):
        path.write_text(json.dumps(faults))
        return path

    write()
    return write


@pytest.fixture
def simulator(clock, faults_file):
    settings = SimulatorSettings(
        width_px=160, height_px=120, defect_share=0.5, faults=faults_file()
    )
    with Simulator(settings, clock, clock.sleep) as camera:
        yield camera
