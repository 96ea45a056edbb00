"""The control socket with a real client, and a loop that answers by hand."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.core.errors import LinegateError
from edge.core.messages import Level, Verdict
from edge.core.orders import Answer, ReviewOrder, SetLevelOrder, SetRecipeOrder, StatusOrder
from edge.gate.control import ControlServer, send_order
from edge.gate.events import Ordered, Reviewed
from edge.gate.loop import Incoming, StatusAsked


class Gate:
    """Answers every order at once and remembers it."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="lg"))
        self.path = folder / "gate.sock"
        self.got: list[Incoming] = []
        self.mute = False
        self.server = ControlServer(self.path, self.post, SystemClock(), answer_timeout_s=0.3)

    def post(self, message: Incoming) -> bool:
        self.got.append(message)
        token = getattr(message, "token", None)
        if token is not None and not self.mute:
            threading.Timer(0.01, self.server.reply, (token, Answer(ok=True))).start()
        return True


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    gate.server.start()
    yield gate
    gate.server.close()


def test_each_order_reaches_the_loop_and_is_answered(gate: Gate) -> None:
    review = ReviewOrder(inspection_id="I1", verdict=Verdict.PASS, who="Ada")
    assert send_order(gate.path, StatusOrder()).ok
    assert send_order(gate.path, review).ok
    assert send_order(gate.path, SetLevelOrder(level=Level.FULL, who="Ada")).ok
    assert send_order(gate.path, SetRecipeOrder(recipe="disc", who="Ada")).ok
    kinds = [type(message) for message in gate.got]
    assert kinds == [StatusAsked, Reviewed, Ordered, Ordered]


@pytest.mark.parametrize(
    "line", [b"hello\n", b"{}\n", b'{"order": "format disk"}\n', b"\xff\xfe\n", b"x" * 9000]
)
def test_garbage_gets_an_error_and_the_next_order_is_served(gate: Gate, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(3)
        client.connect(str(gate.path))
        client.sendall(line)
        answer = Answer.model_validate_json(client.recv(65536).partition(b"\n")[0])
    assert not answer.ok and answer.error
    assert send_order(gate.path, StatusOrder()).ok


def test_client_that_says_nothing_does_not_hold_up_the_next(gate: Gate) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(gate.path))
        assert send_order(gate.path, StatusOrder()).ok


def test_gate_that_does_not_answer_is_said_in_words(gate: Gate) -> None:
    gate.mute = True
    assert "did not answer" in (send_order(gate.path, StatusOrder()).error or "")


def test_away_gate_says_what_to_do() -> None:
    with pytest.raises(LinegateError, match="linegate run"):
        send_order(Path("/tmp/no-such.sock"), StatusOrder())
