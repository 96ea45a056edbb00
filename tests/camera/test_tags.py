"""Parts that wear a tag: what the camera shows of it."""

import pytest
from pydantic import ValidationError

from edge.camera.faults import Faults
from edge.camera.parts import part_id
from edge.camera.simulator import Simulator
from edge.config import SimulatorSettings
from edge.core.codes import read_serial
from edge.core.recipe import Code, Roi

BESIDE = Roi(x_px=0, y_px=0, w_px=112, h_px=480)


@pytest.mark.parametrize("codes", ["data_matrix", "qr", "code128"])
def test_every_part_wears_its_own_id(codes, clock, shot) -> None:
    settings = SimulatorSettings(width_px=864, codes=codes)
    wanted = Code(symbologies=(codes,), roi=BESIDE, is_part_id=True)
    with Simulator(settings, clock) as camera:
        for name in (*map(part_id, range(12)), "A-000123"):
            assert read_serial(camera.grab(shot(name), 1).image, wanted, name).lack is None


def test_tag_says_what_the_faults_file_says_or_is_gone(tmp_path, clock, shot) -> None:
    file = tmp_path / "faults.json"
    settings = SimulatorSettings(width_px=864, codes="qr", faults=file)
    wanted = Code(symbologies=("qr",), roi=BESIDE)
    with Simulator(settings, clock) as camera:
        file.write_text(Faults(tag="TWICE").model_dump_json())
        assert read_serial(camera.grab(shot(), 1).image, wanted, "P").serial == "TWICE"
        file.write_text(Faults(tag="").model_dump_json())
        assert read_serial(camera.grab(shot(), 1).image, wanted, "P").serial is None


def test_frame_too_narrow_for_a_tag_is_refused() -> None:
    with pytest.raises(ValidationError, match="16:9"):
        SimulatorSettings(codes="qr")


def test_text_that_no_code_can_hold_is_refused() -> None:
    with pytest.raises(ValidationError):
        Faults(tag="\u00fc")
