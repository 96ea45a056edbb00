"""When a camera's causes come and go, and that a camera which is well never raises any."""

import random

import numpy as np
import pytest
from long import LONG
from marks import LIMITS, mark

from edge.camera.faults import Faults
from edge.camera.parts import defect_of
from edge.camera.scene import Scene
from edge.config import SimulatorSettings
from edge.core.orders import PixelFigures
from edge.core.quality import grey
from edge.core.recipe import Recipe, ReferenceRegion, View
from edge.watch import pixels
from edge.watch.camera_health import RECENT, WINDOW, CameraHealth, Vote
from edge.watch.reference import FRAMES

VIEW = View(name="top", reference=LIMITS)
RECIPE = Recipe(name="disc", model="toy", views=(VIEW,))


def frame(*move, seed=None, **how):
    """A frame (100, 100) with the mark in its region."""
    image = np.full((100, 100), 90, np.uint8)
    seed = random.randrange(1 << 30) if seed is None else seed
    image[20:84, 10:74] = mark(*move, seed=seed, **how)
    return image


class Rig:
    """A health with its memory: what it wants remembered, the next one gets."""

    def __init__(self, remembered=None):
        self.remembered = remembered or {}
        self.said = []
        self.health = CameraHealth(self.remembered)

    def note(self, what):
        self.said += [one.text for one in what]
        self.remembered.update({one.key: one.value for one in what if one.key is not None})

    def see(self, times, *move, recipe=RECIPE, **how):
        """Frames of all views; returns the causes that hold afterwards."""
        for n in range(times):
            for view in recipe.views:
                self.note(self.health.look(recipe, view, frame(*move, seed=n, **how)))
        return set(self.health.holding)

    def reference(self, recipe=RECIPE, **how):
        self.note(self.health.take_reference(recipe, "ada"))
        self.see(FRAMES, recipe=recipe, **how)
        return self


@pytest.fixture
def rig():
    return Rig().reference()


def test_region_without_reference_is_a_lack_until_one_is_taken():
    rig = Rig()
    assert rig.see(3) == {"camera_unwatched"}
    assert "recipe disc, view top" in rig.health.holding["camera_unwatched"]
    assert rig.reference().see(1) == set()


def test_view_without_region_is_not_spoken_of():
    plain = Recipe(name="plain", model="toy")
    assert Rig().see(20, recipe=plain) == set()


def test_reference_is_recorded_with_who_took_it(rig):
    assert rig.said == ["recipe disc, view top: reference of 16 frames, taken by ada"]


@pytest.mark.parametrize(
    ("code", "move", "how"),
    [
        ("camera_moved", (5, 0), {}),
        ("camera_defocused", (), {"blur_px": 2}),
        ("camera_exposure", (), {"light": 0.5}),
    ],
)
def test_cause_comes_with_the_third_bad_frame_and_goes_with_the_fifth_good_one(
    rig, code, move, how
):
    rig.see(WINDOW)
    assert rig.see(2, *move, **how) == set()
    assert rig.see(1, *move, **how) == {code}
    assert rig.see(4) == {code}
    assert rig.see(1) == set()


def test_single_bad_frames_raise_nothing(rig):
    rig.see(WINDOW)
    for _ in range(20):
        assert rig.see(1, 8, 0) == set()
        assert rig.see(2) == set()


def test_after_a_start_one_bad_frame_is_enough(rig):
    again = Rig(rig.remembered)
    assert again.see(1, 5, 0) == {"camera_moved"}
    assert again.see(WINDOW) == set()


def test_reference_outlasts_a_restart(rig):
    assert Rig(rig.remembered).see(10) == set()


def test_rubbish_in_the_memory_is_no_reference():
    rig = Rig({"reference:disc:top": '{"png": 7}'})
    assert rig.see(1) == {"camera_unwatched"}


def test_new_region_in_the_recipe_needs_a_new_reference(rig):
    shifted = LIMITS.model_copy(update={"x_px": 12})
    other = Recipe(name="disc", model="toy", views=(View(name="top", reference=shifted),))
    assert Rig(rig.remembered).see(1, recipe=other) == {"camera_unwatched"}


