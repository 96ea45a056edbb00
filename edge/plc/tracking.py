"""Which part lies at the diverter, and may it pass? A shift register of the belt.

Sans-I/O. Parts enter where the trigger sees them, verdicts arrive in any order, the belt carries
all of them to the diverter. A part passes if its own pass verdict is there when its window begins
and as long as it lasts; whatever is unknown, late, too close or doubtful is rejected.

Positions are those of the belt, in um, always growing as it runs forward.
"""

from collections import OrderedDict
from dataclasses import dataclass

from edge.core.messages import Verdict

MAX_PARTS = 256  # between trigger and diverter; more cannot be in flight either
REMEMBERED = 4096  # keys that have entered: a repeated trigger is no second part
TOO_CLOSE = "too close to its neighbour"

Key = tuple[str, int]  # part_id, seq


@dataclass(frozen=True, slots=True)
class Belt:
    """Distances in um. `rest_passes`: a diverter that does not move lets parts through."""

    diverter_um: int  # from the trigger to its middle
    window_um: int  # before and behind the middle, while the part may be there
    min_gap_um: int  # parts that follow closer cannot be told apart
    stale_ns: int  # a part that takes longer may have been touched
    confirm_um: int | None = None  # behind the window a rejected part was seen to leave
    rest_passes: bool = False


@dataclass(frozen=True, slots=True)
class Entered:
    """A part came to the trigger."""

    key: Key


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict. `word` is what it is worth now: a pass too late is none."""

    key: Key
    word: Verdict


@dataclass(frozen=True, slots=True)
class Moved:
    """The belt has moved, or time has passed."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Something left through the reject lane."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A person has put the line in order."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody knows any longer where parts lie."""

    why: str


Event = Entered | Told | Moved | Confirmed | Acknowledged | Lost


@dataclass(frozen=True, slots=True)
class Decided:
    """A part came to the diverter. `why` it was rejected; None: it passed."""

    key: Key
    why: str | None


@dataclass(slots=True)
class _Part:
    key: Key
    entered_um: int
    entered_ns: int
    word: Verdict | None = None
    spoilt: str | None = None  # why it is rejected whatever its verdict
    passes: bool | None = None  # none: it has not come to the diverter yet
    confirmed: bool = False


