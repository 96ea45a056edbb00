"""Which part a frame belongs to, when the next one has come already."""

import queue
import threading

import numpy as np
from gate_world import RECIPE

from edge.camera.source import Frame
from edge.clock import SystemClock
from edge.core.automation import permit
from edge.core.clock import ns
from edge.core.messages import Level, Reason
from edge.gate.events import LookAt
from edge.gate.eye_thread import EyeThread
from edge.gate.lanes import HUNG_S, Lanes
from edge.gate.pace import LANES
from edge.gate.passing import REMEMBERED, Passing
from edge.gate.sight import Looked, Noticed, Sight, Taken

SPACING_MS = 100.0


class SlowEye:
    """Takes a frame that was exposed so long after the part's trigger."""

    def __init__(self, exposed_after_ms: float) -> None:
        self.exposed_after_ms = exposed_after_ms
        self.noticed = Noticed()

    def probe(self) -> Noticed:
        return Noticed()

    def take(self, request: LookAt) -> Taken:
        exposed_ns = request.triggered_ns + ns(self.exposed_after_ms)
        frame = Frame(np.zeros((4, 4), np.uint8), 1, exposed_ns)
        return Taken(request, [Looked(RECIPE.views[0], frame=frame)], 0.0, exposed_ns, self.noticed)


class Judge:
    """Counts what it is asked for; every frame is fine."""

    def __init__(self) -> None:
        self.judged: list[str] = []

    def judge(self, looked: Looked, request: LookAt, predictor: object) -> None:
        if looked.has_its_frame:
            self.judged.append(request.part_id)


class Rig:
    def __init__(self, exposed_after_ms: float) -> None:
        self.clock = SystemClock()
        self.posted: queue.Queue[object] = queue.Queue(30)
        self.judge = Judge()
        self.eye, post = SlowEye(exposed_after_ms), self.post
        self.thread = EyeThread(self.eye, {}, lambda t: self.lanes.take(t), post, 8, self.clock)  # type: ignore[arg-type]
        self.passing = Passing()
        next_ns = self.passing.next_trigger_ns
        self.lanes = Lanes(self.judge, [None], next_ns, post, 8, self.clock)  # type: ignore[arg-type, list-item]
        self.now_ns = self.clock.monotonic_ns()

    def post(self, message: object) -> bool:
        self.posted.put(message)
        return True

    def request(self, number: int, lead_ms: float = 0.0) -> LookAt:
        recipe = RECIPE.model_copy(update={"frame_lead_ms": lead_ms})
        at_ns = self.now_ns + number * ns(SPACING_MS)
        until_ns = self.now_ns + ns(60_000)
        self.passing.heard(at_ns, (f"P{number}", number))
        return LookAt(f"I{number}", f"P{number}", recipe, permit(Level.FULL), at_ns, until_ns)

    def first_sight(self) -> Sight:
        self.thread.start()
        self.lanes.start()
        sights = (one for one in iter(lambda: self.posted.get(timeout=10), 0))
        first = next(one for one in sights if isinstance(one, Sight))
        self.thread.close()
        self.lanes.close()
        return first


def missing_of_the_first_of_two(exposed_after_ms: float, lead_ms: float) -> Reason | None:
    rig = Rig(exposed_after_ms)
    for number in range(2):
        rig.thread.look(rig.request(number, lead_ms))
    return rig.first_sight().seen.looks[0].missing


def test_frame_from_before_the_next_trigger_is_this_parts() -> None:
    assert missing_of_the_first_of_two(exposed_after_ms=80, lead_ms=0) is None


def test_frame_from_after_the_next_trigger_is_the_next_parts() -> None:
    assert missing_of_the_first_of_two(exposed_after_ms=100, lead_ms=0) is Reason.STALE_FRAME


def test_frame_that_a_sensor_took_before_the_plc_spoke_is_the_next_parts() -> None:
    assert missing_of_the_first_of_two(exposed_after_ms=80, lead_ms=30) is Reason.STALE_FRAME
    assert missing_of_the_first_of_two(exposed_after_ms=60, lead_ms=30) is None


def test_no_model_is_asked_about_a_frame_of_the_next_part() -> None:
    rig = Rig(exposed_after_ms=100)
    for number in range(2):
        rig.thread.look(rig.request(number))
    rig.first_sight()
    assert "P0" not in rig.judge.judged


def test_refused_part_passes_the_camera_all_the_same() -> None:
    """The gate was full when the next part came: what was exposed from then on shows that one."""
    rig = Rig(exposed_after_ms=60)
    rig.thread.look(rig.request(0))
    rig.passing.heard(rig.now_ns + ns(50))
    assert rig.first_sight().seen.looks[0].missing is Reason.STALE_FRAME


def test_flood_of_refused_parts_makes_none_forgotten() -> None:
    rig = Rig(exposed_after_ms=60)
    rig.thread.look(rig.request(0))
    for n in range(REMEMBERED + 20):
        rig.passing.heard(rig.now_ns + ns(50 + n))
    assert rig.first_sight().seen.looks[0].missing is Reason.STALE_FRAME


def test_part_that_the_loop_has_not_yet_heard_of_passes_the_camera_all_the_same() -> None:
    """The loop sleeps; the link has the trigger, and the frame was exposed after it."""
    rig = Rig(exposed_after_ms=25)
    rig.thread.look(rig.request(0))
    rig.passing.heard(rig.now_ns + ns(20), ("P1", 1))
    assert rig.first_sight().seen.looks[0].missing is Reason.STALE_FRAME


