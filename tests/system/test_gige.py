"""A station whose camera is pulled out and plugged in again: Aravis' fake one on loopback."""

import os
from pathlib import Path

import pytest
from fake_gige import DEBIAN, HERE, Plug, bind, plug
from line import station

from edge.core.messages import StateWord

__all__ = ["plug"]
pytestmark = [pytest.mark.system, pytest.mark.slow]

READY_AGAIN_S, SLACK_S = 5.0, 15.0  # a loaded test machine may take longer

CAMERA = f"""\
kind = "gige"
grab_timeout_ms = 300
[camera.gige]
id = "{HERE}"
[camera.gige.region]
x_px = 0
y_px = 0
w_px = 320
h_px = 240
"""


@pytest.fixture
def _jobs_see_the_binding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The binding alone, not all that Debian has installed."""
    bind()
    (tmp_path / "gi").symlink_to(Path(DEBIAN, "gi"))
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{known}")


@pytest.mark.usefixtures("_jobs_see_the_binding")
def test_station_is_ready_again_when_its_camera_is_back(plug: Plug) -> None:
    fake = plug()
    with station(camera=CAMERA) as line:

        def says(word: StateWord) -> bool:
            return line.states.now is not None and line.states.now.state is word

        line.feed(20)
        fake.kill()
        fake.wait()
        line.feed_while(lambda: not says(StateWord.FAULT), 15)
        assert "no frames" in (line.states.now.cause or "")  # type: ignore[union-attr]
        plug()
        line.feed_while(lambda: not says(StateWord.READY), READY_AGAIN_S + SLACK_S)
        line.feed(20)
        line.check_books()
