from itertools import pairwise

import numpy as np
import pytest

from edge.camera.faults import Faults
from edge.camera.parts import KINDS, Defect
from edge.camera.scene import Scene
from edge.core.quality import measure, problems
from edge.core.recipe import QualityLimits


@pytest.fixture(scope="module", params=["top", "rim"])
def scene(request):
    return Scene(1, 320, 240, rim=request.param == "rim")


def difference(a, b):
    return np.abs(a.astype(int) - b).max(axis=2)


def test_same_part_and_exposure_give_the_same_pixels(scene):
    again = Scene(1, 320, 240, rim=scene._look_at.name == "RIM")
    assert np.array_equal(scene.render(7).image, again.render(7).image)


def test_another_exposure_differs_by_noise_alone(scene):
    images = [scene.render(7, exposure=n).image for n in range(20)]
    for before, after in pairwise(images):
        assert 0 < difference(before, after).mean() < 8


def test_other_parts_look_different(scene):
    assert difference(scene.render(1).image, scene.render(2).image).mean() > 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
def test_defect_shows_inside_its_mask_and_nowhere_else(scene, kind, severity):
    for number in range(6):
        good = scene.render(number).image
        bad = scene.render(number, Defect(kind, severity, "main"))
        changed = difference(good, bad.image)
        inside = bad.mask > 0
        assert inside.any()
        assert changed[inside].mean() > 5
        assert changed[~inside].mean() < 1
        assert inside.mean() < 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_defect_grows_with_severity(scene, kind):
    def change(severity):
        return np.mean(
            [
                difference(
                    scene.render(n).image, scene.render(n, Defect(kind, severity, "main")).image
                ).sum()
                for n in range(8)
            ]
        )

    assert change(0.0) < change(0.5) < change(1.0)


def test_good_part_has_no_mask(scene):
    assert scene.render(1).mask is None


def test_good_frames_are_usable(scene):
    for number in range(0, 20_000, 250):  # another lot each
        assert problems(measure(scene.render(number).image), QualityLimits()) == ()


@pytest.mark.parametrize(
    "faults", [{"lamp": 0.0}, {"lamp": 0.05}, {"overexposed": 20.0}], ids=["black", "dark", "white"]
)
def test_frames_without_light_or_with_far_too_much_are_unusable(scene, faults):
    assert problems(measure(scene.render(3, faults=Faults(**faults)).image), QualityLimits())


def test_smear_takes_detail(scene):
    sharpness = [
        measure(scene.render(3, faults=Faults(smear=smear)).image).sharpness
        for smear in (0.0, 0.3, 1.0)
    ]
    assert sharpness[0] > 1.5 * sharpness[1] > 1.5 * sharpness[2]


def test_moved_camera_moves_the_part(scene):
    straight = scene.render(3).image.max(axis=2) > 110
    moved = scene.render(3, faults=Faults(moved_px=(24, -10))).image.max(axis=2) > 110
    shift = np.argwhere(moved).mean(axis=0) - np.argwhere(straight).mean(axis=0)
    assert shift == pytest.approx((-10, 24), abs=2.5)


def test_foreign_lot_is_unlike_all_others(scene):
    def colour(image):
        return image.reshape(-1, 3)[image.max(axis=2).ravel() > 90].mean(axis=0)

    usual = np.array([colour(scene.render(n).image) for n in range(0, 5000, 250)])
    foreign = colour(scene.render(0, faults=Faults(lot="B")).image)
    spread = usual.std(axis=0)
    assert (np.abs(foreign - usual.mean(axis=0)) / spread).max() > 4


@pytest.mark.parametrize("size", [(64, 64), (64, 300), (800, 600)])
def test_any_frame_size_can_be_rendered(size):
    width, height = size
    for rim in (False, True):
        for kind in KINDS:
            picture = Scene(1, width, height, rim=rim).render(2, Defect(kind, 0.5, "main"))
            assert picture.image.shape == (height, width, 3)


def test_mark_lies_in_the_corner_of_every_part_and_moves_with_the_camera():
    scene = Scene(1, 640, 480, mark=True)
    plain = Scene(1, 640, 480)
    corner = (slice(10, 66), slice(10, 66))
    marks = [scene.render(n).image[corner] for n in (1, 2)]
    assert np.corrcoef(marks[0].ravel(), marks[1].ravel())[0, 1] > 0.98
    assert np.array_equal(scene.render(1).image[70:, 70:], plain.render(1).image[70:, 70:])
    moved = scene.render(1, faults=Faults(moved_px=(7, -4))).image[6:62, 17:73]
    assert np.corrcoef(marks[0].ravel(), moved.ravel())[0, 1] > 0.98


def test_mark_that_is_moved_out_of_the_picture_is_cut():
    scene = Scene(1, 320, 240, mark=True)
    for moved_px in ((-20, -20), (-400, 0), (310, 230), (0, 900)):
        assert scene.render(1, faults=Faults(moved_px=moved_px)).image.shape == (240, 320, 3)


def test_defocus_takes_detail_and_no_light(scene):
    sharp, blurred = (
        measure(scene.render(3, faults=f).image) for f in (Faults(), Faults(defocus_px=3))
    )
    assert blurred.sharpness < 0.3 * sharp.sharpness
    assert abs(blurred.mean - sharp.mean) < 2


def test_stuck_pixels_say_the_same_in_every_exposure_and_those_outside_are_none(scene):
    faults = Faults(stuck=((5, 7, 255), (319, 239, 0), (320, 5, 9), (5, 240, 9)))
    for exposure in range(3):
        image = scene.render(3, exposure=exposure, faults=faults).image
        assert (image[7, 5] == 255).all() and (image[239, 319] == 0).all()
        assert image.shape == (240, 320, 3)
