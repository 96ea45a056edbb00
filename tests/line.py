"""A whole station under test: real jobs, a real broker, a virtual PLC, the simulated camera."""

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from bundles import make_bundle
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from edge import jobs
from edge.clock import SystemClock
from edge.config import StationConfig, load_station
from edge.core.messages import StateMessage, StateWord
from edge.core.topics import LineTopics
from edge.plc.broker import Broker, find_mosquitto, free_port
from edge.plc.rules import Moved, PlcRules
from edge.plc.virtual import VirtualPlc
from edge.store.reader import LedgerReader
from edge.supervisor import Supervisor, Task

STATION = """\
state_dir = "state"
[station]
device = "box"
[[camera]]
{camera}
[predict]
models = "models"
[gate]
recipe = "disc"
level = "{level}"
[store]
warn_mb = 1
prune_mb = 1
stop_images_mb = 1
records_only_mb = 1
[plc]
port = {plc}
protocol = "{protocol}"
[sync]
port = {broker}
[page]
port = {page}
"""
SIMULATOR = """\
kind = "simulator"
grab_timeout_ms = 300
[camera.simulator]
{frames}
defect_share = 0.3
faults = "faults.json"
"""
FRAMES = "width_px = 320\nheight_px = 240"
RECIPE = 'name = "disc"\nmodel = "toy"\ndeadline_ms = {deadline_ms}\nreview_s = 3.0\n'


RunAs = Callable[[Path, Task], Task]


def as_is(folder: Path, task: Task) -> Task:
    return task


