"""Lines of a belt as one frame of square pixels, by where the belt stood: pure.

A line-scan camera sends lines in blocks, with the encoder's count at the first of each. Where a
line lies follows from its count alone, so it does not matter how blocks overlap, whether the belt
stood or went back in between, or how fast it ran.
"""

import numpy as np
from numpy.typing import NDArray

from edge.config import LinescanSettings
from edge.core.preprocess import Image

WRAP = 2**32  # the counters of encoders; wider ones move by less between two blocks


class Strip:
    """The lines of one part. Row 0 of its frame is the first line of the first block."""

    def __init__(self, settings: LinescanSettings) -> None:
        self._settings = settings
        self._count: float | None = None
        self._travelled = 0.0  # counts, forwards, of the newest block's first line
        self._front_px = -1.0
        self._lines: list[Image] = []
        self._at_px: list[NDArray[np.float64]] = []

    @property
    def n_rows(self) -> int:
        """How many rows the belt has passed."""
        return min(self._settings.rows_px, int(np.floor(self._front_px)) + 1)

    @property
    def complete(self) -> bool:
        return self._front_px >= self._settings.rows_px - 1

    def add(self, block: Image, count: float) -> None:
        """Lines (n, W) or (n, W, 3), the first of them taken at `count`. Only those count that show
        more of the belt than all before them."""
        at_px = self._positions_px(len(block), count)
        before_px = np.maximum.accumulate(np.append(self._front_px, at_px))[:-1]
        ahead = at_px > before_px
        if ahead.any():
            self._lines.append(block[ahead])
            self._at_px.append(at_px[ahead])
            self._front_px = float(at_px[ahead][-1])

    def frame(self) -> tuple[Image, NDArray[np.bool_]]:
        """(rows, W) or (rows, W, 3), each row the line nearest to it; and which rows have none near
        enough. Needs a line."""
        at_px = np.concatenate(self._at_px)
        rows = np.arange(self._settings.rows_px)
        nearest = np.searchsorted((at_px[:-1] + at_px[1:]) / 2, rows)
        missing = np.abs(at_px[nearest] - rows) > self._settings.max_gap_px
        return np.concatenate(self._lines)[nearest], missing

    def _positions_px(self, n_lines: int, count: float) -> NDArray[np.float64]:
        if self._count is not None:
            step = (count - self._count + WRAP / 2) % WRAP - WRAP / 2
            self._travelled += -step if self._settings.reverse else step
        self._count = count
        counts = self._travelled + self._settings.counts_per_line * np.arange(n_lines)
        return np.asarray(counts / self._settings.counts_per_px)
