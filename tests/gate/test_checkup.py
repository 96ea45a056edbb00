"""The checkup's thread by hand: frames in, what loop and ledger hear of them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest
from marks import LIMITS, mark

from edge.core.clock import ns
from edge.core.errors import NotDurable
from edge.core.orders import CameraFigures
from edge.core.recipe import Recipe, View
from edge.gate.checkup import PIXELS_EVERY_MS, ROOM, Checkup
from edge.gate.events import Seen
from edge.gate.sight import Noticed, Sight
from edge.store.writes import AddEvent, SetMeta
from edge.watch import pixels
from edge.watch.camera_health import CameraHealth
from edge.watch.reference import FRAMES

RECIPE = Recipe(name="disc", model="toy", views=(View(name="top", reference=LIMITS),))


@dataclass
class FakeClock:
    now_ns: int = ns(1000)

    def monotonic_ns(self) -> int:
        return self.now_ns

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


def sight(*move: float, frames=None, seed=0, stuck=()) -> Sight:
    image = np.random.default_rng(seed).normal(90, 2, (100, 100)).astype(np.uint8)
    image[20:84, 10:74] = mark(*move, seed=seed)
    for x, y in stuck:
        image[y, x] = 0
    frames = {"top": image} if frames is None else frames
    return Sight(Seen("I1", (), ()), frames, {}, Noticed(), RECIPE)


@dataclass
class Rig:
    """`full`: the loop's inbox; `sick`: the disk."""

    remembered: dict[str, str] = field(default_factory=dict)
    full: bool = False
    sick: bool = False
    told: list[Noticed] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        health = CameraHealth(self.remembered)
        self.checkup = Checkup(health, {"disc": RECIPE}, self.post, self.submit, self.clock)  # type: ignore[arg-type]

    def post(self, noticed):
        if not self.full:
            self.told.append(noticed)
        return not self.full

    def submit(self, writes, done):
        if self.sick:
            done(NotDurable("disk full"))
            return True
        for write in writes:
            if isinstance(write, SetMeta):
                self.remembered[write.key] = write.value
            elif isinstance(write, AddEvent):
                self.events.append(write.event.text)
        done(())
        return True

    def see(self, *move, times=1, **how):
        """Frames one after another; returns (raised, cleared) of all that the loop was told."""
        self.told.clear()
        for n in range(times):
            self.clock.now_ns += ns(PIXELS_EVERY_MS)
            self.checkup.offer(sight(*move, seed=n, **how))
            self.checkup.step()
        raised = [code for noticed in self.told for code, _ in noticed.raised]
        return raised, [code for noticed in self.told for code in noticed.cleared]

    def reference(self):
        assert self.checkup.take_reference("disc", "ada") is None
        self.checkup.step()
        return self.see(times=FRAMES)


@pytest.fixture
def rig():
    return Rig()


def test_loop_hears_of_a_cause_once_when_it_comes_and_once_when_it_goes(rig):
    assert rig.see() == (["camera_unwatched"], [])
    assert rig.see(times=5) == ([], [])
    assert rig.reference() == ([], ["camera_unwatched"])
    assert rig.see(6, 0, times=5) == (["camera_moved"], [])
    assert rig.see(times=5) == ([], ["camera_moved"])


def test_what_the_loop_had_no_room_for_is_told_again(rig):
    rig.full = True
    assert rig.see() == ([], [])
    rig.full = False
    assert rig.see() == (["camera_unwatched"], [])


def test_reference_is_kept_with_who_took_it_and_holds_after_a_restart(rig):
    rig.reference()
    assert [text for text in rig.events if "taken by ada" in text]
    again = Rig(remembered=rig.remembered)
    assert again.see(times=10) == ([], [])


def test_sick_disk_costs_the_memory_of_a_reference_not_the_watching(rig):
    rig.sick = True
    rig.reference()
    assert rig.see(6, 0, times=5) == (["camera_moved"], [])
    assert rig.remembered == {}


def test_unknown_recipe_is_refused(rig):
    assert rig.checkup.take_reference("cap", "ada") == "no recipe is named 'cap'"


def test_sights_that_wait_are_bounded_and_an_order_says_so(rig):
    for _ in range(10 * ROOM):
        rig.checkup.offer(sight())
    assert "busy" in rig.checkup.take_reference("disc", "ada")
    for _ in range(ROOM):
        rig.checkup.step()
    assert rig.checkup.take_reference("disc", "ada") is None


def test_part_without_a_frame_says_nothing_about_the_camera(rig):
    rig.reference()
    assert rig.see(frames={}, times=20) == ([], [])


def test_stuck_pixel_is_told_and_on_a_fast_line_only_some_frames_are_looked_at(rig):
    assert "camera_pixels" in rig.see(times=pixels.FRAMES, stuck=[(90, 90)])[0]
    fast = Rig()
    for n in range(pixels.FRAMES):
        fast.clock.now_ns += ns(PIXELS_EVERY_MS / 2)
        fast.checkup.offer(sight(seed=n, stuck=[(90, 90)]))
        fast.checkup.step()
    assert "camera_pixels" not in fast.checkup._told


def test_thread_outlives_a_frame_that_breaks_it_and_says_that_nobody_watches():
    rig = Rig()
    rig.checkup.start()
    rig.checkup.offer(sight(frames={"top": "no picture"}))
    rig.checkup.close()
    assert [code for noticed in rig.told for code, _ in noticed.raised] == ["camera_unwatched"]
    assert "failed" in rig.told[0].raised[0][1]


def test_what_held_before_the_checkup_failed_still_holds():
    rig = Rig()
    rig.see()
    rig.reference()
    assert rig.see(6, 0, times=5) == (["camera_moved"], [])
    rig.checkup.start()
    rig.checkup.offer(sight(frames={"top": "no picture"}))
    rig.checkup.close()
    assert "camera_moved" not in {code for noticed in rig.told[-1:] for code in noticed.cleared}
    assert "camera_moved" in rig.checkup._told


def test_figures_can_be_asked_for_as_of_the_last_frame(rig):
    assert rig.checkup.figures() == CameraFigures()
    rig.reference()
    rig.see(6, 0)
    (view,) = rig.checkup.figures().views
    assert (view.recipe, view.view) == ("disc", "top") and view.moved_px == pytest.approx(
        6, abs=0.3
    )