def test_used_number_that_comes_again_later_may_be_another_part() -> None:
    rig = Rig(exposed_after_ms=60)
    rig.passing.heard(rig.now_ns - ns(SPACING_MS), ("P9", 9))
    rig.thread.look(rig.request(0))
    rig.passing.heard(rig.now_ns + ns(50), ("P9", 9))
    assert rig.first_sight().seen.looks[0].missing is Reason.STALE_FRAME


class Stuck:
    """A judge whose first view never ends, in a time that the test sets."""

    def __init__(self) -> None:
        self.busy, self.free = threading.Event(), threading.Event()

    def judge(self, looked: Looked, request: LookAt, predictor: object) -> None:
        self.busy.set()
        self.free.wait(20)


class LaterClock(SystemClock):
    ahead_ns = 0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self.ahead_ns


def test_lane_that_does_not_come_back_is_said_to_hang_and_an_idle_one_is_not() -> None:
    rig, judge, clock = Rig(exposed_after_ms=0), Stuck(), LaterClock()
    lanes = Lanes(judge, [None], lambda request: None, rig.posted.put, 8, clock)  # type: ignore[arg-type, list-item]
    lanes.start()
    request = rig.request(0)
    frame = Frame(np.zeros((1, 1), np.uint8), 0, rig.now_ns)
    view = Looked(RECIPE.views[0], frame=frame)
    lanes.take(Taken(request, [view], 0.0, rig.now_ns, Noticed()))
    assert judge.busy.wait(10) and not lanes.hang()
    clock.ahead_ns = ns(60_000 + 1000 * HUNG_S + 1000)
    assert lanes.hang()
    judge.free.set()
    lanes.close()


def test_trigger_that_the_broker_brings_twice_is_one_part() -> None:
    rig = Rig(exposed_after_ms=25)
    rig.thread.look(rig.request(0))
    rig.passing.heard(rig.now_ns + ns(20), ("P0", 0))
    assert rig.first_sight().seen.looks[0].missing is None


class Together:
    """A judge that is only content when two views are judged at once."""

    def __init__(self) -> None:
        self.both = threading.Barrier(2, timeout=10)

    def judge(self, looked: Looked, request: LookAt, predictor: object) -> None:
        self.both.wait()


def test_two_views_of_a_part_are_judged_side_by_side_and_told_together() -> None:
    rig, posted = Rig(exposed_after_ms=0), queue.Queue[object](10)
    request = rig.request(0)
    next_ns = rig.passing.next_trigger_ns
    lanes = Lanes(Together(), [None] * LANES, next_ns, posted.put, 8, rig.clock)  # type: ignore[arg-type, list-item]
    frame = Frame(np.zeros((4, 4), np.uint8), 1, request.triggered_ns)
    views = [Looked(view, frame=frame) for view in RECIPE.views]
    lanes.take(Taken(request, views, 0.0, rig.now_ns, Noticed()))
    lanes.start()
    sight = posted.get(timeout=10)
    lanes.close()
    assert isinstance(sight, Sight), sight
    assert [look.view for look in sight.seen.looks] == ["top", "side"]
    assert posted.empty()


def test_most_urgent_part_is_judged_first() -> None:
    rig = Rig(exposed_after_ms=0)
    for number, left_ms in ((1, 60_000), (2, 20_000), (3, 40_000)):
        request = rig.request(number)
        urgent = LookAt(
            request.inspection_id,
            request.part_id,
            request.recipe,
            request.permit,
            request.triggered_ns,
            rig.now_ns + ns(left_ms),
        )
        rig.lanes.take(SlowEye(0).take(urgent))
    rig.lanes.start()
    for _ in range(3):
        rig.posted.get(timeout=10)
    rig.lanes.close()
    assert rig.judge.judged == ["P2", "P3", "P1"]


def test_part_whose_time_is_over_is_not_judged_but_its_frame_is_kept() -> None:
    rig = Rig(exposed_after_ms=0)
    request = rig.request(0)
    rig.now_ns -= ns(100_000)
    late = rig.request(0)
    rig.lanes.take(SlowEye(0).take(late))
    rig.lanes.take(SlowEye(0).take(request))
    rig.lanes.start()
    first = rig.posted.get(timeout=10)
    rig.posted.get(timeout=10)
    rig.lanes.close()
    assert isinstance(first, Sight) and first.seen.looks[0].missing is Reason.DEADLINE
    assert set(first.frames) == {RECIPE.views[0].name}
    assert rig.judge.judged == ["P0"]


def test_takes_are_told_where_they_say_something_new() -> None:
    """The loop is not woken for every part to hear that its camera works."""
    rig = Rig(exposed_after_ms=10)
    rig.eye.noticed = Noticed(cleared=("camera_lost",))
    for number in range(8):
        rig.thread.look(rig.request(number))
    rig.thread.start()
    rig.lanes.start()
    seen = []
    while sum(isinstance(one, Sight) for one in seen) < 8:
        seen.append(rig.posted.get(timeout=10))
    rig.thread.close()
    rig.lanes.close()
    told = [one for one in seen if one == rig.eye.noticed]
    assert 1 <= len(told) < 8
    assert seen.index(told[0]) < next(n for n, one in enumerate(seen) if isinstance(one, Sight))
