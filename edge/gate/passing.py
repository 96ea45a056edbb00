"""Which parts came by the cameras, and when: a frame shows the last one that had come."""

import threading
from collections import deque

from edge.core.clock import ns
from edge.gate.events import LookAt

REMEMBERED = 512  # of a flood the newest; a frame of a part from before it is no evidence


class Passing:
    """Every trigger, as soon as it is heard: a part that is refused, or whose trigger cannot be
    read, passes the cameras as well. Thread-safe."""

    def __init__(self) -> None:
        self._came_ns: deque[int] = deque()
        self._newest: tuple[str, int] | None = None
        self._forgotten_ns = -1  # the latest that is not remembered any more
        self._lock = threading.Lock()

    def heard(self, at_ns: int, key: tuple[str, int] | None = None) -> None:
        """A trigger came, of this part and number if they could be read. The newest one once more
        is the broker's doing; an older one may be another part under a used number."""
        with self._lock:
            if key is not None and key == self._newest:
                return
            self._newest = key
            self._came_ns.append(at_ns)
            if len(self._came_ns) > REMEMBERED:
                self._forgotten_ns = max(self._forgotten_ns, self._came_ns.popleft())

    def next_trigger_ns(self, request: LookAt) -> int | None:
        """From when on a frame may be of the part after this one, if that has come: its sensor may
        have triggered the camera before the PLC spoke."""
        at_ns = request.triggered_ns
        with self._lock:
            later = [one for one in self._came_ns if one > at_ns]
            if self._forgotten_ns > at_ns:
                later.append(at_ns)
        return min(later) - ns(request.recipe.frame_lead_ms) if later else None