def test_refused_reference_says_why_and_the_old_one_holds_on(rig):
    rig.note(rig.health.take_reference(RECIPE, "bob"))
    rig.see(FRAMES - 1)
    assert rig.see(1, 8, 8) == {"reference_refused"}
    assert "not alike" in rig.health.holding["reference_refused"]
    assert "no reference for bob" in rig.said[-1]
    assert rig.see(3, 8, 8) == {"reference_refused", "camera_moved"}
    assert rig.reference().see(1) == set()


def test_new_reference_where_the_camera_stands_now_ends_the_cause(rig):
    assert rig.see(3, 5, 0) == {"camera_moved"}
    rig.note(rig.health.take_reference(RECIPE, "ada"))
    assert rig.see(FRAMES - 1, 5, 0) == {"camera_moved"}
    assert rig.see(1, 5, 0) == set()
    assert rig.see(WINDOW, 5, 0) == set()


def test_region_beyond_the_frame_is_told_with_its_recipe():
    rig = Rig()
    rig.note(rig.health.look(RECIPE, VIEW, np.zeros((50, 50), np.uint8)))
    assert "lies outside" in rig.health.holding["camera_unwatched"]


def test_recipe_that_has_not_been_seen_for_long_has_no_say_until_it_comes_again(rig):
    rig.see(3, 5, 0)
    plain = Recipe(name="plain", model="toy", views=(View(name="top"),))
    assert rig.see(RECENT, recipe=plain) == {"camera_moved"}
    assert rig.see(1, recipe=plain) == set()
    assert rig.see(1, 5, 0) == {"camera_moved"}


def test_parts_of_two_recipes_in_turn_do_not_hide_a_move(rig):
    other = Recipe(name="other", model="toy", views=(VIEW,))
    rig.reference(other)
    for _ in range(3):
        rig.see(1, 5, 0)
        holding = rig.see(1, 5, 0, recipe=other)
    assert holding == {"camera_moved"}
    assert set(rig.health.holding["camera_moved"].split(":")[:1]) == {"recipe disc, view top"}


def spoiled(n, stuck):
    rng = np.random.default_rng(n)
    image = rng.normal(120, 3, (60, 60)).astype(np.uint8)
    for x, y in stuck:
        image[y, x] = 255
    return image


def see_pixels(rig, *stuck):
    for n in range(pixels.FRAMES):
        rig.health.look_at_pixels("main", spoiled(n, stuck))
    return rig.health.holding.get("camera_pixels")


def test_faulty_pixels_are_told_with_their_place_and_cleared_when_they_are_gone(rig):
    assert see_pixels(rig, (9, 7)) == "camera main: 1 of them, at (9, 7)"
    assert see_pixels(rig) is None


def test_accepted_pixels_are_known_also_after_a_restart_but_not_new_ones(rig):
    see_pixels(rig, (9, 7))
    rig.note(rig.health.take_reference(RECIPE, "ada"))
    assert rig.said[-1] == "camera main: faulty pixels accepted by ada: 1 of them, at (9, 7)"
    assert see_pixels(rig, (9, 7)) is None
    again = Rig(rig.remembered)
    assert see_pixels(again, (9, 7)) is None
    assert see_pixels(again, (9, 7), (30, 31)) == "camera main: 1 of them, at (30, 31)"


def test_reference_taken_before_the_pixels_were_looked_at_keeps_what_was_accepted(rig):
    see_pixels(rig, (9, 7))
    rig.note(rig.health.take_reference(RECIPE, "ada"))
    again = Rig(rig.remembered)
    again.note(again.health.take_reference(RECIPE, "bob"))
    assert see_pixels(again, (9, 7)) is None


def raised(p, frames, seed):
    """How often a vote comes up where each frame is beyond its limit by chance."""
    rng, vote, count = random.Random(seed), Vote(), 0
    for _ in range(frames):
        before = vote.holds
        vote.take("beyond" if rng.random() < p else None)
        count += vote.holds and not before
    return count


def test_rate_of_false_alarms_is_six_times_the_cube_of_a_frames_own() -> None:
    """Designed: where 1 of 100 good frames is beyond a limit, 6 of a million raise the cause."""
    p, frames = 0.03, 400_000
    expected = 6 * p**3 * frames  # 65
    assert 0.7 * expected < raised(p, frames, seed=1) < 1.3 * expected
    assert raised(0.001, 100_000, seed=2) == 0


