"""A camera that takes lines of a moving belt: their blocks become one frame for each part."""

from typing import Protocol, Self

import numpy as np

from edge.camera.linescan import Strip
from edge.camera.source import Frame, FrameSource, Shot
from edge.config import LinescanSettings
from edge.core.clock import Clock, ns
from edge.core.errors import CameraTimeout


class Blocks(FrameSource, Protocol):
    """A camera whose frames are blocks of lines, in order, from the first after the trigger."""

    @property
    def taken_ns(self) -> int:
        """No block that came earlier than this (CLOCK_MONOTONIC) can be had any more."""
        ...

    def counts(self) -> dict[str, int]: ...


class LinescanCamera:
    """A FrameSource over another one. A part's frame begins with the first block after its
    trigger."""

    def __init__(self, blocks: Blocks, settings: LinescanSettings, clock: Clock) -> None:
        self._blocks = blocks
        self._settings = settings
        self._clock = clock

    @property
    def live(self) -> bool:
        return self._blocks.live

    def __enter__(self) -> Self:
        self._blocks.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._blocks.__exit__(*exc)

    def counts(self) -> dict[str, int]:
        return self._blocks.counts()

    def grab(self, shot: Shot, timeout_s: float) -> Frame:
        """All lines of this part. Raises CameraTimeout if they did not all come in time, CameraLost
        if the camera is gone."""
        if self._blocks.taken_ns >= shot.not_before_ns:
            raise CameraTimeout(
                "its first lines are gone, to the part before it or because the gate was busy: "
                "leave more room between parts"
            )
        until_ns = self._clock.monotonic_ns() + ns(1000 * timeout_s)
        first = self._blocks.grab(shot, timeout_s)
        strip = Strip(self._settings)
        strip.add(first.image, self._count(first))
        while not strip.complete:
            left_s = (until_ns - self._clock.monotonic_ns()) / 1e9
            block = self._next(shot, left_s, strip)
            strip.add(block.image, self._count(block))
        return self._whole(strip, first)

    def _next(self, shot: Shot, left_s: float, strip: Strip) -> Frame:
        try:
            return self._blocks.grab(shot, max(0.0, left_s))
        except CameraTimeout as error:
            so_far = f"{strip.n_rows} of {self._settings.rows_px} rows"
            raise CameraTimeout(f"{so_far}, then {error}") from error

    def _count(self, block: Frame) -> float:
        """The belt's; a camera that does not know it makes its lines at even steps, and a block
        that was lost leaves a gap."""
        if block.encoder is not None:
            return float(block.encoder)
        return block.seq * len(block.image) * self._settings.counts_per_line

    def _whole(self, strip: Strip, first: Frame) -> Frame:
        image, missing = strip.frame()
        if missing.any():
            raise CameraTimeout(
                f"{np.count_nonzero(missing)} of {len(missing)} rows lie more than "
                f"{self._settings.max_gap_px:g} px from any line, the first at "
                f"{int(missing.argmax())}: lines were lost, or counts_per_line is not the camera's"
            )
        return Frame(image, first.seq, first.exposed_at_ns, first.encoder)
