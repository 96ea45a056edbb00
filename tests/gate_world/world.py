"""Time, the box, and what goes wrong with them."""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Self

from edge.core.clock import ns
from edge.core.messages import Level, Trigger, Verdict
from edge.gate import events as ev
from edge.gate.album import Album
from edge.gate.ledger import Ledger
from edge.gate.loop import Incoming, InspectionLoop
from edge.gate.passing import Passing
from edge.gate.recovery import closures, owed
from edge.gate.rules import RecipeRules
from edge.gate.standing import CHALLENGE_FAILED, Standing
from edge.watch.conditions import CAUSES, Conditions
from gate_world import CODED, LIMITS, RECIPE, RULES, SHA
from gate_world.books import Books
from gate_world.disk import Disk
from gate_world.eye import Eye, Noticed
from gate_world.line import TOPICS, Line
from gate_world.people import People

START = datetime(2026, 1, 1, tzinfo=UTC)
BEAT_MS = 250
GAPS_MS = (27, 28, 30, 40)  # between two parts
DISC = RECIPE.model_copy(update={"frame_within_ms": 10.0})
CAP = DISC.model_copy(update={"name": "cap"})  # has no code
RECIPES = {"disc": RecipeRules(DISC, CODED, "toy-1"), "cap": RecipeRules(CAP, RULES, "toy-1")}
NARROW = replace(LIMITS, max_in_flight=4, max_waiting=6)
LATCHED = (CHALLENGE_FAILED, "reject_unconfirmed")  # a restart does not end these
BY_OTHERS = tuple(  # raised and cleared by whoever watches cameras, disk and wires
    code
    for code in CAUSES
    if code not in ("not_durable", CHALLENGE_FAILED, "broker_lost", "plc_silent", "too_slow")
)
STEPS = (  # of the gate; after each of them the power goes
    *(f"{kind} was handed to the disk" for kind in ("OpenPart", "ClosePart", "AddReview")),
    *(f"{kind} was handed to the disk" for kind in ("AddAlarm", "SetMeta", "MarkAcked")),
    *(f"{what} was sent" for what in ("an ack", "a verdict", "a state", "a heartbeat")),
    "a look was asked for",
    "a person was answered",
)


class PowerCut(Exception):
    """The gate is gone, here and now."""


