"""The units of the box and the jobs of the program are the same ones."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.jobs import JOBS

UNITS = Path(__file__).parents[1] / "systemd"


def test_target_wants_every_job() -> None:
    text = (UNITS / "linegate.target").read_text()
    assert set(re.findall(r"linegate@(\w+)\.service", text)) == {job.name for job in JOBS}


def test_cameras_and_gpio_chips_are_not_hidden_from_the_jobs() -> None:
    settings = (UNITS / "linegate@.service").read_text().splitlines()
    hiding = ("ProtectClock=", "PrivateDevices=", "DevicePolicy=", "DeviceAllow=")
    assert [line for line in settings if line.startswith(hiding)] == []


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """As installed, but for the program, which lies elsewhere here."""
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    shutil.copy(UNITS / "linegate.target", tmp_path)
    unit = (UNITS / "linegate@.service").read_text()
    unit = unit.replace("/opt/linegate/bin/linegate", sys.executable)
    for name in ("", *(job.name for job in JOBS)):
        (tmp_path / f"linegate@{name}.service").write_text(unit)
    done = subprocess.run(
        [
            verify,
            "verify",
            str(tmp_path / "linegate.target"),
            str(tmp_path / "linegate@gate.service"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
