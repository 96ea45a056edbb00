"""The thread that looks: one part after another, and at the station itself while it is idle."""

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import structlog

from edge.camera.steady import SteadyCamera
from edge.gate.events import LookAt
from edge.gate.eye import Eye, Noticed, Sight
from edge.gate.loop import Died

log = structlog.get_logger()

IDLE_S = 0.5  # between looks at the station itself


class EyeThread:
    """Owns the cameras and the predictor. `post` takes what was seen, from this thread."""

    def __init__(
        self,
        eye: Eye,
        cameras: Mapping[str, SteadyCamera],
        post: Callable[[Sight | Noticed | Died], object],
        room: int,
    ) -> None:
        self._eye = eye
        self._cameras = cameras
        self._post = post
        self._requests: queue.Queue[LookAt | None] = queue.Queue(room)
        self._thread = threading.Thread(target=self._run, name="eye", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look(self, request: LookAt) -> bool:
        """Ask for a look, from any thread; false if too many parts are waiting for one."""
        try:
            self._requests.put_nowait(request)
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        with contextlib.suppress(queue.Full):
            self._requests.put_nowait(None)
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        with ExitStack() as stack:
            for camera in self._cameras.values():
                stack.enter_context(camera)
            try:
                self._serve()
            except Exception:
                log.exception("the eye died; parts go to rework until the gate is back")
                self._post(Died("the eye"))

    def _serve(self) -> None:
        while True:
            try:
                request = self._requests.get(timeout=IDLE_S)
            except queue.Empty:
                self._post(self._eye.probe())
                continue
            if request is None:
                return
            self._post(self._eye.look(request))