REGION = ReferenceRegion(x_px=1, y_px=1, w_px=36, h_px=36)  # the mark at half size
WATCHED = Recipe(name="flange", model="toy", views=(View(reference=REGION),))


@pytest.mark.slow
def test_thousands_of_frames_of_a_camera_that_is_well_raise_nothing() -> None:
    """Real variation: 40 lots, defects, pose, an uneven lamp that flickers by a tenth, noise. Every
    fifth of 10,000 frames, all of them with LINEGATE_LONG=1."""
    scene = Scene(5, 320, 240, mark=True)
    settings = SimulatorSettings(seed=5, defect_share=0.3)
    health = CameraHealth({})
    (view,) = WATCHED.views
    health.take_reference(WATCHED, "ada")
    for seen, n in enumerate(range(0, 10_000, 1 if LONG else 5)):
        image = scene.render(n, defect_of(settings, n), n).image
        health.look(WATCHED, view, image)
        health.look_at_pixels("main", grey(image))
        assert set(health.holding) <= ({"camera_unwatched"} if seen < FRAMES else set()), n
    votes = health._watched["flange", "main"].votes
    assert set(votes) == {"camera_moved", "camera_defocused", "camera_exposure"}
    assert [vote.detail for vote in votes.values()] == [""] * 3  # not one frame beyond a limit


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        (Faults(moved_px=(4, 0)), "camera_moved"),
        (Faults(defocus_px=1.0), "camera_defocused"),
        (Faults(smear=0.5), "camera_defocused"),
        (Faults(lamp=0.5), "camera_exposure"),
        (Faults(overexposed=2.0), "camera_exposure"),
        (Faults(stuck=((200, 100, 255),)), "camera_pixels"),
    ],
)
def test_every_fault_of_the_simulator_has_its_own_cause(faults, code) -> None:
    """Those of a lens so greasy or so far out of focus that nothing is left are told as moved."""
    scene = Scene(5, 320, 240, mark=True)
    health = CameraHealth({})
    health.take_reference(WATCHED, "ada")
    for n in range(FRAMES + pixels.FRAMES):
        image = scene.render(n, None, n, Faults() if n < FRAMES else faults).image
        health.look(WATCHED, WATCHED.views[0], image)
        if n >= FRAMES:
            health.look_at_pixels("main", grey(image))
    assert set(health.holding) == {code}


# ---- the figures behind it ----


def test_figures_tell_place_focus_and_light_beside_their_limits(rig):
    rig.see(1, 4, 0)
    (view,) = rig.health.figures.views
    assert view.moved_px == pytest.approx(4, abs=0.3) and view.moved_max_px == 3
    assert view.sharpness == pytest.approx(1, abs=0.1) and view.sharpness_min == 0.5
    assert view.light == pytest.approx(1, abs=0.05) and view.light_max == 0.3
    assert 20 < view.reference_light < 230
    assert (view.recipe, view.view, view.camera) == ("disc", "top", "main")


def test_in_the_dark_only_the_light_is_told(rig):
    rig.health.look(RECIPE, VIEW, np.full((100, 100), 2, np.uint8))
    (view,) = rig.health.figures.views
    assert (view.moved_px, view.sharpness) == (None, None) and view.light < 0.1


def test_no_reference_and_no_recent_frame_are_no_figures(rig):
    assert Rig().health.figures.views == ()
    plain = Recipe(name="plain", model="toy", views=(VIEW.model_copy(update={"reference": None}),))
    rig.see(RECENT + 1, recipe=plain)
    assert rig.health.figures.views == ()


def test_pixels_are_counted_once_all_of_the_frame_was_watched(rig):
    rng = np.random.default_rng(1)
    for n in range(pixels.FRAMES):
        assert rig.health.figures.pixels == (), n
        noise = rng.integers(90, 120, (100, 100)).astype(np.uint8)
        noise[50, 60] = 255
        rig.health.look_at_pixels("main", noise)
    assert rig.health.figures.pixels == (PixelFigures(camera="main", new=1, accepted=0),)
    rig.note(rig.health.take_reference(RECIPE, "ada"))
    assert rig.health.figures.pixels == (PixelFigures(camera="main", new=0, accepted=1),)
