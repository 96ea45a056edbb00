"""Network, broker and PLC of the world. `Line` is the gate's end of it; the PLC goes by its real
rules, and what it says is read as the gate reads it."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from edge.core.clock import ns
from edge.core.messages import (
    AlarmMessage,
    Heartbeat,
    OrderAck,
    PlcAck,
    StateMessage,
    StateWord,
    Trigger,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.core.topics import LineTopics
from edge.gate.doorway import incoming
from edge.gate.loop import LinkChanged
from edge.plc.inbound import Inbox
from edge.plc.rules import Answer, Lane, LineLost, Moved, PlcRules, Repeated, Sent, Unsent
from edge.plc.rules import Event as PlcEvent

if TYPE_CHECKING:
    from gate_world.world import World

TOPICS = LineTopics("p")
TRANSPORT_MS = 200  # that the PLC grants: twice SLOW_MS, and the gate's longest standstill
ACK_MS = 15  # within this the gate must have the trigger, or another part is seen
SLOW_MS = 30  # at most, each way
AFTER_REFUSAL = "a verdict came after a refusal by an earlier life of the gate"
PASS_AFTER_REFUSAL = "a pass came after a refusal by an earlier life of the gate"
PASS_AFTER_LOST_REVIEW = "a person passed a part whose review was lost on its way"
GARBAGE = (
    b"",
    b"\xff\xfe",
    b"[" * 3000,
    b"{" + b" " * 5000 + b"}",
    b'{"part_id": "two words", "seq": 1}',
    b'{"seq": -1}',
)


class Line:
    """`gate.loop.Line`, as the link is: what is said while the broker is away is lost, only state
    and alarms come again; and a pass is not written once it is none."""

    def __init__(self, world: "World") -> None:
        self.plc = Plc(world, self)
        self.up = False  # the gate with the broker
        self.broker = True
        self._world = world
        self._random = world.random
        self._inbox = Inbox(TOPICS)
        self._state: StateMessage | None = None
        self._era = 0  # what is on its way ends with its connection
        self._down_at_ns = 0  # TCP keeps the order

    # ---- from the gate ----

    def publish_ack(self, ack: TriggerAck) -> None:
        self._world.books.acknowledged(ack)
        if ack.refused is not None:
            self._world.count(f"refusal: {ack.refused}")
        self._send("an ack", lambda: self.plc.hear(ack))

    def publish_verdict(self, message: VerdictMessage, expires_ns: int | None) -> None:
        self._world.books.told(message)
        over = expires_ns is not None and self._world.now_ns >= expires_ns
        if message.verdict is Verdict.PASS and over:
            self._world.count("a pass expired before it was sent")
            return
        payload = message.model_dump_json(exclude_none=True).encode()
        self._send("a verdict", lambda: self.plc.hear(Answer(message, payload)))
        if message.verdict is Verdict.REVIEW:
            self.plc.told_to_wait.add(message.seq)

    def publish_state(self, state: StateMessage) -> None:
        self._state = state
        self._send("a state", lambda: self.plc.hear(state))

    def heartbeat(self, counter: int) -> None:
        self._send("a heartbeat", lambda: self.plc.hear(Heartbeat(counter=counter)))

    def alarm(self, code: str, alarm: AlarmMessage | None) -> None:
        self._world.count(f"cause: {code}")

    def order_ack(self, ack: OrderAck) -> None:
        self._world.count("an order was done" if ack.ok else "an order was refused")

    def _send(self, what: str, deliver: Callable[[], None]) -> None:
        if not self.up:
            self._world.count(f"{what} found no broker")
        else:
            slow = self._random.random() < 0.01
            at = self._world.now_ns + ns(SLOW_MS if slow else self._random.choice((0.3, 0.5, 2)))
            self._down_at_ns = max(self._down_at_ns, at)
            self._fly(self._down_at_ns, deliver)
            if self._random.random() < 0.005:
                self._world.count(f"{what} came twice")
                self._fly(self._down_at_ns, deliver)
        self._world.step(f"{what} was sent")

    def _fly(self, at_ns: int, deliver: Callable[[], None]) -> None:
        era = self._era
        self._world.later(at_ns, lambda: deliver() if era == self._era else None)

    # ---- to the gate ----

    def say(self, topic: str, payload: bytes) -> None:
        """The PLC publishes; the gate may get it late, twice, or never."""
        if not self.broker:
            return
        chance = self._random.random()
        if chance < 0.003:
            self._world.count("what the PLC said was lost")
            return
        delay_ms = SLOW_MS if chance < 0.02 else self._random.choice((0.3, 0.5, 2))
        self._fly(self._world.now_ns + ns(delay_ms), lambda: self._arrive(topic, payload))
        if 0.02 <= chance < 0.025:
            self._world.count("what the PLC said came twice")
            again_ns = self._world.now_ns + ns(delay_ms + 1)
            self._fly(again_ns, lambda: self._arrive(topic, payload))

    def _arrive(self, topic: str, payload: bytes) -> None:
        event = self._inbox.read(topic, payload)
        if topic == TOPICS.trigger and self.up:
            key = (event.part_id, event.seq) if isinstance(event, Trigger) else None
            self._world.passing.heard(self._world.now_ns, key)
        message = (
            None
            if event is None or not self.up
            else incoming(event, self._world.wall(), self._world.now_ns)
        )
        if message is None:
            self._world.count("the gate heard nothing that it could answer")
            return
        self._world.tell(message)

    # ---- the connection ----

    def connect(self) -> None:
        """The gate's link finds the broker."""
        self._world.run(self._connect)

    def _connect(self) -> None:
        if self.broker:
            self.up = True
            if self._state is not None:
                self.publish_state(self._state)
            self._world.tell(LinkChanged(lost=None))

    def gate_is_gone(self) -> None:
        """Its last will, or its goodbye."""
        self._state = None
        if self.up:
            self.up = False
            offline = StateMessage(state=StateWord.OFFLINE)
            self._down_at_ns = max(self._down_at_ns, self._world.now_ns + ns(1))
            self._fly(self._down_at_ns, lambda: self.plc.hear(offline))

    def lose_broker(self) -> None:
        if not self.broker:
            return
        self._era += 1
        self.up = self.broker = False
        self.plc.hear(LineLost())
        self._world.tell(LinkChanged(lost="reset by peer"))
        after_ns = ns(self._random.choice((20, 300, 3000)))
        self._world.later(self._world.now_ns + after_ns, self._broker_is_back)

    def _broker_is_back(self) -> None:
        self.broker = True
        self.connect()


