"""The run itself: every server up at the same time, each asked in turn."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from bench.peers.install import LeftOut
from bench.peers.peers import Ask, Peer
from bench.peers.rate import Connect, answers_per_s
from bench.peers.serving import Running, Server, running, server_of
from bench.peers.table import Line
from bench.peers.wires import OIP_BINARY, OIP_JSON, asking

from edge.bench.server import rng_picture
from edge.bench.table import RAW, Row, timed
from edge.bench.ways import times_ms
from edge.core.preprocess import Image
from edge.plc.broker import free_port
from edge.predict.bundle import Bundle
from edge.predict.client import PredictClient
from edge.predict.session import ModelSession
from edge.supervisor import own_command

CLIENTS = 4  # as many as the gate's own way takes
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Load:
    """Each way is called `rounds` times, then for `seconds` by several clients."""

    rounds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Way:
    """`of` is the server that answers; None in this process."""

    name: str
    connect: Connect
    of: Running | None = None


def measure(
    bundle: Bundle,
    peers: Sequence[Peer],
    build: Path,
    load: Load,
    rng: Random,
    say: Say,
) -> tuple[list[Line], dict[str, str]]:
    """The lines, and by peer why it was left out."""
    session, image = ModelSession(bundle.model, bundle.manifest), rng_picture(bundle, rng)
    score = session.score(image)
    ways = [Way(RAW, lambda: nullcontext(lambda: session.run(image)))]
    left_out: dict[str, str] = {}
    with ExitStack() as stack:
        socket = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "p.sock"
        own = stack.enter_context(running(_own(bundle, score, socket), image, build))
        ways += [Way("Linegate, the gate's own way", partial(_own_way, socket, bundle, image), own)]
        ways += _ways(own, image)
        for peer in peers:
            say(f"{peer.name} ...")
            try:
                server = server_of(peer, bundle, score, build)
                ways += _ways(stack.enter_context(running(server, image, build)), image)
            except LeftOut as why:
                left_out[peer.name] = str(why)
        say("each in turn ...")
        return _lines(ways, load, rng), left_out


def _lines(ways: Sequence[Way], load: Load, rng: Random) -> list[Line]:
    with ExitStack() as links:
        asks = {way.name: links.enter_context(way.connect()) for way in ways}
        spent = times_ms(asks, load.rounds, rng)
    raw = timed(RAW, spent[RAW], None)
    connects = {way.name: way.connect for way in ways}
    rates = answers_per_s(connects, CLIENTS, load.seconds, rng)
    served = [_line(way, spent[way.name], raw, rates[way.name]) for way in ways if way.of]
    return [Line(raw, rates[RAW]), *served]


def _line(way: Way, spent: list[float], raw: Row, per_s: float) -> Line:
    assert way.of is not None
    return Line(timed(way.name, spent, raw.p50_ms), per_s, way.of.memory_mb(), way.of.start_s)


def _ways(found: Running, image: Image) -> list[Way]:
    server = found.server
    return [
        Way(
            f"{server.name}, {ask.wire.name}",
            partial(asking, server.port, ask.path, ask.wire.body(image)),
            found,
        )
        for ask in server.asks
    ]


def _own(bundle: Bundle, score: float, socket: Path) -> Server:
    """Linegate's server as a station starts it, its HTTP on a port."""
    port, path = free_port(), f"/v2/models/{bundle.manifest.name}/infer"
    command = own_command(
        "job", "predict", "--model", str(bundle.folder),
        "--socket", str(socket), "--http", f"127.0.0.1:{port}",
    )  # fmt: skip
    asks = Ask(OIP_BINARY, path), Ask(OIP_JSON, path)
    return Server("Linegate", command, os.environ, port, asks, score)


@contextmanager
def _own_way(socket: Path, bundle: Bundle, image: Image) -> Iterator[Callable[[], object]]:
    name, manifest = bundle.manifest.name, bundle.manifest
    with PredictClient(socket) as client:
        yield lambda: client.predict(name, image, 10.0, manifest)
