import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from edge.camera.opening import open_camera, steady_camera
from edge.camera.replay import ReplayCamera
from edge.camera.simulator import Simulator
from edge.camera.steady import SteadyCamera
from edge.config import Camera, ReplaySettings


def test_kind_chooses_the_camera(tmp_path, clock):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), np.uint8))
    replay = Camera(kind="replay", replay=ReplaySettings(frames=tmp_path))
    assert isinstance(open_camera(replay, clock), ReplayCamera)
    assert isinstance(open_camera(Camera(kind="simulator"), clock), Simulator)
    assert isinstance(steady_camera(Camera(kind="simulator"), clock), SteadyCamera)


def test_replay_without_its_section_is_no_camera():
    with pytest.raises(ValidationError, match="needs"):
        Camera(kind="replay")
