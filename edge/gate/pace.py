"""How fast this box judges, learned from the last parts: what it has no time for is refused.

A queue that is longer than the deadline serves nobody: every part in it comes to the model when
its time is over. So a part is only taken if it and those that are on their way can be judged.
"""

from collections.abc import Iterable, Mapping

LANES = 2  # views that are judged side by side: one for each core of the smallest box
_NEWEST = 1 / 8  # the weight of the last part


class Pace:
    """`alone_ns`: from trigger to verdict, without waiting for other parts; `each_ns`: how much
    longer one takes for every other part before it."""

    def __init__(self) -> None:
        self.alone_ns = 0.0
        self.each_ns = 0.0

    def learn(self, took_ns: int, stages_ms: Mapping[str, float]) -> None:
        """A part got the model's verdict in time, `took_ns` after its trigger."""
        work_ms = sum(spent for stage, spent in stages_ms.items() if stage not in ("grab", "wait"))
        alone_ns = took_ns - 1e6 * stages_ms.get("wait", 0.0)
        weight = _NEWEST if self.alone_ns else 1.0
        self.alone_ns += weight * (alone_ns - self.alone_ns)
        self.each_ns += weight * (1e6 * work_ms / LANES - self.each_ns)

    def fits(self, due_ns: int, others_due_ns: Iterable[int], now_ns: int) -> bool:
        """Whether one more part can be judged by `due_ns`, and the others still by theirs: the
        most urgent comes first. Where no other is on its way every part is tried: how else would
        a box be found to have become faster."""
        others = sorted(others_due_ns)
        before = sum(other_ns <= due_ns for other_ns in others)
        if others and now_ns + self.alone_ns + before * self.each_ns > due_ns:
            return False
        return all(
            now_ns + (before + place) * self.each_ns <= other_ns
            for place, other_ns in enumerate(others[before:], start=2)
        )
