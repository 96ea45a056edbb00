"""The integrator's PLC at the line: it gets the sensor and the encoder and moves the diverter over
MQTT (docs/simulate.md); what it says to the gate is overheard."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import structlog

from edge.clock import SystemClock
from edge.config import Plc
from edge.core.messages import Trigger
from edge.core.topics import LineTopics
from edge.plc.connection import Received
from edge.plc.link import line_endpoint
from edge.plc.rules import PlcRules
from edge.plc.session import Listener, Session
from edge.plc.virtual import VirtualPlc
from edge.simulate.belt import Passing, Place
from edge.simulate.own_plc import laned
from edge.simulate.scenario import Scenario
from edge.simulate.world import Asked, Event, Ordered, Passed

ENCODER_SCANS = 4  # the encoder is said every fourth scan: 50 times a second

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class IoTopics:
    """What is wire on a real line."""

    prefix: str

    @property
    def start(self) -> str:
        return f"{self.prefix}/start"

    @property
    def belt(self) -> str:
        return f"{self.prefix}/belt"

    @property
    def sensor(self) -> str:
        return f"{self.prefix}/sensor"

    @property
    def encoder(self) -> str:
        return f"{self.prefix}/encoder"

    @property
    def diverter(self) -> str:
        return f"{self.prefix}/diverter"

    @property
    def confirm(self) -> str:
        return f"{self.prefix}/confirm"


class TheirPlc:
    """Moves the inputs of somebody else's program and takes its outputs."""

    def __init__(
        self,
        scenario: Scenario,
        settings: Plc,
        tell: Callable[[Event], None],
        now_s: Callable[[], float],
        default_deadline_ms: int,
    ) -> None:
        """`default_deadline_ms` is the recipe's, for triggers that have none."""
        self._tell = tell
        self._now_s = now_s
        self._default_deadline_ms = default_deadline_ms
        self._scans = 0
        self._started = threading.Event()
        self.topics = IoTopics(scenario.layout.io_topics)
        self.line = VirtualPlc(
            settings,
            LineTopics(scenario.layout.topics),
            SystemClock(),
            Random(),
            PlcRules(transport_ms=scenario.layout.transport_ms, ack_ms=scenario.latest_ack_ms),
            on_move=lambda moved: tell(laned(moved, now_s())),
            overhears=self._overheard,
        )
        inputs = (self.topics.start, self.topics.diverter)
        endpoint = line_endpoint(settings, f"{self.topics.prefix}/line", inputs)
        listener = Listener(lambda: None, lambda reason: None, self._received)
        self._io = Session(endpoint, listener, SystemClock(), Random())
        self._io.retain(self.topics.belt, b"waiting")
        self._io.start()

    @property
    def held_up(self) -> set[int]:
        """Not known: how late its inputs came shows in `late_ms` alone."""
        return set()

    def wait_for_start(self, timeout_s: float) -> bool:
        """Until the PLC starts the belt."""
        return self._started.wait(timeout_s)

    def passing(self, passing: Passing, count: int, part: Passed) -> None:
        """What the PLC's inputs see of it, with the count at that very moment."""
        match passing.place:
            case Place.SENSOR_ON | Place.SENSOR_OFF:
                on = passing.place is Place.SENSOR_ON
                self._say(self.topics.sensor, on=on, count=count)
            case Place.OUT:  # the light barriers behind the diverter: which way it went
                lane = "pass" if part.let_by else "rework"
                self._say(self.topics.confirm, lane=lane, count=count)

    def scan(self, count: int, at_s: float) -> None:
        if self._scans == 0:
            self._io.retain(self.topics.belt, b"running")
        if self._scans % ENCODER_SCANS == 0:
            self._io.send(self.topics.encoder, str(count).encode(), qos=0)
        self._scans += 1

    def ended(self) -> None:
        """The belt is empty."""
        self._io.retain(self.topics.belt, b"ended")

    def _say(self, topic: str, **values: object) -> None:
        self._io.send(topic, json.dumps(values, separators=(",", ":")).encode())

    def close(self) -> None:
        self._io.close()
        self.line.close()

    def _overheard(self, trigger: Trigger) -> Trigger:
        self._tell(Asked((trigger.part_id, trigger.seq), self._now_s()))
        deadline_ms = trigger.deadline_ms or self._default_deadline_ms
        return trigger.model_copy(update={"deadline_ms": deadline_ms})

    def _received(self, message: Received) -> None:
        if message.retained:
            return
        if message.topic == self.topics.start:
            self._started.set()
        elif message.payload in (b"0", b"1"):
            self._tell(Ordered(message.payload == b"1", self._now_s()))
        else:
            log.warning("the diverter takes 0 or 1", got=message.payload[:32])
