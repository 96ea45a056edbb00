"""`make bench-peers`, without the peers: bodies, answers, table, a server that is measured."""

import base64
import json
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from random import Random

import numpy as np
import pytest
from bench.peers import bench
from bench.peers.install import LeftOut, last_words, programs
from bench.peers.peers import PEERS, Ask, Peer
from bench.peers.rate import answers_per_s
from bench.peers.serving import SERVERS, Server, running
from bench.peers.table import Line, in_words
from bench.peers.wires import (
    BASE64,
    OIP_BASE64,
    OIP_BINARY,
    OIP_JSON,
    RAW_BYTES,
    Answer,
    asking,
)

from edge.bench.table import RAW, timed
from edge.demo.station import shipped_models
from edge.plc.broker import free_port
from edge.predict.bundle import read_bundle
from edge.predict.protocol import HEADER_LENGTH

IMAGE = np.arange(24, dtype=np.uint8).reshape(1, 4, 6, 1)
NUMBERS = np.array([0.25, 0.5, 0.75], np.float32)  # a score, and two of what follows


# ---- bodies and answers ----


def test_every_body_carries_the_picture_to_the_byte() -> None:
    pixels = IMAGE.tobytes()
    assert RAW_BYTES.body(IMAGE)[0] == pixels
    assert base64.b64decode(json.loads(BASE64.body(IMAGE)[0])["image"]) == pixels
    (tensor,) = json.loads(OIP_JSON.body(IMAGE)[0])["inputs"]
    assert (tensor["shape"], bytes(tensor["data"])) == ([1, 4, 6, 1], pixels)
    (tensor,) = json.loads(OIP_BASE64.body(IMAGE)[0])["inputs"]
    assert base64.b64decode(tensor["data"][0]) == pixels
    body, headers = OIP_BINARY.body(IMAGE)
    assert body[int(headers[HEADER_LENGTH]) :] == pixels


def test_score_is_found_in_every_answer() -> None:
    assert RAW_BYTES.score(Answer(NUMBERS.tobytes())) == 0.25
    in_text = json.dumps({"outputs": base64.b64encode(NUMBERS.tobytes()).decode()})
    assert BASE64.score(Answer(in_text.encode())) == 0.25
    heatmap = {"name": "heatmap", "parameters": None, "data": [0.9]}
    oip = {"outputs": [heatmap, {"name": "score", "data": [0.25]}]}
    assert OIP_JSON.score(Answer(json.dumps(oip).encode())) == 0.25


def test_score_is_found_behind_other_binary_outputs() -> None:
    def output(name: str, size: int) -> dict[str, object]:
        return {"name": name, "parameters": {"binary_data_size": size}}

    head = json.dumps({"outputs": [output("heatmap", 8), output("score", 4)]}).encode()
    body = head + NUMBERS[1:].tobytes() + NUMBERS[:1].tobytes()
    assert OIP_BINARY.score(Answer(body, len(head))) == 0.25


def test_answer_without_a_score_is_an_error() -> None:
    with pytest.raises(ValueError, match="no score"):
        OIP_JSON.score(Answer(b'{"outputs": [{"name": "heatmap", "data": [0.1]}]}'))


# ---- the peers ----


def test_every_peer_is_pinned_has_its_own_folder_and_its_program() -> None:
    assert len({peer.key for peer in PEERS}) == len(PEERS)
    for peer in PEERS:
        assert all("==" in package for package in peer.packages), peer.name
        programs_there = {file.stem for file in SERVERS.iterdir()}
        words = {word.rpartition("/")[2].partition(":")[0] for word in peer.command}
        assert programs_there & {word.removesuffix(".py") for word in words}, peer.name


def test_peer_that_cannot_be_installed_is_left_out(tmp_path: Path) -> None:
    peer = Peer("Nobody", ("x==1",), ("x",), (), python=str(tmp_path / "no-python"))
    with pytest.raises(LeftOut, match="not installed"):
        programs(peer, tmp_path)


def test_last_words_skip_empty_lines() -> None:
    assert last_words("one\n  two \n\n") == "two"
    assert last_words("\n") == "it said nothing"


