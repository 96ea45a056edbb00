"""The eye of the gate: takes the frames of a part, and looks after the cameras. It never decides.

Whatever goes wrong becomes a reason on that view, and a cause that the station shows. The frames
are judged elsewhere (judge.py), so that the next part's are taken at once: a frame that is taken
late shows another part.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Protocol

from edge.camera.source import Shot
from edge.camera.steady import SteadyCamera
from edge.core.clock import Clock, ms, ns
from edge.core.errors import CameraError, CameraFrozen
from edge.core.messages import Reason
from edge.core.recipe import Recipe
from edge.gate.events import LookAt
from edge.gate.sight import Looked, Notes, Noticed, Taken


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
        server: Models,
        models: Collection[str],
        clock: Clock,
    ) -> None:
        """`models` are those that the recipes ask for."""
        self._cameras = cameras
        self._grab_timeout_s = grab_timeout_s
        self._server = server
        self._models = models
        self._clock = clock
        self._lost: set[str] = set()  # cameras without frames
        self._frozen: set[str] = set()

    def take(self, request: LookAt) -> Taken:
        """Take the frames of all views of a part, within the time that is left for it."""
        started_ns = self._clock.monotonic_ns()
        views = [Looked(view) for view in request.recipe.views]
        for looked in views:
            self._grab(looked, request)
        now_ns = self._clock.monotonic_ns()
        return Taken(request, views, ms(now_ns - started_ns), now_ns)

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

    def _grab(self, looked: Looked, request: LookAt) -> None:
        notes = looked.notes
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
        stale = untimely(ms(frame.exposed_at_ns - request.triggered_ns), request.recipe)
        if stale is not None:
            looked.lacks(Reason.STALE_FRAME, stale)


def untimely(exposed_after_ms: float, recipe: Recipe) -> str | None:
    """Why a frame that was exposed then cannot be of the part that triggered."""
    if exposed_after_ms < -recipe.frame_lead_ms:
        return f"exposed {-exposed_after_ms:.0f} ms before the trigger"
    limit_ms = recipe.frame_within_ms
    if limit_ms is not None and exposed_after_ms > limit_ms:
        return f"exposed {exposed_after_ms:.0f} ms after the trigger, when the part had moved on"
    return None
