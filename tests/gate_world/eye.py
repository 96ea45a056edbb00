"""Cameras and model of the world: slow, blind, and now and then about another part."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edge.camera.source import Frame
from edge.core.clock import ms, ns
from edge.core.decide import FreshFrame, Look, Prediction, SerialRead
from edge.core.messages import Reason
from edge.core.records import ViewRecord
from edge.gate import events as ev
from edge.gate.eye import untimely
from edge.gate.sight import Looked, Noticed, Sight
from gate_world import FOREIGN, RULES, SHA, VIEWS

if TYPE_CHECKING:
    from gate_world.world import World

ROOM = 12  # parts that may wait for a look
NOTHING = np.zeros((1, 1), np.uint8)  # a frame that nobody looks at

CAUSE_OF = {
    Reason.NO_FRAME: "camera_lost",
    Reason.PREDICTOR_UNAVAILABLE: "predictor_unavailable",
}


@dataclass(frozen=True, slots=True)
class View:
    """What came of one view, and the truth about it."""

    look: Look
    after_ms: float
    good: bool  # the evidence is what it says, and enough for a pass


class Eye:
    """One thread: looks come one after another. `mine`: the frame shows the part it is for."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = world.random
        self._free_ns = 0
        self._waiting = 0

    def look(self, request: ev.LookAt) -> bool:
        self._world.step("a look was asked for")
        if self._waiting >= ROOM or self._random.random() < 0.001:
            self._world.count("the eye has no room")
            return False
        self._waiting += 1
        spent = self._random.choice((2, 3, 5, 5, 8, 12))
        if self._random.random() < 0.02:
            spent = self._random.choice((60, 90, 95, 130, 400))
        start = max(self._world.now_ns, self._free_ns)
        self._free_ns = start + ns(spent)
        self._world.later(self._free_ns, lambda: self._done(request, start), of_gate=True)
        return True

    def _done(self, request: ev.LookAt, start_ns: int) -> None:
        self._waiting -= 1
        if start_ns >= request.until_ns:
            self._world.count("a look came too late to begin")
            return
        if self._random.random() < 0.01:
            self._world.count("a look was lost")
            return
        sight = self._sight(request, start_ns)
        self._world.tell(sight)
        if self._random.random() < 0.01:
            self._world.count("a look was told twice")
            self._world.tell(sight)

    def _sight(self, request: ev.LookAt, start_ns: int) -> Sight:
        coded = request.recipe.name == "disc"
        views = [self._view(request, name, start_ns) for name in VIEWS]
        if coded:
            views[0] = self._with_code(views[0], request)
        if self._random.random() < 0.005:
            self._world.count("a view is missing")
            views = [replace(views[0], good=False)]
        about = request.inspection_id
        good = all(view.good for view in views)
        if self._random.random() < 0.005:
            self._world.count("a look was about another part")
            about = f"I{self._random.randrange(1, 10_000)}"
        else:
            self._world.books.saw(about, good, start_ns)
        looks = tuple(self._in_time(view, request) for view in views)
        records = tuple(ViewRecord(view=v.look.view, exposed_after_ms=v.after_ms) for v in views)
        seen = ev.Seen(about, looks, records)
        return Sight(seen, {}, {}, self._noticed(looks), request.recipe)

    def _in_time(self, view: View, request: ev.LookAt) -> Look:
        """The look, unless the next part had come when its frame was exposed."""
        exposed_ns = request.triggered_ns + round(view.after_ms * 1e6)
        name = view.look.view
        (view_of,) = (one for one in request.recipe.views if one.name == name)
        looked = Looked(view_of, frame=Frame(NOTHING, 0, exposed_ns))
        limit_ns = self._world.passing.next_trigger_ns(request)
        looked.overtaken(limit_ns, request.triggered_ns)
        if looked.missing is None:
            return view.look
        self._world.count("the next part overtook a look")
        return Look(name, missing=looked.missing)

    def _noticed(self, looks: tuple[Look, ...]) -> Noticed:
        missing = {look.missing for look in looks}
        raised = tuple((code, "") for reason, code in CAUSE_OF.items() if reason in missing)
        return Noticed(raised=raised, cleared=() if missing - {None} else (*CAUSE_OF.values(),))

    def _view(self, request: ev.LookAt, name: str, start_ns: int) -> View:
        inspection_id = request.inspection_id
        after_ms = ms(start_ns - request.triggered_ns)
        if self._random.random() < 0.005:
            after_ms = -1.0
        stale = untimely(after_ms, request.recipe.frame_lead_ms, request.recipe.frame_within_ms)
        if stale is not None:
            self._world.count(f"a frame {'before' if after_ms < 0 else 'long after'} its trigger")
            return View(Look(name, missing=Reason.STALE_FRAME), after_ms, False)
        frame = FreshFrame(inspection_id, name, SHA)
        score = self._random.choice((0.05, 0.1, 0.1, 0.2, 0.2, 0.29, 0.5, 0.9))
        good = Prediction(inspection_id, name, score, SHA)
        if not request.permit.asks_model:
            return View(Look(name, frame), after_ms, False)
        if self._random.random() < 0.95:
            return View(Look(name, frame, good), after_ms, score < RULES.pass_below)
        what = self._random.choice((*BLUNDERS,))
        self._world.count(f"eye: {what}")
        return View(BLUNDERS[what](name, frame, good), after_ms, False)

    def _with_code(self, view: View, request: ev.LookAt) -> View:
        """Mostly the part's own serial; now and then that of one just before it, or long ago."""
        number, chance = int(request.part_id[1:]), self._random.random()
        if chance < 0.06:
            self._world.count("two parts with one serial")
            number = max(0, number - self._random.choice((1, 1, 2, 3, 50)))
        look = view.look
        serial = SerialRead(request.inspection_id, look.view, f"S{number}")
        if chance <= 0.97:
            return replace(view, look=replace(look, serial=serial))
        what = self._random.choice((*CODE_BLUNDERS,))
        self._world.count(f"code: {what}")
        return replace(view, look=CODE_BLUNDERS[what](look, serial), good=False)


