"""Which pictures of a part are kept, and which the trainer should have."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.core.clock import Clock
from edge.core.messages import Verdict
from edge.core.preprocess import Image
from edge.gate.events import ClearCause, RaiseCause
from edge.gate.sight import Sight
from edge.store.image_writer import PendingImage
from edge.store.retention import Mode


class Keeper(Protocol):
    """store/image_writer.py: never blocks; drops passes first when there is too much."""

    def offer(self, pending: PendingImage) -> bool: ...
    @property
    def mode(self) -> Mode: ...


class Album:
    def __init__(self, keeper: Keeper, keep_passes: bool, clock: Clock) -> None:
        self._keeper = keeper
        self._keep_passes = keep_passes
        self._clock = clock

    def keep(self, sight: Sight, verdict: Verdict) -> None:
        """Frames of reworks and reviews go to the trainer, with the heatmap that explains them."""
        passed = verdict is Verdict.PASS
        if passed and not self._keep_passes:
            return
        now = self._clock.now()
        inspection_id = sight.seen.inspection_id
        for view, frame in sight.frames.items():
            self._keeper.offer(
                PendingImage(inspection_id, view, "frame", frame, verdict, not passed, now)
            )
        for view, heatmap in sight.heatmaps.items():
            if not passed:
                grey = as_grey(heatmap)
                self._keeper.offer(
                    PendingImage(inspection_id, view, "heatmap", grey, verdict, False, now)
                )

    def causes(self) -> tuple[RaiseCause | ClearCause, ...]:
        """How the disk stands, as causes for the station's state."""
        mode = self._keeper.mode
        low = RaiseCause("disk_low", "") if mode >= Mode.WARN else ClearCause("disk_low")
        code = "images_stopped"
        stopped = RaiseCause(code, "") if mode >= Mode.STOP_IMAGES else ClearCause(code)
        return (low, stopped)


def as_grey(heatmap: NDArray[np.float32]) -> Image:
    """A heatmap of 0..1 as grey levels 0..255."""
    return np.asarray(np.clip(heatmap, 0.0, 1.0) * 255.0 + 0.5, dtype=np.uint8)
