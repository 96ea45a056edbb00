"""docs/mqtt-by-hand.md, played: mosquitto's two programs are the PLC of a real station."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from line import TestLine, station, wait_for

from edge.core.messages import Reason, Refusal, StateWord, Verdict
from edge.core.orders import ReviewOrder
from edge.core.topics import LineTopics
from edge.gate.control import send_order
from edge.plc.link import line_endpoint
from edge.store.reader import LedgerReader

pytestmark = [pytest.mark.system, pytest.mark.slow]

PAGE = (Path(__file__).parents[2] / "docs" / "mqtt-by-hand.md").read_text()
PRELUDE = re.search(r"```bash\n(.*?)```", PAGE.partition("\n## ")[0], re.DOTALL)[1]  # type: ignore[index]
FLOWS = dict(re.findall(r"^### ([^\n]+)\n(?:(?!```).)*?```bash\n(.*?)```", PAGE, re.M | re.S))
CAP = 'name = "cap"\nmodel = "toy"\ndeadline_ms = 1000\n'
FLOW_S = 60


class Stage:
    """Does at the station what a flow's `scene` says."""

    def __init__(self, line: TestLine) -> None:
        self.line = line
        self._disk: sqlite3.Connection | None = None
        self.scenes: dict[str, Callable[[], object]] = {
            "the gate hangs": lambda: line.signal("gate", signal.SIGSTOP),
            "the gate goes on": lambda: line.signal("gate", signal.SIGCONT),
            "the gate is killed": lambda: line.signal("gate", signal.SIGKILL),
            "the gate is stopped": lambda: line.signal("gate", signal.SIGTERM),
            "the broker restarts": line.broker.restart,
            "the camera is unplugged": lambda: self._camera(lost=True),
            "the camera takes 400 ms": lambda: self._camera(slow_ms=400),
            "the camera is as before": self._camera,
            "the disk takes no writes": self._lock,
            "the disk is as before": self._unlock,
            "a person presses PASS": lambda: self._press(Verdict.PASS),
            "a person presses REWORK": lambda: self._press(Verdict.REWORK),
        }

    def _camera(self, **faults: object) -> None:
        self.line.fault(**faults)
        time.sleep(0.3)  # the simulator looks at its file now and then

    def _lock(self) -> None:
        """Somebody else holds the database, for longer than a part may wait."""
        self._disk = sqlite3.connect(
            self.line.config.ledger_path, isolation_level=None, check_same_thread=False
        )
        self._disk.execute("begin immediate")

    def _unlock(self) -> None:
        assert self._disk is not None
        self._disk.rollback()
        self._disk.close()

    def _press(self, word: Verdict) -> None:
        newest = LedgerReader(self.line.config.ledger_path).newest(1)[0]
        order = ReviewOrder(inspection_id=newest.inspection_id, verdict=word, who="ada")  # type: ignore[arg-type]
        assert send_order(self.line.config.control_socket, order).in_time


@contextmanager
def on_stage(stage: Stage, folder: Path) -> Iterator[str]:
    """Bash that lets the flow's scenes be played; the flow goes on when they are."""
    cue, done = folder / "cue", folder / "done"
    for pipe in (cue, done):
        os.mkfifo(pipe)

    def play() -> None:
        while (what := cue.read_text().strip()) != "curtain":
            stage.scenes[what]()
            done.write_text("\n")

    player = threading.Thread(target=play, daemon=True)
    player.start()
    try:
        yield f'scene() {{ echo "$*" >{cue}; read -r <{done}; }}\n'
    finally:
        cue.write_text("curtain\n")
        player.join(10)


class Hands:
    """A station, and the parts whose truth is known."""

    def __init__(self, line: TestLine, protocol: str) -> None:
        self.stage = Stage(line)
        self.line = line
        line.feed(30)
        assert line.plc.wait_idle(20)
        rows = LedgerReader(line.config.ledger_path).newest(1000)
        good = [row.part_id for row in rows if row.verdict is Verdict.PASS]
        bad = [row.part_id for row in rows if row.reasons == (Reason.DEFECT,)]
        prefix = line.config.station.topic_prefix
        self.environ = os.environ | {
            "PORT": str(line.broker.port),
            "VERSION": "mqttv5" if protocol == "5" else "mqttv311",
            "PREFIX": prefix,
            "good": good[0],
            "good2": good[1],
            "bad": bad[0],
            "gate_id": line_endpoint(line.config.plc, f"{prefix}/gate", ()).client_id,
        }

    def play(self, flow: str, folder: Path) -> None:
        with on_stage(self.stage, folder) as scenes:
            script = f"set -eu\n{PRELUDE}{scenes}{flow}"
            with (folder / "said").open("w") as said:  # a pipe would wait for the ear, too
                player = subprocess.Popen(
                    ["bash", "-c", script], env=self.environ, stdout=said, stderr=said
                )
                try:
                    ended = player.wait(FLOW_S)
                except subprocess.TimeoutExpired:
                    player.kill()
                    ended = player.wait(10)
        said_text = (folder / "said").read_text()
        assert ended == 0, f"{said_text[-6000:]}\n{self.line.states.now}"


@pytest.fixture(scope="module", params=["3.1.1", "5"])
def hands(request: pytest.FixtureRequest) -> Iterator[Hands]:
    if shutil.which("mosquitto_sub") is None or shutil.which("bash") is None:
        pytest.skip("mosquitto-clients are not installed")
    with ExitStack() as stack:
        line = stack.enter_context(station(protocol=request.param, more_recipes=[CAP]))
        yield Hands(line, request.param)


@pytest.mark.parametrize("name", FLOWS)
def test_flow_of_the_page_is_as_it_says(hands: Hands, name: str, tmp_path: Path) -> None:
    wait_for(
        lambda: hands.line.states.now and hands.line.states.now.state is StateWord.READY,
        30,
        lambda: f"the flow before left it {hands.line.states.now}",
    )
    hands.play(FLOWS[name], tmp_path)


def test_flow_that_expects_what_the_gate_does_not_do_fails(hands: Hands, tmp_path: Path) -> None:
    wrong = FLOWS["A defective part goes to rework"].replace('"rework"', '"pass"')
    with pytest.raises(AssertionError, match="not heard: verdict"):
        hands.play(f"PATIENCE=2\n{wrong}", tmp_path)


def test_page_shows_every_topic_and_every_refusal() -> None:
    assert len(FLOWS) == PAGE.count("\n### ")
    assert [word for word in Refusal if f'"refused":"{word}"' not in PAGE] == []
    line = LineTopics("")
    topics = [
        getattr(line, name) for name, is_ in vars(LineTopics).items() if isinstance(is_, property)
    ]
    said = set(re.findall(r"(?:say|hear|silence|prefix\"?)[ /]([a-z/_]+)", PAGE))
    assert [topic for topic in topics if topic.strip("/") not in said] == []
    assert "alarm/camera_lost" in said