def _of(prediction: Prediction, inspection_id: str) -> Prediction:
    return replace(prediction, inspection_id=inspection_id)


def _by(prediction: Prediction, sha256: str) -> Prediction:
    return replace(prediction, model_sha256=sha256)


BLUNDERS: dict[str, Callable[[str, FreshFrame, Prediction], Look]] = {
    "no frame": lambda view, frame, good: Look(view, missing=Reason.NO_FRAME),
    "useless frame": lambda view, frame, good: Look(view, missing=Reason.IMAGE_QUALITY),
    "no model": lambda view, frame, good: Look(view, frame, missing=Reason.PREDICTOR_UNAVAILABLE),
    "NaN": lambda view, frame, good: Look(view, frame, replace(good, score=float("nan"))),
    "foreign model": lambda view, frame, good: Look(view, frame, _by(good, FOREIGN)),
    "score of another": lambda view, frame, good: Look(view, frame, _of(good, "I0")),
    "frame of another": lambda view, frame, good: Look(view, FreshFrame("I0", view, SHA), good),
    "no score": lambda view, frame, good: Look(view, frame),
}  # fmt: skip
CODE_BLUNDERS: dict[str, Callable[[Look, SerialRead], Look]] = {
    "unreadable": lambda look, read: replace(look, unread=Reason.CODE_UNREADABLE),
    "mismatch": lambda look, read: replace(look, serial=read, unread=Reason.SERIAL_MISMATCH),
    "not read": lambda look, read: look,
    "of another": lambda look, read: replace(look, serial=replace(read, inspection_id="I0")),
    "of another view": lambda look, read: replace(look, serial=replace(read, view="side")),
}
