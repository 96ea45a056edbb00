"""The pieces of images that the trainer asked for, in its order."""

from collections import deque
from collections.abc import Iterable

from edge.core.post import Want, chunk_count

MAX_IMAGES = 64  # asked for at once; the trainer repeats what falls off


class ChunkQueue:
    def __init__(self) -> None:
        self._asked: dict[str, tuple[int, ...] | None] = {}  # size not known yet
        self._queued: dict[str, deque[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._asked or self._queued)

    def ask(self, want: Want) -> bool:
        """Note a want; the newest of one image counts. False if too much is queued already."""
        known = want.sha256 in self._asked or want.sha256 in self._queued
        if not known and len(self._asked) + len(self._queued) >= MAX_IMAGES:
            return False
        self._asked[want.sha256] = want.chunks
        return True

    def found(self, sha256: str, total_bytes: int | None) -> None:
        """The image has this size, or is gone."""
        if sha256 not in self._asked:
            return
        chunks = self._asked.pop(sha256)
        count = chunk_count(total_bytes or 0)
        wanted = range(count) if chunks is None else sorted(set(chunks))
        indices = deque(index for index in wanted if 0 <= index < count)
        self._queued.pop(sha256, None)
        if indices:
            self._queued[sha256] = indices

    def next(self) -> tuple[str, int] | None:
        """Take the next piece: (sha256, index)."""
        for sha256, indices in self._queued.items():
            index = indices.popleft()
            if not indices:
                del self._queued[sha256]
            return sha256, index
        return None

    def drop(self, images: Iterable[str]) -> None:
        """The trainer has these."""
        for sha256 in images:
            self._asked.pop(sha256, None)
            self._queued.pop(sha256, None)

    def clear(self) -> None:
        self._asked.clear()
        self._queued.clear()