# ---- a server ----

TOY = """
import http.server, struct, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = struct.pack("<f", 0.25)
        self.send_response(500 if self.path == "/refuse" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def toy(code: str = TOY, score: float | None = 0.25) -> Server:
    port = free_port()
    command = [sys.executable, "-c", code, str(port)]
    return Server("Toy", command, {}, port, (Ask(RAW_BYTES, "/"),), score)


def test_server_is_measured_and_ended(tmp_path: Path) -> None:
    with running(toy(), IMAGE, tmp_path) as found:
        assert found.memory_mb() > 1 and found.start_s > 0
        server = found.server
        with asking(server.port, "/", RAW_BYTES.body(IMAGE)) as ask:
            assert RAW_BYTES.score(ask()) == 0.25
    assert not found.process.is_running()


def test_server_with_wrong_numbers_is_left_out_and_ended(tmp_path: Path) -> None:
    said = pytest.raises(LeftOut, match=r"0\.2500 where the model says 0\.7500")
    with said, running(toy(score=0.75), IMAGE, tmp_path):
        pass


def test_server_of_another_model_needs_no_certain_score(tmp_path: Path) -> None:
    with running(toy(score=None), IMAGE, tmp_path) as found:
        assert found.process.is_running()


def test_server_that_ends_is_left_out_with_its_last_words(tmp_path: Path) -> None:
    said = pytest.raises(LeftOut, match="it ended: no such luck")
    with said, running(toy("raise SystemExit('no such luck')"), IMAGE, tmp_path):
        pass


def test_refusal_is_no_answer(tmp_path: Path) -> None:
    with (
        running(toy(), IMAGE, tmp_path) as found,
        asking(found.server.port, "/refuse", RAW_BYTES.body(IMAGE)) as ask,
        pytest.raises(ConnectionError, match="HTTP 500"),
    ):
        ask()


# ---- rates and the table ----


def test_every_client_connects_for_itself_each_round() -> None:
    connected: list[str] = []

    @contextmanager
    def connect(name: str):
        connected.append(name)
        yield lambda: None

    rates = answers_per_s(
        {name: lambda name=name: connect(name) for name in "ab"}, 4, 0.003, Random(1)
    )
    assert connected.count("a") == connected.count("b") == 4 * 3
    assert all(rate > 0 for rate in rates.values())


def test_client_that_fails_is_not_swallowed() -> None:
    def fail() -> None:
        raise ConnectionError("HTTP 500")

    with pytest.raises(ConnectionError, match="HTTP 500"):
        answers_per_s({"a": lambda: nullcontext(fail)}, 2, 0.003, Random(1))


def test_table_is_fastest_first_and_counts_who_is_missing() -> None:
    lines = [
        Line(timed("slow", [9.0], 2.0), 100.4, 250.6, 1.25),
        Line(timed(RAW, [2.0], None), 400.0),
    ]
    words = in_words(lines, {"Gone": "not installed: no wheel"}, clients=4)
    assert words[1].split() == [*RAW.split(), "2.00", "2.00", "400"]
    assert words[2].split() == ["slow", "9.00", "9.00", "7.00", "4.50", "100", "251", "1.2"]
    assert words[3:] == ["left out: Gone: not installed: no wheel", "peers left out: 1"]


@pytest.mark.system
@pytest.mark.slow
def test_linegate_alone_is_measured_when_every_peer_is_left_out(tmp_path: Path) -> None:
    gone = Peer("Gone", ("x==1",), ("x",), (), python=str(tmp_path / "no-python"))
    bundle = read_bundle((shipped_models() / "demo").resolve())
    lines, left_out = bench.measure(
        bundle, [gone], tmp_path, bench.Load(10, 0.3), Random(1), lambda text: None
    )
    assert [line.row.name for line in lines] == [
        RAW, "Linegate, the gate's own way", "Linegate, binary", "Linegate, JSON numbers",
    ]  # fmt: skip
    assert set(left_out) == {"Gone"}
    assert all(line.per_s and line.memory_mb and line.start_s for line in lines[1:])
