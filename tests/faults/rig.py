"""What faults are made on: a whole station, and hands on all that can break about it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from faults.judge import Part, Row
from faults.network import Network
from line import FRAMES, TestLine, station, wait_for
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from sick_box import SickBox

from edge.core.errors import LinegateError
from edge.core.messages import StateWord
from edge.core.orders import StatusOrder, TakeReferenceOrder
from edge.gate.control import send_order
from edge.plc.virtual import VirtualPlc
from edge.store.reader import LedgerReader
from edge.supervisor import Task, own_command

GAP_S = 0.05  # between two parts
START_S = 60.0
WELL_S = 40.0  # a loaded machine takes its time; what it took is in the report
LOOK_S = 0.05  # the technician's, at the station
VIEWS = "[[views]]\nreference = { x_px = 1, y_px = 1, w_px = 36, h_px = 36 }\n"
# A plant: whoever writes such a recipe has switched the look at the frames off.
CARELESS = """\
name = "careless"
model = "toy"
deadline_ms = 1000
[quality]
mean_min = -1
contrast_min = -1
dark_max = 2
"""
HANGABLE = Path(__file__).with_name("hangable.py")


class Technician:
    """Looks at the station all the time, as the page does, and remembers every cause."""

    def __init__(self, control_socket: Path) -> None:
        self.seen: list[tuple[float, str]] = []
        self.now: frozenset[str] = frozenset()
        self._socket = control_socket
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(3.0)

    def _look(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                status = send_order(self._socket, StatusOrder(), 0.5).status
            except LinegateError:
                continue
            found = frozenset(condition.cause for condition in status.conditions if status)
            self.seen += [(time.monotonic(), cause) for cause in sorted(found - self.now)]
            self.now = found


@dataclass(frozen=True, slots=True)
class Sent:
    part_id: str
    seq: int
    at: float


class Rig:
    """`feed` sends parts; everything that happened since a moment can be asked for."""

    def __init__(self, line: TestLine, network: Network, box: SickBox) -> None:
        self.line = line
        self.network = network
        self.box = box
        self.technician = Technician(line.config.control_socket)
        self.sent: list[Sent] = []
        self._plcs = [line.plc]
        self._hit: dict[str, int] = {}  # pids
        self._burdens: list[subprocess.Popen[bytes]] = []
        self._mad = Client(CallbackAPIVersion.VERSION2, client_id="mad")

    def close(self) -> None:
        self.alone()
        self.technician.close()
        self._mad.disconnect()
        self._mad.loop_stop()
        self.box.becomes()
        self.box.close()

    # ---- parts ----

    def feed(self, parts: int = 1, deadline_ms: int = 1000, recipe: str | None = None) -> None:
        for _ in range(parts):
            part_id, at = f"SIM-{self.line.number:06d}", time.monotonic()
            seq = self.line.plc.trigger(part_id, deadline_ms, recipe)
            self.sent.append(Sent(part_id, seq, at))
            self.line.number += 1
            time.sleep(GAP_S)

    def idle(self) -> None:
        assert self.line.plc.wait_idle(10.0)

    def parts(self, since: float) -> list[Part]:
        """Those that were sent since then, as the PLC treated them last."""
        last = {(m.part_id, m.seq): (at, m) for at, m in list(self.line.moves) if at >= since}
        found = []
        for sent in self.sent:
            if sent.at >= since and (sent.part_id, sent.seq) in last:
                at, moved = last[sent.part_id, sent.seq]
                part = Part(sent.part_id, sent.seq, sent.at, moved.lane, moved.why, at)
                found.append(part)
        return found

    def rows(self, newest: int) -> list[Row]:
        """The ledger's last rows; it has a moment to write down what the line heard before."""
        until = time.monotonic() + 5.0
        rows = self._read(newest)
        while any(row.verdict is None for row in rows) and time.monotonic() < until:
            time.sleep(0.05)
            rows = self._read(newest)
        return rows

    def _read(self, newest: int) -> list[Row]:
        found = LedgerReader(self.line.config.ledger_path).newest(newest)
        return [Row(row.part_id, row.plc_seq, row.verdict) for row in found]

    def counts(self) -> Counter[str]:
        """The counts by which a gate is judged, of all PLCs that were at this line."""
        total: Counter[str] = Counter()
        for plc in self._plcs:
            total.update(plc.summary()["plc"])  # type: ignore[call-overload]
        return total

    # ---- how the station is ----

    def is_well(self) -> bool:
        """Ready, nothing to complain about, every job heard of, and the PLC trusts it."""
        now = self.line.states.now
        ready = now is not None and now.state is StateWord.READY and self.line.supervisor.ready()
        return ready and not self.technician.now and self.line.plc.wait_ready(0.01)

    def told(self, words: str, since: float) -> tuple[float, str] | None:
        """When the line or the technician first heard a cause with these words, and the cause."""
        on_state = [(at, state.cause or "") for at, state in list(self.line.states.seen)]
        heard = sorted([*on_state, *list(self.technician.seen)])
        return next(((at, said) for at, said in heard if at >= since and words in said), None)

    def states(self, since: float) -> list[str]:
        """The words on `state` since then, each once."""
        seen = list(self.line.states.seen)
        return list(dict.fromkeys(str(state.state) for at, state in seen if at >= since))

    # ---- what can be broken ----

    def signal(self, job: str, number: signal.Signals) -> None:
        self._hit[job] = self.pid(job)
        os.kill(self.pid(job), number)

    def is_replaced(self, job: str) -> bool:
        """Another process does the work of the one that was hit last."""
        return self.pid(job) != self._hit[job]

    def pid(self, job: str) -> int:
        pid = self.line.supervisor.pid(job)
        assert pid is not None
        return pid

    def say(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """As a PLC gone mad: anything, on any topic of the line."""
        if not self._mad.is_connected():
            self._mad.connect("127.0.0.1", self.line.broker.port)
            self._mad.loop_start()
        self._mad.publish(topic, payload, 1, retain)

    def change_plc(self, first_seq: int | None = None) -> VirtualPlc:
        """Another one takes its place, with a counter of its own."""
        self.line.plc.close()
        self.line.plc = self.line.make_plc(first_seq)
        self._plcs.append(self.line.plc)
        self.line.plc.start()
        self.line.plc.wait_ready(10.0)
        return self.line.plc

    def beside(self, *command: str) -> None:
        """Another program runs on the box, until `alone`."""
        quiet = subprocess.DEVNULL
        self._burdens.append(subprocess.Popen(command, stdout=quiet, stderr=quiet))

    def alone(self) -> None:
        while self._burdens:
            burden = self._burdens.pop()
            burden.terminate()
            burden.wait(10.0)


@contextmanager
def rig() -> Iterator[Rig]:
    """A station that is well, with a reference taken; everything ends with the block."""
    networks: list[Network] = []
    boxes: list[SickBox] = []

    def between(port: int) -> int:
        networks.append(Network(port))
        return networks[0].port

    def run_as(folder: Path, task: Task) -> Task:
        if not boxes:
            boxes.append(SickBox(folder, folder / "state"))
        plain = own_command()
        assert list(task.command[: len(plain)]) == plain
        command = [sys.executable, str(HANGABLE), *task.command[len(plain) :]]
        return replace(task, command=boxes[0].around(command))

    frames = f"{FRAMES}\nmark = true"
    with station(
        kind="nan", frames=frames, views=VIEWS, more_recipes=[CARELESS],
        run_as=run_as, between=between,
    ) as line:  # fmt: skip
        made = Rig(line, networks[0], boxes[0])
        try:
            _take_reference(made)
            yield made
        finally:
            made.close()
            networks[0].close()


def _take_reference(rig: Rig) -> None:
    feed_until(rig, lambda: bool(rig.technician.now), START_S)
    order = TakeReferenceOrder(recipe="disc", who="ada")
    wait_for(lambda: send_order(rig.line.config.control_socket, order).ok, 5.0, lambda: "refused")
    assert feed_until(rig, rig.is_well, START_S), rig.technician.now


def feed_until(
    rig: Rig,
    there: Callable[[], object],
    timeout_s: float,
    feed: Callable[[], object] | None = None,
) -> bool:
    """Send parts until it is there; false: it was not in time."""
    until = time.monotonic() + timeout_s
    while not there():
        if time.monotonic() > until:
            return False
        (feed or rig.feed)()
    return True
