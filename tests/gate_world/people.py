"""People in the world: they judge what waits, late, twice or never, and take back what passed."""

import itertools
from typing import TYPE_CHECKING

from edge.core.clock import ns
from edge.core.messages import Verdict, VerdictMessage
from edge.core.orders import ReviewOrder
from edge.gate import events as ev

if TYPE_CHECKING:
    from gate_world.world import World


class People:
    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = world.random
        self._tokens = itertools.count(1)

    def hear(self, message: VerdictMessage) -> None:
        """What the page shows them."""
        if message.verdict is Verdict.REVIEW and self._random.random() < 0.7:
            self._speak_after((100, 700, 1900, 2500), message.inspection_id)
            if self._random.random() < 0.1:
                self._world.count("two people judged one part")
                self._speak_after((100, 700), message.inspection_id)
        if message.verdict is Verdict.PASS and self._random.random() < 0.1:
            self._world.count("a pass was taken back")  # the part came back
            self._speak_after((50,), message.inspection_id, Verdict.REWORK)
        if self._random.random() < 0.002:
            self._world.count("a person judged a part that nobody knows")
            self._speak_after((1,), "I0")

    def _speak_after(
        self, after_ms: tuple[int, ...], inspection_id: str, word: Verdict | None = None
    ) -> None:
        at_ns = self._world.now_ns + ns(self._random.choice(after_ms))
        self._world.later(at_ns, lambda: self._speak(inspection_id, word))

    def _speak(self, inspection_id: str, word: Verdict | None) -> None:
        verdict = word or self._random.choice((Verdict.PASS, Verdict.REWORK))
        if self._world.loop is not None and word is None:
            self._world.books.human.setdefault(inspection_id, set()).add(verdict)
        order = ReviewOrder(inspection_id=inspection_id, verdict=verdict, who="ada")
        self._world.tell(ev.Reviewed(order, next(self._tokens), self._world.wall()))