@dataclass
class StateLog:
    """Every `state` the station published, with its time."""

    seen: list[tuple[float, StateMessage]] = field(default_factory=list)

    def take(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        if message.payload:
            state = StateMessage.model_validate_json(message.payload)
            self.seen.append((time.monotonic(), state))

    @property
    def now(self) -> StateMessage | None:
        return self.seen[-1][1] if self.seen else None


class TestLine:
    """Handles to everything; `feed` sends parts, `until` waits for the station's state."""

    __test__ = False

    def __init__(
        self, folder: Path, config: StationConfig, broker: Broker, run_as: RunAs = as_is
    ) -> None:
        self.folder = folder
        self.config = config
        self.broker = broker
        tasks = [run_as(folder, task) for task in jobs.tasks(config, folder / "station.toml")]
        self.supervisor = Supervisor(tasks, folder)
        self.topics = LineTopics(config.station.topic_prefix)
        self.moves: list[tuple[float, Moved]] = []  # what the PLC did with each part, and when
        self.plc = self.make_plc()
        self.states = StateLog()
        self.number = 0
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self.states.take
        self._client.on_connect = lambda client, *_: client.subscribe(self.topics.state, 1)
        self._client.reconnect_delay_set(1, 1)

    def make_plc(self, first_seq: int | None = None) -> VirtualPlc:
        """One that talks to the broker itself, whatever lies between that and the gate."""
        return VirtualPlc(
            self.config.plc.model_copy(update={"port": self.broker.port}),
            self.topics,
            SystemClock(),
            Random(1),
            PlcRules(transport_ms=1500, ack_ms=None),  # a loaded machine's network is slow
            on_move=lambda moved: self.moves.append((time.monotonic(), moved)),
            first_seq=first_seq,
        )

    def start(self) -> None:
        self._client.connect("127.0.0.1", self.broker.port)
        self._client.loop_start()
        self.plc.start()
        self.supervisor.start()
        self.until(StateWord.READY, 40)

    def close(self) -> None:
        self.plc.close()
        self.supervisor.stop()
        self._client.disconnect()
        self._client.loop_stop()

    def feed(self, parts: int, gap_s: float = 0.05, deadline_ms: int = 1000) -> None:
        for _ in range(parts):
            self.plc.trigger(f"SIM-{self.number:06d}", deadline_ms)
            self.number += 1
            time.sleep(gap_s)

    def feed_while(self, condition: Callable[[], bool], timeout_s: float) -> float:
        """Feed parts as long as the condition holds; returns how long that was."""
        began = time.monotonic()
        while condition():
            assert time.monotonic() - began < timeout_s, f"still {self.states.now}"
            self.feed(1)
        return time.monotonic() - began

    def until(self, word: StateWord, timeout_s: float) -> StateMessage:
        def there() -> StateMessage | None:
            now = self.states.now
            return now if now is not None and now.state is word else None

        return wait_for(there, timeout_s, lambda: f"{word} wanted, {self.states.now}")

    def fault(self, **faults: object) -> None:
        """Put a fault into the simulated camera; without one all is well again."""
        text = self.folder / "faults.tmp"
        text.write_text(json.dumps(faults))
        text.replace(self.folder / "faults.json")

    def signal(self, job: str, number: signal.Signals) -> None:
        pid = self.supervisor.pid(job)
        assert pid is not None
        os.kill(pid, number)

    def check_books(self, missed: bool = True, late: bool = False) -> dict[str, object]:
        """The PLC saw nothing unsafe; every part in the ledger has one final verdict. `missed`:
        silence is allowed while something was broken; `late`: so is a rework after it."""
        assert self.plc.wait_idle(10.0)
        summary = self.plc.summary()
        counted = dict(summary["plc"])  # type: ignore[call-overload]
        for what, allowed in (("missed", missed), ("late", late)):
            if allowed:
                counted.pop(what)
        assert set(counted.values()) == {0}, counted
        rows = LedgerReader(self.config.ledger_path).newest(1_000_000)
        assert all(row.verdict is not None for row in rows)
        keys = [(row.part_id, row.plc_seq) for row in rows]
        assert len(keys) == len(set(keys))
        assert len(rows) >= int(str(summary["accepted"]))
        return summary


def wait_for(ask: Callable[[], object], timeout_s: float, what: Callable[[], str]):  # type: ignore[no-untyped-def]
    until = time.monotonic() + timeout_s
    while not (answer := ask()):
        assert time.monotonic() < until, what()
        time.sleep(0.05)
    return answer


@contextmanager
def station(
    level: str = "full",
    deadline_ms: int = 1000,
    kind: str = "good",
    slow_matmuls: int = 8,
    frames: str = FRAMES,
    views: str = "",
    more_recipes: Sequence[str] = (),
    run_as: RunAs = as_is,
    between: Callable[[int], int] = lambda port: port,
    protocol: str = "3.1.1",
    camera: str = SIMULATOR,
) -> Iterator[TestLine]:
    """A station that is ready; everything ends with the block. `frames` goes to the simulator's
    section, `views` to the recipe, beside which there are `more_recipes`; `run_as` says how a job
    is started, `between` which port leads the gate to the broker's, `protocol` is the line's;
    `camera` is the whole section of another one."""
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    folder = Path(tempfile.mkdtemp(prefix="lg"))  # short: Unix sockets lie below it
    broker = Broker()
    try:
        (folder / "recipes").mkdir()
        recipe = RECIPE.format(deadline_ms=deadline_ms) + views
        for number, text in enumerate((recipe, *more_recipes)):
            (folder / "recipes" / f"{number}.toml").write_text(text)
        make_bundle(
            folder / "models" / "toy",
            kind=kind,  # type: ignore[arg-type]
            pass_below=0.79,
            rework_from=0.80,
            slow_matmuls=slow_matmuls,
        )
        text = STATION.format(
            level=level,
            plc=between(broker.port),
            broker=broker.port,
            page=free_port(),
            camera=camera.format(frames=frames),
            protocol=protocol,
        )
        (folder / "station.toml").write_text(text)
        with broker:
            line = TestLine(folder, load_station(folder / "station.toml"), broker, run_as)
            try:
                line.start()
                yield line
            finally:
                line.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