class Plc:
    """By the real rules, with a program that now and then babbles, asks again, or is silent."""

    def __init__(self, world: "World", line: Line) -> None:
        self.rules = PlcRules(TRANSPORT_MS, review_s=2.5, ack_ms=ACK_MS)
        self._world = world
        self._random = world.random
        self._line = line
        self._silent_until_ns = 0
        self._orders = 0
        self.told_to_wait: set[int] = set()  # and has not heard of it yet

    def trigger(self, trigger: Trigger) -> None:
        """A part is in position."""
        if not self._line.broker:
            self._handle(Unsent(trigger))
            return
        self._handle(Sent(trigger))
        payload = _bytes(trigger)
        if self._random.random() < 0.002:
            spoilt = payload.replace(b'"deadline_ms":', b'"deadline_ms":-')
            self._line.say(TOPICS.trigger, spoilt)
            return
        self._line.say(TOPICS.trigger, payload)
        if self._random.random() < 0.03:
            again_ns = ns(self._random.choice((1, 20, 350, 60_000)))
            self._world.later(self._world.now_ns + again_ns, lambda: self._ask_again(trigger))

    def hear(self, event: PlcEvent) -> None:
        if isinstance(event, TriggerAck) and event.accepted:
            self._world.count("an acceptance was heard")
        if isinstance(event, Answer):
            self._note_gone(event.message)
        self._handle(event)

    def _note_gone(self, message: VerdictMessage) -> None:
        """A verdict for a part that has left: refused before a restart of the gate; or passed by a
        person, but `review` was lost with its connection, and the PLC never kept it waiting."""
        passed, part = message.verdict is Verdict.PASS, self.rules.part(message.seq)
        if part is not None and part.refused:
            self._world.count(AFTER_REFUSAL)
            self._world.happened[PASS_AFTER_REFUSAL] += passed
        if message.verdict is Verdict.REVIEW:
            self.told_to_wait.discard(message.seq)
        elif passed and message.seq in self.told_to_wait:
            self._world.count(PASS_AFTER_LOST_REVIEW)

    def babble(self) -> None:
        """Garbage, and echoes of parts that are still to come."""
        self._world.count("the PLC babbled")
        for _ in range(self._random.choice((1, 3, 20))):
            topic = self._random.choice((TOPICS.trigger, TOPICS.ack, TOPICS.level, "p/what"))
            self._line.say(topic, self._random.choice(GARBAGE))
        future = self._random.randrange(1, 10_000)
        self._line.say(TOPICS.ack, _bytes(PlcAck(part_id=f"P{future}", inspection_id=f"I{future}")))

    def fall_silent(self) -> None:
        self._silent_until_ns = self._world.now_ns + ns(3000)

    def order(self, topic: str, **fields: object) -> None:
        """A wish; some come twice, some use an id twice, some are nonsense."""
        self._orders += 1
        chance = self._random.random()
        if chance < 0.05:
            fields = {"nonsense": True}
        order_id = f"o{self._orders - (0.05 < chance < 0.1)}"
        payload = json.dumps({"id": order_id, **fields}).encode()
        self._line.say(topic, payload)
        if chance > 0.9:
            self._world.count("an order came twice")
            self._line.say(topic, payload)

    def _ask_again(self, trigger: Trigger) -> None:
        """The same trigger again; while the part is there one that was refused gets a new try."""
        part = self.rules.part(trigger.seq)
        if self._line.broker and part is not None and (part.accepted or not part.is_final):
            self._world.count("the PLC asked again")
            self._handle(Repeated(trigger.seq))
            self._line.say(TOPICS.trigger, _bytes(trigger))

    def _handle(self, event: PlcEvent) -> None:
        for effect in self.rules.handle(event, self._world.now_ns):
            match effect:
                case PlcAck() if self._world.now_ns >= self._silent_until_ns:
                    self._line.say(TOPICS.ack, _bytes(effect))
                case Moved(lane=Lane.PASS):
                    assert isinstance(event, Answer)
                    self._world.books.let_pass(event.message)


def _bytes(message: Trigger | PlcAck) -> bytes:
    return message.model_dump_json(exclude_none=True).encode()
