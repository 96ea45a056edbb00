"""A camera's frame ids as one growing count, and how many frames are missing in between."""

WRAP = 0xFFFF  # GigE Vision 1: 16 bits; 0 is never used, 1 follows 65535


class FrameIds:
    """Unwraps 16-bit ids; wider ones pass as they are. A camera may begin with any id, and begins
    anew when it is reopened. A frame whose first packet is missing has no id of its own, but 0 or
    that of an older one, whose buffer it took: it is taken for the next one."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._wide = False
        self.seq = 0  # counts every frame that the camera made, whether it arrived or not
        self.missed = 0

    def take(self, frame_id: int) -> int:
        """Count a frame that arrived; returns how many before it did not."""
        self._wide = self._wide or frame_id > WRAP
        steps = 1 if self._last is None else self._steps(self._last, frame_id)
        if self._last is not None and (frame_id == 0 or steps < 0):
            frame_id, steps = self._next(self._last), 1
        self._last = frame_id or None
        self.seq += steps
        lost = max(0, steps - 1)
        self.missed += lost
        return lost

    def _steps(self, before: int, now: int) -> int:
        """From one id to the next: 0 if it is the same frame again, negative if it is older."""
        if self._wide:
            return now - before
        ahead = (now - before) % WRAP
        return ahead if ahead <= WRAP // 2 else ahead - WRAP

    def _next(self, before: int) -> int:
        return before + 1 if self._wide else before % WRAP + 1
