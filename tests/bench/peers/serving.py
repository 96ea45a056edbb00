"""A server in a process of its own: started, asked until it answers rightly, weighed, ended."""

import contextlib
import http.client
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench.peers.install import LeftOut, last_words, programs
from bench.peers.peers import Ask, Peer
from bench.peers.wires import asking

from edge.core.preprocess import Image
from edge.plc.broker import free_port
from edge.predict.bundle import Bundle

START_S = 90.0
POLL_S = 0.02
STOP_S = 10.0
SERVERS = Path(__file__).parent / "servers"
TOLERANCE = 1e-4  # of a score: the same file in the same runtime


@dataclass(frozen=True, slots=True)
class Server:
    """What is started, and how it is asked."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    port: int
    asks: tuple[Ask, ...]
    score: float | None  # that it must give; None if its model is another


@dataclass(frozen=True, slots=True)
class Running:
    """`start_s`: from the start of the process to its first right answer."""

    server: Server
    process: psutil.Process
    start_s: float

    def memory_mb(self) -> float:
        """Proportional share of the process and of all that it started, in MB."""
        return sum(_pss_bytes(one) for one in _family(self.process)) / 1e6


def server_of(peer: Peer, bundle: Bundle, score: float, environments: Path) -> Server:
    """Raises LeftOut if it cannot be installed."""
    programs_at = programs(peer, environments)
    port, port2, port3 = free_port(), free_port(), free_port()
    words = {"servers": SERVERS, "port": port, "port2": port2, "port3": port3}
    program, *arguments = (word.format(**words) for word in peer.command)
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        **{key: value.format(**words) for key, value in peer.env.items()},
        "MODEL": str(bundle.folder / "model.onnx"),
        "PYTHONPATH": str(SERVERS),
        "PATH": f"{programs_at}{os.pathsep}{os.environ['PATH']}",
        **{f"PORT{n}": str(words[f"port{n}"]) for n in ("", "2", "3")},
    }
    command = [str(programs_at / program), *arguments]
    return Server(peer.name, command, env, port, peer.asks, None if peer.own_model else score)


@contextmanager
def running(server: Server, image: Image, logs: Path) -> Iterator[Running]:
    """Raises LeftOut if it does not give `image` the right score, each way it is asked."""
    log = logs / f"{server.name.replace(' ', '-').replace(',', '').lower()}.log"
    began = time.monotonic()
    with log.open("w") as output:
        child = subprocess.Popen(
            server.command, cwd=SERVERS, env=dict(server.env), stdout=output, stderr=output
        )
    process = psutil.Process(child.pid)
    try:
        _await(server, child, image, log)
        found = Running(server, process, time.monotonic() - began)
        for ask in server.asks[1:]:
            _check(server, ask, image)
        yield found
    finally:
        _end(process, child)


def _await(server: Server, child: subprocess.Popen[bytes], image: Image, log: Path) -> None:
    until, said = time.monotonic() + START_S, ""
    while child.poll() is None and time.monotonic() < until:
        try:
            return _check(server, server.asks[0], image)
        except (OSError, http.client.HTTPException) as error:
            said = str(error)
            time.sleep(POLL_S)
    how = "it ended" if child.poll() is not None else f"no answer in {START_S:.0f} s ({said})"
    raise LeftOut(f"{how}: {last_words(log.read_text(errors='replace'))}")


def _check(server: Server, ask: Ask, image: Image) -> None:
    """A fast server with wrong numbers is no peer."""
    with asking(server.port, ask.path, ask.wire.body(image)) as call:
        found = ask.wire.score(call())
    if server.score is not None and not abs(found - server.score) <= TOLERANCE:
        right = f"where the model says {server.score:.4f}"
        raise LeftOut(f"{ask.wire.name}: it answers {found:.4f} {right}")


def _pss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:  # helpers come and go
        return 0


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _end(process: psutil.Process, child: subprocess.Popen[bytes]) -> None:
    """Asked first; what is left of its family is killed."""
    family = _family(process)
    if child.poll() is None:
        child.terminate()
    _, left = psutil.wait_procs(family, timeout=STOP_S)
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    child.wait(STOP_S)