class World:
    def __init__(
        self,
        seed: int,
        parts: int,
        ledger: type[Ledger] = Ledger,
        recipes: Mapping[str, RecipeRules] = RECIPES,
    ) -> None:
        self.random = random.Random(seed)
        self.now_ns = 0
        self.happened: Counter[str] = Counter()
        self.deaths: list[int] = []
        self.owed: set[str] = set()
        self.passing = Passing()
        self.loop: InspectionLoop | None = None
        self.books = Books(self)
        self.disk = Disk(self)
        self.line = Line(self)
        self.people = People(self)
        self._ledger_type, self._recipes = ledger, recipes
        self._parts = parts
        self._ids = itertools.count(1)
        self._order = itertools.count()
        self._heap: list[tuple[int, int, int, Callable[[], None]]] = []
        self._life = 0  # events of an earlier life of the gate die with it
        self._wall_off_s = 0.0
        self._stood: list[tuple[int, int]] = []  # from, until: the gate's process had no CPU
        self._cut_after: str | None = None
        self._steps = itertools.cycle(STEPS)
        self._causes = itertools.cycle(BY_OTHERS)
        self._calm = False
        self._until_ns = 0
        self._number = 0  # of the newest part

    # ---- running ----

    def run_all(self) -> Self:
        """All parts come, then peace, until nothing is left to happen."""
        at_ns = ns(500)
        for number in range(self._parts):
            at_ns += ns(self.random.choice(GAPS_MS))
            crowded = self.random.random() < 0.02
            self.later(at_ns, lambda n=number, c=crowded: self._part(n, c))
        self.later(at_ns + ns(500), self._peace)
        self._until_ns = at_ns + ns(80_000)
        self._boot()
        while self._turn():
            pass
        return self

    def _turn(self) -> bool:
        """The next thing that happens; false: there is none."""
        due_ns = self._due_ns()
        if self._heap and (due_ns is None or self._heap[0][0] <= max(due_ns, self.now_ns)):
            at_ns, _, life, action = heapq.heappop(self._heap)
            self.now_ns = max(self.now_ns, at_ns)
            if life in (-1, self._life):
                action()
            return True
        if due_ns is None:
            return False
        # A real loop wakes a little late; the margin before the deadline is there for that.
        self.now_ns = max(due_ns, self.now_ns) + ns(self.random.choice((0, 0, 0, 1, 3)))
        self.tell(ev.Tick())
        return True

    def later(self, at_ns: int, action: Callable[[], None], of_gate: bool = False) -> None:
        """`of_gate`: it happens inside the gate's process and ends with it."""
        life = self._life if of_gate else -1
        heapq.heappush(self._heap, (at_ns, next(self._order), life, action))

    def count(self, what: str) -> None:
        self.happened[what] += 1

    def wall(self) -> datetime:
        return START + timedelta(seconds=self._wall_off_s, microseconds=self.now_ns // 1000)

    # ---- the gate's clock ----

    def monotonic_ns(self) -> int:
        return self.now_ns

    def now(self) -> datetime:
        return self.wall()

    # ---- the gate ----

    def tell(self, message: Incoming) -> None:
        """Into the gate, if it is there; a process without CPU hears it afterwards."""
        if self.loop is None:
            return
        if self._stood and self.now_ns < self._stood[-1][1]:
            self.later(self._stood[-1][1], lambda: self.tell(message), of_gate=True)
            return
        self.run(lambda: self._take(message))

    def run(self, action: Callable[[], object]) -> None:
        """A turn of the gate: it ends well, or with the power."""
        if self.loop is None:
            return
        try:
            action()
            if self.loop is not None:
                self._turn_loop()
        except PowerCut:
            self._die()

    def step(self, what: str) -> None:
        """Between any two effects the power may go."""
        if what == self._cut_after and not self._calm:
            self._cut_after = None
            self.count(f"power cut after {what}")
            raise PowerCut

    def stood_still_ns(self, begin_ns: int, end_ns: int) -> int:
        """How much of this time the gate had no CPU, with the time until it had caught up."""
        stood = [until - since for since, until in self._stood if since <= end_ns]
        near = any(until >= begin_ns - ns(1000) for _, until in self._stood)
        return max(stood, default=0) if near else 0

    def _take(self, message: Incoming) -> None:
        assert self.loop is not None
        self.books.asked = None
        if isinstance(message, ev.Triggered):
            self.books.arrived(message.trigger)
        self.loop.take(message)

    def _turn_loop(self) -> None:
        assert self.loop is not None
        while not self.loop._inbox.empty():
            self._take(self.loop._inbox.get_nowait())
        if self.loop._finished():
            self.count("the gate was stopped in order")
            self.disk.flush()
            self._leave()

    def _due_ns(self) -> int | None:
        due_ns = None if self.loop is None else self.loop.ledger.due_ns()
        if due_ns is None or not self._stood:
            return due_ns
        return max(due_ns, self._stood[-1][1])

    def _boot(self) -> None:
        """As `edge/build.py` does: what was left open is closed as rework first."""
        meta, left = self.disk.meta, self.disk.unanswered()
        closed = closures(left)
        for close in closed:
            self.disk.apply(close)
        waiting = owed(left, closed)
        self.owed |= {message.inspection_id for message in waiting}
        eye, self.passing = Eye(self), Passing()
        standing = Standing(Level(meta.get("level", Level.PARTIAL)), meta.get("recipe", "disc"))
        new_id = lambda: f"I{next(self._ids)}"  # noqa: E731
        self.loop = InspectionLoop(
            ledger=self._ledger_type(self._recipes, standing, NARROW, SHA, new_id),
            conditions=Conditions(needed=("top", "model")),
            line=self.line,
            store=self.disk,
            album=NoAlbum(),
            checkup=NoCheckup(),
            look=eye.look,
            reply=lambda token, answer: self.step("a person was answered"),
            models={},
            clock=self,
            heartbeat_ms=BEAT_MS,
            owed=waiting,
        )
        self.tell(Noticed(raised=tuple((code, "") for code in LATCHED if meta.get(code))))
        self.later(self.now_ns + ns(30), self.line.connect, of_gate=True)
        well = Noticed(seen_working=("top", "model"))
        self.later(self.now_ns + ns(50), lambda: self.tell(well), of_gate=True)
        self._beat()

    def _beat(self) -> None:
        self.tell(ev.Tick())
        if self.now_ns < self._until_ns:
            self.later(self.now_ns + ns(BEAT_MS), self._beat, of_gate=True)

    def _die(self) -> None:
        self.disk.power_cut()
        self._leave()

    def _leave(self) -> None:
        self.deaths.append(self.now_ns)
        self._life += 1
        self.loop = None
        self.line.gate_is_gone()
        self.later(self.now_ns + ns(self.random.choice((5, 300, 2000))), self._boot)

    # ---- parts, and what happens beside them ----

    def _part(self, number: int, crowded: bool) -> None:
        self._number = number
        for what, chance, happen in self._troubles:
            if self.random.random() < chance:
                self.count(what)
                happen()
        if self._challenge_failed and self.random.random() < 0.3:
            self._challenge(number)
        self._stand(number, crowded)

    @property
    def _challenge_failed(self) -> bool:
        active = () if self.loop is None else self.loop.conditions.active
        return any(condition.code == CHALLENGE_FAILED for condition in active)

    def _stand(self, number: int, crowded: bool) -> None:
        """A part stands before the camera; crowded: the PLC says so three times in no time."""
        recipe = self.random.choice((None,) * 30 + ("cap", "disc", "unknown"))
        deadline_ms = self.random.choice((100,) * 20 + (40, 250))
        seq = number if self.random.random() < 0.99 else 2**53 - 1 - number
        trigger = Trigger(part_id=f"P{number}", seq=seq, recipe=recipe, deadline_ms=deadline_ms)
        self.books.stands(trigger, crowded)
        self.line.plc.trigger(trigger)
        if crowded:
            self.count("triggers in no time")
            for more in (1, 2):
                again = trigger.model_copy(update={"seq": 2**40 + 4 * number + more})
                self.books.stands(again, crowded)
                self.line.plc.trigger(again)

    @property
    def _troubles(self) -> tuple[tuple[str, float, Callable[[], None]], ...]:
        """What happens beside the parts, how often for each, and how."""
        plc = self.line.plc
        return (
            ("the power was cut", 0.001, self._cut),
            ("the power is to be cut", 0.003, self._cut_soon),
            ("the gate was told to stop", 0.0007, self._stop),
            ("the process had no CPU", 0.001, self._stand_still),
            ("the wall clock jumped", 0.002, self._jump),
            ("the disk broke", 0.0007, self._break_disk),
            ("the broker went", 0.0007, self.line.lose_broker),
            ("garbage on the line", 0.003, plc.babble),
            ("the PLC echoed nothing", 0.0007, plc.fall_silent),
            ("a cause came", 0.006, self._trouble),
            ("a level was ordered", 0.003, self._order_level),
            ("a recipe was ordered", 0.001, self._order_recipe),
            ("a challenge was announced", 0.002, self._challenge_any),
        )  # fmt: skip

    def _peace(self) -> None:
        self._calm = True
        self.disk.broken_until_ns = 0

    def _cut(self) -> None:
        if self.loop is not None:
            self._die()

    def _cut_soon(self) -> None:
        self._cut_after = self._cut_after or next(self._steps)

    def _stop(self) -> None:
        if self.loop is not None:
            self.loop.stop(within_s=self.random.choice((0.01, 0.5)))

    def _stand_still(self) -> None:
        if self.loop is not None:
            span_ns = ns(self.random.choice((15, 60, 120)))
            self._stood.append((self.now_ns, self.now_ns + span_ns))

    def _jump(self) -> None:
        since_1970_s = START.timestamp()
        self._wall_off_s = self.random.choice((-since_1970_s, -3600, -1, 0, 1, 3600, 1e9))

    def _break_disk(self) -> None:
        self.disk.broken_until_ns = self.now_ns + ns(self.random.choice((50, 400, 3000)))

    def _trouble(self) -> None:
        code = next(self._causes)
        self._latch(code, "so it is")
        self.tell(Noticed(raised=((code, "so it is"),)))
        after_ns = self.now_ns + ns(self.random.choice((200, 500, 3000)))
        self.later(after_ns, lambda: self._mend(code))

    def _mend(self, code: str) -> None:
        self._latch(code, "")
        self.tell(Noticed(cleared=(code,)))

    def _latch(self, code: str, why: str) -> None:
        if code in LATCHED:
            self.disk.meta[code] = why

    def _order_level(self) -> None:
        level = self.random.choice((Level.PARTIAL,) * 3 + tuple(Level))
        who = self.random.choice(("Ada", "Ada", None))
        self.line.plc.order(TOPICS.level, level=level, **({"who": who} if who else {}))
        self.later(self.now_ns + ns(1500), self._back_to_work)

    def _back_to_work(self) -> None:
        self.line.plc.order(TOPICS.level, level=Level.PARTIAL, who="Ada")

    def _order_recipe(self) -> None:
        recipe = self.random.choice(("disc", "disc", "cap", "none"))
        self.line.plc.order(TOPICS.recipe, recipe=recipe)

    def _challenge_any(self) -> None:
        self._challenge(self._number + self.random.choice((1, 5, 20)))

    def _challenge(self, number: int) -> None:
        expect = self.random.choice((Verdict.PASS, Verdict.REWORK))
        self.line.plc.order(TOPICS.challenge, part_id=f"P{number}", expect=expect)


class NoAlbum(Album):
    def __init__(self) -> None:
        pass

    def keep(self, *_: object) -> None:
        pass

    def causes(self) -> tuple[()]:
        return ()


class NoCheckup:
    def offer(self, *_: object) -> None:
        pass

    def take_reference(self, recipe: str, who: str) -> None:
        return None
