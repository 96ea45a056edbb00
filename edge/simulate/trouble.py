"""Makes trouble by script, to real processes: kills, stops, blinds, babbles."""

import json
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import psutil
import structlog

from edge.clock import SystemClock
from edge.config import Plc
from edge.core.errors import LinegateError
from edge.core.topics import LineTopics
from edge.plc.broker import Broker
from edge.plc.link import line_endpoint
from edge.plc.session import Listener, Session
from edge.plc.virtual import VirtualPlc
from edge.simulate.scenario import Trouble
from edge.simulate.script import Act
from edge.simulate.world import Key
from edge.supervisor import Supervisor

BABBLE_S = 0.01  # between two outbursts

log = structlog.get_logger()

_CAMERA: dict[Trouble, dict[str, object]] = {
    Trouble.CAMERA_LOST: {"lost": True},
    Trouble.CAMERA_FROZEN: {"frozen": True},
    Trouble.CAMERA_BLACK: {"lamp": 0.0},
}
_JOBS = {
    Trouble.PREDICT_KILLED: "predict",
    Trouble.PREDICT_STOPPED: "predict",
    Trouble.GATE_KILLED: "gate",
    Trouble.GATE_STOPPED: "gate",
    Trouble.SYNC_STOPPED: "sync",
    Trouble.TRAINER_STOPPED: "ingest",
}


class Hands:
    """What each trouble does when it begins and when it ends. `broker` and `plc` are None where
    they are not ours; a scenario that wants trouble from them is refused before it starts."""

    def __init__(
        self, faults: Path, jobs: Supervisor, broker: Broker | None, plc: VirtualPlc | None
    ) -> None:
        self.babbling = False
        self._faults = faults
        self._blind: dict[str, object] = {}
        self._jobs = jobs
        self._broker = broker
        self._plc = plc

    def do(self, act: Act) -> None:
        """Begin or end a trouble; a broker takes its time to come back. Raises LinegateError where
        there is nothing to break, and whatever the system has against it."""
        log.info("trouble", what=act.trouble, begins=act.begins)
        if act.trouble in _CAMERA:
            self._blind_camera(_CAMERA[act.trouble], act.begins)
        elif act.trouble in _JOBS:
            self._signal(act)
        elif act.trouble is Trouble.BROKER_AWAY:
            assert self._broker is not None
            (self._broker.kill if act.begins else self._broker.start)()
        elif act.trouble is Trouble.PLC_SILENT:
            assert self._plc is not None
            self._plc.echoes = not act.begins
        else:
            self.babbling = act.begins

    def _blind_camera(self, faults: dict[str, object], begins: bool) -> None:
        kept = {key: value for key, value in self._blind.items() if key not in faults}
        self._blind = kept | faults if begins else kept
        beside = self._faults.with_suffix(".tmp")
        beside.write_text(json.dumps(self._blind))
        beside.replace(self._faults)

    def _signal(self, act: Act) -> None:
        job = _JOBS[act.trouble]
        number = signal.SIGKILL
        if not act.trouble.is_a_blow:
            number = signal.SIGSTOP if act.begins else signal.SIGCONT
        try:
            _send(self._jobs.pid(job), number)
        except (ProcessLookupError, psutil.NoSuchProcess):  # it is just being started again
            if act.begins:
                raise LinegateError(f"{job} was not running") from None


def _send(pid: int | None, number: signal.Signals) -> None:
    """Raises ProcessLookupError or NoSuchProcess if nobody is there to take it."""
    if pid is None or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
        raise ProcessLookupError
    os.kill(pid, number)


class Babbler:
    """A PLC program gone mad: garbage on the gate's topics, and the `latest` triggers again and
    again."""

    def __init__(
        self, settings: Plc, topics: LineTopics, plc: VirtualPlc, latest: deque[Key]
    ) -> None:
        self.said = 0  # messages that went out
        self._plc = plc
        self._latest = latest
        self._topics = (topics.trigger, topics.ack, topics.recipe, topics.level)
        listener = Listener(lambda: None, lambda reason: None, lambda message: None)
        endpoint = line_endpoint(settings, f"{topics.prefix}/babbler", (topics.state,))
        self._session = Session(endpoint, listener, SystemClock(), Random())
        self._session.start()

    def close(self) -> None:
        self._session.close()

    def burst(self) -> None:
        for topic in self._topics:
            self.said += self._session.send(topic, b'{"v":1,"part_id":"\x00","seq":-1,"who":[[[')
        for _, seq in tuple(self._latest):
            with suppress(KeyError):  # long forgotten
                self._plc.repeat(seq)


class Saboteur:
    """Works through a script in a thread of its own, so that the belt does not wait for it."""

    def __init__(self, script: Sequence[Act], hands: Hands, babbler: Babbler | None) -> None:
        self._script = deque(script)
        self._hands = hands
        self._babbler = babbler
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="saboteur", daemon=True)
        self._origin_ns = 0
        self._begun: set[Trouble] = set()
        self._failed: list[str] = []

    def start(self, origin_ns: int) -> None:
        """The script's time 0 on the monotonic clock."""
        self._origin_ns = origin_ns
        self._thread.start()

    def close(self) -> None:
        """End it; what is under way is mended."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(30.0)
        for act in self._script:
            if not act.begins and act.trouble in self._begun:
                self._do(act)

    @property
    def undone(self) -> tuple[str, ...]:
        """What of the script did not happen, and why: to be read after `close`."""
        never = [f"{_named(act)} the run was over before" for act in self._script if act.begins]
        return (*self._failed, *never)

    def _run(self) -> None:
        while self._script and not self._stop.is_set():
            left_s = self._script[0].at_s - (time.monotonic_ns() - self._origin_ns) / 1e9
            if left_s <= 0:
                self._do(self._script.popleft())
            elif self._hands.babbling and self._babbler is not None:
                self._babbler.burst()
                self._stop.wait(min(left_s, BABBLE_S))
            else:
                self._stop.wait(left_s)

    def _do(self, act: Act) -> None:
        if act.begins:
            self._begun.add(act.trouble)
        try:
            self._hands.do(act)
            self._refuse_if_unheard(act)
        except Exception as error:  # the top of a thread: the other troubles must still end
            log.exception("trouble failed", what=act.trouble)
            self._failed.append(f"{_named(act)} {error or repr(error)}")

    def _refuse_if_unheard(self, act: Act) -> None:
        said = self._babbler is not None and self._babbler.said
        if act.trouble is Trouble.PLC_BABBLING and not act.begins and not said:
            raise LinegateError("nothing of it reached the broker")


def _named(act: Act) -> str:
    return f"{act.trouble}{'' if act.begins else ', its end'}, at {act.at_s:.1f} s:"
