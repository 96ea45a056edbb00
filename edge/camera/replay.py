"""Recorded frames as a camera (docs/cameras.md)."""

from typing import Self

from edge.camera.frame_list import ReplayRow, read_frame_list
from edge.camera.pictures import altered, read_picture, shifted
from edge.camera.source import Frame, FrameTruth, Shot
from edge.config import ReplaySettings
from edge.core.clock import Clock
from edge.core.errors import CameraError, CameraLost
from edge.core.preprocess import Image

__all__ = ["ReplayCamera", "ReplayRow", "read_frame_list"]


class ReplayCamera:
    """A FrameSource over a list of recorded frames. It keeps its place when it is reopened."""

    def __init__(self, settings: ReplaySettings, clock: Clock) -> None:
        """Raises ConfigError if there is nothing to replay."""
        self._settings = settings
        self._clock = clock
        self._rows = read_frame_list(settings)
        self._by_id = {row.part_id: row for row in self._rows}
        self._next = 0  # the row for the next part that is not in the list
        self._seq = 0

    @property
    def live(self) -> bool:
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def grab(self, shot: Shot, timeout_s: float) -> Frame:
        """The row of the shot's part; for a part that is not in the list, the next row in order.
        Raises CameraLost at the end of the list, CameraTimeout for a picture that cannot be
        read: the next one may be fine."""
        exposed_at_ns = self._clock.monotonic_ns()
        row = self._by_id.get(shot.part_id) or self._next_row()
        image = altered(read_picture(row.path), row.alteration)
        self._seq += 1
        return Frame(image, self._seq, exposed_at_ns)

    def truth(self, shot: Shot) -> FrameTruth:
        """What the list says about a part of the list; nothing about any other."""
        row = self._by_id.get(shot.part_id)
        if row is None:
            return FrameTruth(label=None)
        return FrameTruth(
            label=row.label,
            defect_kind=row.defect_kind,
            mask=_read_mask(row),
            group=row.group or row.part_id,
            domain=row.domain,
        )

    def _next_row(self) -> ReplayRow:
        if self._next >= len(self._rows):
            if not self._settings.loop:
                raise CameraLost(
                    f"all {len(self._rows)} frames of {self._settings.frames} were shown; "
                    f"set loop = true in [camera.replay] to begin again"
                )
            self._next = 0
        self._next += 1
        return self._rows[self._next - 1]


def _read_mask(row: ReplayRow) -> Image | None:
    """The row's mask, moved as its picture is; None if there is none that can be read."""
    if row.mask_path is None:
        return None
    try:
        mask = read_picture(row.mask_path)
    except CameraError:
        return None
    mask = mask if mask.ndim == 2 else mask.max(axis=2)
    return shifted(mask, row.alteration.dx_px, row.alteration.dy_px)
