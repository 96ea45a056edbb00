"""Where the ledger finds its parts: the open ones, and the last that were closed or refused."""

from collections import OrderedDict
from collections.abc import Iterator

from edge.core.messages import Refusal, Trigger, TriggerAck
from edge.gate.part import Part, Stage

REMEMBERED = 1000  # closed parts whose answer is at hand (older ones: the store), and refused ones


class Shelf:
    """Bounded: open parts by the limits of the gate, closed ones by REMEMBERED."""

    def __init__(self) -> None:
        self._open: dict[str, Part] = {}
        self._closed: OrderedDict[str, Part] = OrderedDict()
        self._by_key: dict[tuple[str, int], Part] = {}
        self._refused: OrderedDict[tuple[str, int], TriggerAck] = OrderedDict()

    def add(self, part: Part) -> None:
        self._open[part.inspection_id] = part
        self._by_key[part.key] = part

    def open(self, inspection_id: str) -> Part | None:
        return self._open.get(inspection_id)

    def closed(self, inspection_id: str) -> Part | None:
        return self._closed.get(inspection_id)

    def known(self, trigger: Trigger) -> Part | None:
        """The part of this very trigger, open or closed."""
        return self._by_key.get((trigger.part_id, trigger.seq))

    def refuse(self, ack: TriggerAck) -> None:
        """This trigger was told no. A garbled one is forgotten: another part may be meant."""
        if ack.refused is Refusal.BAD_MESSAGE:
            return
        self._refused[(ack.part_id, ack.seq)] = ack
        while len(self._refused) > REMEMBERED:
            self._refused.popitem(last=False)

    def refused(self, trigger: Trigger) -> TriggerAck | None:
        """What this very trigger was told before, if it was told no."""
        return self._refused.get((trigger.part_id, trigger.seq))

    def close(self, part: Part) -> None:
        part.stage = Stage.CLOSED
        del self._open[part.inspection_id]
        self._closed[part.inspection_id] = part
        while len(self._closed) > REMEMBERED:
            _, oldest = self._closed.popitem(last=False)
            self._drop_key(oldest)

    def dismiss(self, part: Part) -> None:
        """The part was never accepted, but its opening may still become durable."""
        self.close(part)
        self._drop_key(part)

    def find(self, inspection_id: str) -> Part | None:
        return self._closed.get(inspection_id) or self._open.get(inspection_id)

    def forget(self, part: Part) -> None:
        """The part was never accepted: its trigger may come again."""
        self._open.pop(part.inspection_id, None)
        self._drop_key(part)

    def overdue(self, now_ns: int) -> list[Part]:
        return [part for part in self._open.values() if part.due_ns <= now_ns]

    def due_ns(self) -> int | None:
        return min((part.due_ns for part in self._open.values()), default=None)

    def unseen_due_ns(self) -> list[int]:
        """When the parts are due that are still being looked at."""
        return [part.due_ns for part in self._open.values() if not part.seen]

    def waiting(self) -> list[Part]:
        return [part for part in self._open.values() if part.stage is Stage.WAITING]

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Part]:
        return iter(self._open.values())

    def _drop_key(self, part: Part) -> None:
        if self._by_key.get(part.key) is part:
            del self._by_key[part.key]
