"""Our own PLC at the line: follows parts by the encoder, asks for a verdict, moves the diverter."""

from collections.abc import Callable
from random import Random

from edge.camera.parts import part_id
from edge.clock import SystemClock
from edge.config import Plc
from edge.core.topics import LineTopics
from edge.plc.rules import Lane, Moved, PlcRules
from edge.plc.virtual import VirtualPlc
from edge.simulate.belt import Belt, Passing, Place
from edge.simulate.register import ShiftRegister, Station
from edge.simulate.scenario import Scenario
from edge.simulate.world import Asked, Event, Laned, Ordered, Passed

LaneOf = Callable[[VirtualPlc, int], Lane | None]

SILENCE = "silence"  # why PlcRules moves a part when its window ends


def laned(moved: Moved, at_s: float) -> Laned:
    key, silent = (moved.part_id, moved.seq), moved.why == SILENCE
    return Laned(key, moved.lane, silent, at_s, moved.taken_ms)


class OwnPlc:
    """What it knows is what a PLC knows: sensor, encoder and the gate's messages. `tell` gets what
    happens; `lane_of` says where a part belongs, given our end of the line and the part's seq."""

    def __init__(
        self,
        scenario: Scenario,
        belt: Belt,
        settings: Plc,
        tell: Callable[[Event], None],
        now_s: Callable[[], float],
        lane_of: LaneOf = VirtualPlc.lane,
    ) -> None:
        self.line = VirtualPlc(
            settings,
            LineTopics(scenario.layout.topics),
            SystemClock(),
            Random(),
            PlcRules(transport_ms=scenario.layout.transport_ms, ack_ms=scenario.ack_ms),
            on_move=lambda moved: tell(laned(moved, now_s())),
        )
        self._lane_of = lane_of
        self.held_up: set[int] = set()  # came so late to the camera that they were not asked for
        self._deadline_ms = scenario.deadline_ms
        self._late_s = scenario.before_camera_ms / 4000
        self._tell = tell
        self._now_s = now_s
        self._seqs: dict[int, int] = {}  # by the PLC's own number for a part
        self._register = ShiftRegister(
            {
                Station.CAMERA: belt.pulses(Place.CAMERA),
                Station.DIVERTER: belt.pulses(Place.DECISION),
                Station.CLEAR: belt.pulses(Place.OUT),
            }
        )

    def wait_for_start(self, timeout_s: float) -> bool:
        """It starts the belt at once."""
        return True

    def passing(self, passing: Passing, count: int, part: Passed) -> None:
        """Something happens on the belt; a PLC sees no more of it than its sensor."""
        if passing.place is Place.SENSOR_ON:
            self._register.enter(count)

    def scan(self, count: int, at_s: float) -> None:
        """One cycle of the program, as of `at_s`: a PLC is not held up when this machine is."""
        for reached in self._register.scan(count):
            match reached.station:
                case Station.CAMERA:
                    self._ask(reached.number, at_s)
                case Station.DIVERTER:
                    self._tell(Ordered(self._may_pass(reached.number), at_s))
                case Station.CLEAR:
                    self._tell(Ordered(False, at_s))

    def _ask(self, number: int, at_s: float) -> None:
        """Send the trigger. A message really comes late if this machine is: not for this part."""
        now_s = self._now_s()
        if now_s - at_s > self._late_s:
            self.held_up.add(number)
            return
        name = part_id(number)
        self._seqs[number] = seq = self.line.trigger(name, self._deadline_ms)
        self._tell(Asked((name, seq), now_s))

    def _may_pass(self, number: int) -> bool:
        seq = self._seqs.pop(number, None)
        return seq is not None and self._lane_of(self.line, seq) is Lane.PASS

    def ended(self) -> None:
        """The belt is empty."""

    def close(self) -> None:
        self.line.close()