class Tracker:
    def __init__(self, belt: Belt, at_um: int, locked: str | None = None) -> None:
        """`locked`: an alarm from before that nobody has acknowledged. What lies on the belt now
        is unknown, so nothing passes until it has left."""
        self.locked = locked
        self._belt = belt
        self._at_um = at_um
        self._farthest_um = at_um
        self._blind_until_um = self._clear_um(at_um)
        self._let_through = False  # what the diverter has done since the last event
        self._parts: OrderedDict[Key, _Part] = OrderedDict()
        self._known: OrderedDict[Key, None] = OrderedDict()

    def handle(self, event: Event, at_um: int, now_ns: int) -> list[Decided]:
        """What happened while the belt stood at `at_um`; returns which parts were decided."""
        decided = self._move(at_um, now_ns)
        match event:
            case Entered(key):
                self._enter(key, at_um, now_ns)
            case Told(key, word):
                self._tell(key, word)
            case Confirmed():
                self._confirm()
            case Acknowledged():
                self._acknowledge()
            case Lost():
                self._lose()
        decided += self._settle(now_ns)
        self._let_through = not self.rejecting if self._belt.rest_passes else self.passing
        return decided

    @property
    def passing(self) -> bool:
        """Whether the diverter must let through what is there now."""
        present = [part.passes for part in self._parts.values() if self._is_present(part)]
        return bool(present) and all(present) and not self._blind and self.locked is None

    @property
    def rejecting(self) -> bool:
        """Whether something is there, or may be, that the diverter must throw out."""
        present = [part for part in self._parts.values() if self._is_present(part)]
        return self._blind or any(not part.passes for part in present)

    def due_um(self) -> int | None:
        """Where the belt stands when `handle(Moved(), ...)` must be called at the latest."""
        marks = [mark for part in self._parts.values() for mark in self._marks(part)]
        if self._blind:
            marks.append(self._blind_until_um)
        return min((mark for mark in marks if mark > self._at_um), default=None)

    # ---- the belt ----

    def _move(self, at_um: int, now_ns: int) -> list[Decided]:
        """A belt that stops creeps back a little; one that runs back shakes everything up."""
        self._at_um = at_um
        if at_um < self._farthest_um - self._belt.window_um:
            self._lose()
        self._farthest_um = max(self._farthest_um, at_um)
        return self._settle(now_ns)

    def _lose(self) -> None:
        """Forget all parts; nothing passes until whatever lies here has left."""
        self._parts.clear()
        self._farthest_um = self._at_um
        self._blind_until_um = self._clear_um(self._at_um)

    def _clear_um(self, at_um: int) -> int:
        return at_um + self._belt.diverter_um + self._belt.window_um + 1

    @property
    def _blind(self) -> bool:
        return self._at_um < self._blind_until_um

    # ---- a part ----

    def _enter(self, key: Key, at_um: int, now_ns: int) -> None:
        if key in self._known:
            return
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        if len(self._parts) >= MAX_PARTS:
            self._lose()
            return
        part = _Part(key, at_um, now_ns)
        near = [p for p in self._parts.values() if self._is_near(p, at_um)]
        if any(other.spoilt == TOO_CLOSE for other in near):
            self._lose()  # a third one: more likely it is the belt's distance that is wrong
            return
        for other in near:
            other.spoilt = part.spoilt = TOO_CLOSE
        self._parts[key] = part

    def _is_near(self, part: _Part, at_um: int) -> bool:
        return abs(part.entered_um - at_um) < self._belt.min_gap_um

    def _tell(self, key: Key, word: Verdict) -> None:
        """The worst word counts; only a review may still become a pass."""
        part = self._parts.get(key)
        if part is None:
            return
        if word is not Verdict.PASS or part.word in (None, Verdict.REVIEW):
            part.word = part.word if part.word is Verdict.REWORK else word

    def _settle(self, now_ns: int) -> list[Decided]:
        decided = []
        for part in list(self._parts.values()):
            rel_um = self._rel_um(part)
            if rel_um >= -self._belt.window_um:
                decided += self._decide(part, now_ns)
            if rel_um > self._end_um(part):
                self._leave(part)
        return decided

    def _decide(self, part: _Part, now_ns: int) -> list[Decided]:
        """A pass must hold as long as the part is there; what is lost does not come back."""
        first = part.passes is None
        gone = self._rel_um(part) > self._belt.window_um
        if part.passes is False or (gone and not first):
            return []
        why = self._against(part, now_ns)
        if why is not None and first and self._let_through and self._rel_um(part) >= 0:
            self._lock(f"part {part.key[0]} was past the diverter before that could move")
        if why is None and gone and not self._let_through:
            why = "it was past the diverter before that could move"
        part.passes = why is None
        return [Decided(part.key, why)] if first or why is not None else []

    def _against(self, part: _Part, now_ns: int) -> str | None:
        """Why the part must not pass."""
        if part.word is not Verdict.PASS:
            return "no verdict in time" if part.word is None else f"its verdict is {part.word}"
        if part.spoilt is not None:
            return part.spoilt
        if self._blind:
            return "what lies on the belt is not known yet"
        if self.locked is not None:
            return self.locked
        if now_ns - part.entered_ns > self._belt.stale_ns:
            return "it was on its way for too long"
        return None

    def _leave(self, part: _Part) -> None:
        del self._parts[part.key]
        if self._awaited(part):
            self._lock(f"part {part.key[0]} was not seen to leave")

    def _rel_um(self, part: _Part) -> int:
        """Where it lies, from the middle of the diverter."""
        return self._at_um - part.entered_um - self._belt.diverter_um

    def _end_um(self, part: _Part) -> int:
        """How far behind the diverter it still matters."""
        lane_um = 0 if part.passes else self._belt.confirm_um or 0
        return self._belt.window_um + lane_um

    def _is_present(self, part: _Part) -> bool:
        return abs(self._rel_um(part)) <= self._belt.window_um

    def _marks(self, part: _Part) -> tuple[int, ...]:
        middle_um = part.entered_um + self._belt.diverter_um
        window_um = self._belt.window_um
        return middle_um - window_um, middle_um + window_um + 1, middle_um + self._end_um(part) + 1

    # ---- what was rejected must be seen to leave ----

    def _awaited(self, part: _Part) -> bool:
        return self._belt.confirm_um is not None and part.passes is False and not part.confirmed

    def _confirm(self) -> None:
        """One of the rejected parts that may be there now; the oldest that nobody has seen yet."""
        there = [part for part in self._parts.values() if self._may_be_leaving(part)]
        for part in there:
            if not part.confirmed:
                part.confirmed = True
                return
        settled_um = self._blind_until_um + (self._belt.confirm_um or 0)
        if not there and self._at_um >= settled_um:
            self._lock("something left through the reject lane that was not rejected")

    def _may_be_leaving(self, part: _Part) -> bool:
        return part.passes is False and -self._belt.window_um <= self._rel_um(part)

    def _lock(self, why: str) -> None:
        if self.locked is None:
            self.locked = why

    def _acknowledge(self) -> None:
        """Hands were on the line: what lies on it is rejected, and may be seen leaving or not."""
        if self.locked is None:
            return
        self.locked = None
        for part in self._parts.values():
            part.spoilt = part.spoilt or "on the belt when the alarm was acknowledged"
            part.confirmed = True
