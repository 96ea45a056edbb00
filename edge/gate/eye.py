"""The eye of the gate: takes the frames of a part, and looks after the cameras. It never decides.

Whatever goes wrong becomes a reason on that view, and a cause that the station shows. The frames
are judged elsewhere (judge.py), so that the next part's are taken at once: a frame that is taken
late shows another part.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from edge.camera.lateness import frame_limits_ms
from edge.camera.source import Shot
from edge.camera.steady import SteadyCamera
from edge.core.clock import Clock, ms, ns
from edge.core.errors import CameraError, CameraFrozen
from edge.core.messages import Reason
from edge.gate.events import LookAt
from edge.gate.sight import Looked, Notes, Noticed, Taken

LATE_IN_A_ROW = 3  # parts whose frame came late, until the station says so


class Models(Protocol):
    """predict/client.py."""

    def loaded(self, model: str, timeout_s: float) -> bool:
        """Whether this model is ready to answer."""
        ...


class Eye:
    """Owned by one thread, which alone touches the cameras."""

    def __init__(
        self,
        cameras: Mapping[str, SteadyCamera],
        grab_timeout_s: Mapping[str, float],
        delays_ms: Mapping[str, float | None],
        server: Models,
        models: Collection[str],
        clock: Clock,
    ) -> None:
        """`delays_ms`: camera_delay_ms of each camera. `models` are those that the recipes ask
        for."""
        self._cameras = cameras
        self._grab_timeout_s = grab_timeout_s
        self._delays_ms = delays_ms
        self._server = server
        self._models = models
        self._clock = clock
        self._late = 0
        self._lost: set[str] = set()  # cameras without frames
        self._frozen: set[str] = set()

    def take(self, request: LookAt) -> Taken:
        """Take the frames of all views of a part, within the time that is left for it."""
        started_ns = self._clock.monotonic_ns()
        limits_ms = frame_limits_ms(request.recipe, self._delays_ms)
        views = [Looked(view, limits_ms[view.name]) for view in request.recipe.views]
        notes = Notes()
        for looked in views:
            self._grab(looked, request, notes)
        self._note_late(views, notes)
        now_ns = self._clock.monotonic_ns()
        return Taken(request, views, ms(now_ns - started_ns), now_ns, notes.frozen())

    def probe(self) -> Noticed:
        """Between parts: are the cameras open, is the model there?"""
        notes = Notes()
        for name, camera in self._cameras.items():
            if camera.probe():
                self._is_well(name, notes)
            else:
                self._lost.add(name)
                notes.raised["camera_lost"] = f"{name}: {camera.trouble}"
        away = [name for name in self._models if not self._server.loaded(name, 0.2)]
        if away:
            notes.raised["predictor_unavailable"] = f"model {', '.join(away)} is not loaded"
        else:
            notes.cleared.add("predictor_unavailable")
            notes.working.add("model")
        counts = {name: camera.counts() for name, camera in self._cameras.items()}
        return replace(notes.frozen(), cameras=counts)

    def _is_well(self, camera: str, notes: Notes) -> None:
        """A cause is gone when it is gone for every camera."""
        self._lost.discard(camera)
        self._frozen.discard(camera)
        notes.working.add(camera)
        if not self._lost:
            notes.cleared.add("camera_lost")
        if not self._frozen:
            notes.cleared.add("camera_frozen")

    def _left_s(self, request: LookAt) -> float:
        return max(0.0, (request.until_ns - self._clock.monotonic_ns()) / 1e9)

    def _grab(self, looked: Looked, request: LookAt, notes: Notes) -> None:
        camera = looked.view.camera
        timeout_s = min(self._grab_timeout_s[camera], self._left_s(request))
        lead_ns = ns(request.recipe.frame_lead_ms)
        shot = Shot(request.part_id, looked.view.name, request.triggered_ns, lead_ns)
        try:
            frame = self._cameras[camera].grab(shot, timeout_s)
        except CameraFrozen as error:
            looked.lacks(Reason.STALE_FRAME, error)
            self._frozen.add(camera)
            notes.raised["camera_frozen"] = f"{camera}: {error}"
            return
        except CameraError as error:
            looked.lacks(Reason.NO_FRAME, error)
            self._lost.add(camera)
            notes.raised["camera_lost"] = f"{camera}: {error}"
            return
        looked.frame = frame
        self._is_well(camera, notes)
        after_ms = ms(frame.exposed_at_ns - request.triggered_ns)
        stale = untimely(after_ms, request.recipe.frame_lead_ms, looked.within_ms)
        if stale is not None:
            looked.lacks(Reason.STALE_FRAME, stale)
            looked.late = after_ms > 0

    def _note_late(self, views: Sequence[Looked], notes: Notes) -> None:
        """Of all views of a part."""
        late = [f"{looked.view.camera}: {looked.problem}" for looked in views if looked.late]
        if late:
            self._late += 1
            if self._late >= LATE_IN_A_ROW:
                notes.raised["frames_late"] = late[0]
        elif any(looked.frame is not None for looked in views):
            self._late = 0
            notes.cleared.add("frames_late")


def untimely(after_ms: float, lead_ms: float, within_ms: float | None) -> str | None:
    """Why a frame that was exposed so long after its trigger cannot be of that part; None: it can
    be. The part has moved on when `within_ms` are over."""
    if after_ms < -lead_ms:
        return f"exposed {-after_ms:.0f} ms before the trigger"
    if within_ms is not None and after_ms > within_ms:
        return f"exposed {after_ms:.0f} ms after the trigger, {within_ms:.0f} are allowed"
    return None
