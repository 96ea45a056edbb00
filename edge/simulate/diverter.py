"""The diverter: it stands at rework unless it was told to let a part by, a reaction time before.

Pure. Like a wired one it knows no part; whoever tells it must know which part comes.
"""

from bisect import bisect_right


class Diverter:
    """Orders must come in the order of time. At the start it stands at rework."""

    def __init__(self, reaction_s: float) -> None:
        self._reaction_s = reaction_s
        self._times_s: list[float] = []
        self._open: list[bool] = []

    def order(self, let_by: bool, at_s: float) -> None:
        """The order comes at `at_s` and is carried out a reaction time later."""
        stands_open = bool(self._open) and self._open[-1]
        if let_by != stands_open:
            self._times_s.append(at_s + self._reaction_s)
            self._open.append(let_by)

    def lets_by(self, at_s: float) -> bool:
        """Where it stands at this time."""
        index = bisect_right(self._times_s, at_s) - 1
        return index >= 0 and self._open[index]

    def moved(self, since_s: float, until_s: float) -> bool:
        """Whether it moved after the one time and up to the other."""
        return bisect_right(self._times_s, since_s) != bisect_right(self._times_s, until_s)
