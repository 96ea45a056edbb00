"""Which part a frame belongs to, when the next one has come already."""

import queue

from gate_world import RECIPE

from edge.clock import SystemClock
from edge.core.automation import permit
from edge.core.clock import ns
from edge.core.decide import FreshFrame, Look
from edge.core.messages import Level, Reason
from edge.core.records import ViewRecord
from edge.gate.events import LookAt, Seen
from edge.gate.eye import Noticed, Sight
from edge.gate.eye_thread import EyeThread

SPACING_MS = 100.0


class SlowEye:
    """Sees a frame that was exposed so long after the first part's trigger."""

    def __init__(self, exposed_after_ms: float) -> None:
        self.exposed_after_ms = exposed_after_ms

    def probe(self) -> Noticed:
        return Noticed()

    def look(self, request: LookAt) -> Sight:
        view = RECIPE.views[0].name
        record = ViewRecord(view=view, frame_seq=1, exposed_after_ms=self.exposed_after_ms)
        fresh = Look(view, FreshFrame(request.inspection_id, view, "0" * 64))
        seen = Seen(request.inspection_id, (fresh,), (record,))
        return Sight(seen, {}, {}, Noticed(), request.recipe)


def missing_of_the_first_of_two(exposed_after_ms: float, lead_ms: float) -> Reason | None:
    posted: queue.Queue[object] = queue.Queue(10)
    clock = SystemClock()
    thread = EyeThread(SlowEye(exposed_after_ms), {}, posted.put, 4, clock)  # type: ignore[arg-type]
    recipe = RECIPE.model_copy(update={"frame_lead_ms": lead_ms})
    now_ns = clock.monotonic_ns()
    for n in range(2):
        at_ns = now_ns + n * ns(SPACING_MS)
        thread.look(
            LookAt(f"I{n}", f"P{n}", recipe, permit(Level.FULL), at_ns, now_ns + ns(60_000))
        )
    thread.start()
    sights = (
        said for said in iter(lambda: posted.get(timeout=10), None) if isinstance(said, Sight)
    )
    first = next(sights)
    thread.close()
    return first.seen.looks[0].missing


def test_frame_from_before_the_next_trigger_is_this_parts() -> None:
    assert missing_of_the_first_of_two(exposed_after_ms=80, lead_ms=0) is None


def test_frame_from_after_the_next_trigger_is_the_next_parts() -> None:
    assert missing_of_the_first_of_two(exposed_after_ms=100, lead_ms=0) is Reason.STALE_FRAME


def test_frame_that_a_sensor_took_before_the_plc_spoke_is_the_next_parts() -> None:
    assert missing_of_the_first_of_two(exposed_after_ms=80, lead_ms=30) is Reason.STALE_FRAME
    assert missing_of_the_first_of_two(exposed_after_ms=60, lead_ms=30) is None
