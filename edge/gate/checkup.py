"""The thread that looks after the cameras: after the verdict, with the frames that there are.

Never in the way of a verdict: `offer` only queues, and drops what is too much. What it finds
becomes a cause of the station; a part's score and its verdict's reasons stay as they are.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from edge.core.clock import Clock, ns
from edge.core.orders import CameraFigures
from edge.core.preprocess import Image
from edge.core.quality import grey
from edge.core.recipe import Recipe
from edge.core.records import EventRecord
from edge.gate.sight import Noticed, Sight
from edge.store.writer import OnDone, Outcome
from edge.store.writes import AddEvent, SetMeta, Write
from edge.watch.camera_health import CameraHealth, Remember

log = structlog.get_logger()

ROOM = 4  # sights that wait; the next one shows as much
PIXELS_EVERY_MS = 200  # pixels do not die faster, and a fast line's processor has other work

Submit = Callable[[Sequence[Write], OnDone], bool]


@dataclass(frozen=True, slots=True)
class _Wish:
    """A person wants this recipe's references taken."""

    recipe: Recipe
    who: str


class Checkup:
    """`start` it for a thread of its own; tests call `step` instead."""

    def __init__(
        self,
        health: CameraHealth,
        recipes: Mapping[str, Recipe],
        post: Callable[[Noticed], bool],
        submit: Submit,
        clock: Clock,
    ) -> None:
        """`post` tells the inspection loop, `submit` hands writes to the ledger."""
        self._health = health
        self._recipes = recipes
        self._post = post
        self._submit = submit
        self._clock = clock
        self._waiting: queue.Queue[Sight | _Wish | None] = queue.Queue(ROOM)
        self._told: frozenset[str] = frozenset()
        self._figures = CameraFigures()
        self._pixels_due_ns: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="checkup", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, sight: Sight) -> None:
        """Frames whose verdict is out. Never blocks."""
        self._put(sight)

    def figures(self) -> CameraFigures:
        """As of the last frames, from any thread."""
        return self._figures

    def take_reference(self, recipe: str, who: str) -> str | None:
        """The next frames of this recipe are to be its reference; or what speaks against it."""
        if recipe not in self._recipes:
            return f"no recipe is named {recipe!r}"
        if not self._put(_Wish(self._recipes[recipe], who)):
            return "the box is busy; try again in a second"
        return None

    def close(self) -> None:
        try:
            self._waiting.put(None, timeout=1.0)
        except queue.Full:
            return  # it hangs; it is a daemon
        self._thread.join(timeout=2.0)

    def step(self) -> bool:
        """Take what waits next, and tell what follows. False: it was the end."""
        match self._waiting.get():
            case None:
                return False
            case _Wish(recipe, who):
                self._remember(self._health.take_reference(recipe, who))
            case Sight() as sight:
                self._look(sight)
        self._figures = self._health.figures
        self._tell(self._health.holding)
        return True

    def _put(self, item: Sight | _Wish) -> bool:
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        going = True
        while going:
            try:
                going = self.step()
            except Exception as error:  # the line does not stand still for want of a figure
                log.exception("checkup")
                failed = {"camera_unwatched": f"the checkup failed: {error!r}"}
                self._tell(dict.fromkeys(self._told, "") | failed)  # what held still holds

    def _look(self, sight: Sight) -> None:
        for view in sight.recipe.views:
            frame = sight.frames.get(view.name)
            if frame is not None:
                self._remember(self._health.look(sight.recipe, view, frame))
                self._look_at_pixels(view.camera, frame)

    def _look_at_pixels(self, camera: str, frame: Image) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._pixels_due_ns.get(camera, now_ns):
            self._pixels_due_ns[camera] = now_ns + ns(PIXELS_EVERY_MS)
            self._health.look_at_pixels(camera, grey(frame))

    def _remember(self, what: Sequence[Remember]) -> None:
        for one in what:
            log.info("checkup", said=one.text)
            event = EventRecord(code="reference", text=one.text, at=self._clock.now())
            lasting = [] if one.key is None else [SetMeta(one.key, one.value)]
            if not self._submit([*lasting, AddEvent(event)], _said):
                log.warning("checkup not kept: the queue to the disk is full", said=one.text)

    def _tell(self, holding: Mapping[str, str]) -> None:
        """What came and what went; told again next time, if the loop had no room for it."""
        came = tuple((code, why) for code, why in holding.items() if code not in self._told)
        gone = tuple(sorted(self._told - set(holding)))
        if (came or gone) and self._post(Noticed(raised=came, cleared=gone)):
            self._told = frozenset(holding)


def _said(outcome: Outcome) -> None:
    """A reference that is not durable holds until the next restart."""
    if isinstance(outcome, Exception):
        log.warning("checkup not kept", error=str(outcome))
