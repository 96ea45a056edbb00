"""The gate's memory as it is put together at start."""

from pathlib import Path

import pytest

from edge.build import memory
from edge.clock import SystemClock
from edge.config import StationConfig, load_station
from edge.core.automation import Level
from edge.store.writes import SetMeta

STATION = """\
state_dir = "state"
[station]
device = "box"
[[camera]]
kind = "simulator"
[predict]
models = "models"
[gate]
recipe = "disc"
level = "full"
"""


@pytest.fixture
def config(tmp_path: Path) -> StationConfig:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "disc.toml").write_text('name = "disc"\nmodel = "toy"\n')
    (tmp_path / "station.toml").write_text(STATION)
    return load_station(tmp_path / "station.toml")


def level_at_start(config: StationConfig) -> tuple[Level, list[str]]:
    with memory(config, SystemClock()) as found:
        return found.level, [code for code, _ in found.causes]


def damage(ledger: Path) -> None:
    with ledger.open("r+b") as file:
        file.seek(0)
        file.write(b"rubbish " * 512)


def test_damaged_ledger_leaves_decisions_to_persons_until_one_raises_the_level(
    config: StationConfig,
) -> None:
    assert level_at_start(config) == (Level.FULL, [])
    damage(config.ledger_path)

    assert level_at_start(config) == (Level.HUMAN, ["ledger_damaged"])
    assert level_at_start(config) == (Level.HUMAN, [])  # and a restart changes nothing

    with memory(config, SystemClock()) as found:
        found.writer.commit([SetMeta("level", Level.FULL)])
    assert level_at_start(config) == (Level.FULL, [])


GPIO = """
[gpio]
belt_mm_s = 1000
[gpio.diverter]
line = 20
at_mm = 900
window_mm = 20
min_gap_mm = 60
[gpio.confirm]
line = 21
within_mm = 100
[gpio.acknowledge]
line = 22
"""


def test_unconfirmed_reject_outlives_a_restart_as_long_as_there_is_a_button(
    config: StationConfig, tmp_path: Path
) -> None:
    with memory(config, SystemClock()) as found:
        found.writer.commit([SetMeta("reject_unconfirmed", "part A")])
    assert level_at_start(config) == (Level.FULL, [])

    (tmp_path / "station.toml").write_text(STATION + GPIO)
    config = load_station(tmp_path / "station.toml")
    assert level_at_start(config) == (Level.FULL, ["reject_unconfirmed"])
