"""The thread that takes the frames: of one part after another, and a look at the station itself
while it is idle."""

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import structlog

from edge.camera.steady import SteadyCamera
from edge.core.clock import Clock, ns
from edge.gate.events import LookAt
from edge.gate.eye import Eye
from edge.gate.loop import Died
from edge.gate.sight import Noticed, Taken

log = structlog.get_logger()

IDLE_S = 0.5  # without a part, until the station itself is looked at
PROBE_EVERY_S = 2.0  # also on a line that never rests
HUNG_S = 60.0  # every call has its timeout, so this is a driver that does not keep it


class EyeThread:
    """Owns the cameras. `judge` and `post` take what it found, from this thread."""

    def __init__(
        self,
        eye: Eye,
        cameras: Mapping[str, SteadyCamera],
        judge: Callable[[Taken], None],
        post: Callable[[Noticed | Died], object],
        room: int,
        clock: Clock,
    ) -> None:
        self._eye = eye
        self._cameras = cameras
        self._judge = judge
        self._post = post
        self._clock = clock
        self._requests: queue.Queue[LookAt | None] = queue.Queue(room)
        self._probed_ns: int | None = None
        self._told: Noticed | None = None  # of the parts since the last probe
        self._busy_since_ns: int | None = None
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

    def hangs(self) -> bool:
        """Whether a camera or its driver has not come back for so long that it will not."""
        since_ns = self._busy_since_ns
        return since_ns is not None and self._clock.monotonic_ns() - since_ns > ns(1000 * HUNG_S)

    def close(self) -> None:
        with contextlib.suppress(queue.Full):
            self._requests.put_nowait(None)
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                for camera in self._cameras.values():
                    stack.enter_context(camera)
                self._serve()
        except Exception:
            log.exception("the eye died; parts go to rework until the gate is back")
            self._post(Died("the eye"))

    def _serve(self) -> None:
        while True:
            self._probe_if_due()
            try:
                request = self._requests.get(timeout=IDLE_S)
            except queue.Empty:
                continue
            if request is None:
                return
            if self._clock.monotonic_ns() < request.until_ns:  # else the line has its rework
                self._busy_since_ns = self._clock.monotonic_ns()
                taken = self._eye.take(request)
                self._busy_since_ns = None
                self._tell(taken.noticed)  # not with what is judged: lanes overtake each other
                self._judge(taken)

    def _tell(self, noticed: Noticed) -> None:
        """Only news: at each part it would wake the loop while the lane needs the processor."""
        if noticed != self._told:
            self._told = noticed if self._post(noticed) else None

    def _probe_if_due(self) -> None:
        now_ns = self._clock.monotonic_ns()
        pause_ns = ns(1000 * (IDLE_S if self._requests.empty() else PROBE_EVERY_S))
        if self._probed_ns is None or now_ns - self._probed_ns >= pause_ns:
            self._probed_ns = now_ns
            self._post(self._eye.probe())
            self._told = None
