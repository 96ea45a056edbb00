"""The gate's control socket: orders from the page and the commands, one JSON line each.

A Unix socket in the state directory, so the file's permissions say who may order. One thread
serves one order at a time; orders are small and rare.
"""

import contextlib
import itertools
import queue
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from pydantic import ValidationError

from edge.core.clock import Clock
from edge.core.errors import LinegateError
from edge.core.messages import LevelOrder, RecipeOrder
from edge.core.orders import (
    ORDERS,
    Answer,
    Order,
    ReviewOrder,
    SetLevelOrder,
    SetRecipeOrder,
    StatusOrder,
)
from edge.core.recipe import dotted
from edge.gate.events import Ordered, Reviewed
from edge.gate.loop import Incoming, StatusAsked

log = structlog.get_logger()

MAX_LINE_BYTES = 4096
READ_TIMEOUT_S = 1.0  # a client that says nothing must not hold up the next
ANSWER_TIMEOUT_S = 5.0  # a commit on a slow disk fits in


class ControlServer:
    """Serves until closed. `post` hands an order to the inspection loop; the loop answers
    through `reply`."""

    def __init__(
        self,
        path: Path,
        post: Callable[[Incoming], bool],
        clock: Clock,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._answer_timeout_s = answer_timeout_s
        self._path = path
        self._post = post
        self._clock = clock
        self._tokens = itertools.count(1)
        self._waiting: dict[int, queue.Queue[Answer]] = {}
        self._closed = threading.Event()
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        path.chmod(0o660)
        self._socket.listen(16)
        self._socket.settimeout(0.5)
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join(timeout=2.0)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def reply(self, token: int, answer: Answer) -> None:
        """Answer an order, from any thread; too late an answer is dropped."""
        box = self._waiting.get(token)
        if box is not None:
            with contextlib.suppress(queue.Full):
                box.put_nowait(answer)

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            with connection:
                try:
                    self._serve_one(connection)
                except OSError as error:  # the client went away
                    log.info("control client lost", error=str(error))

    def _serve_one(self, connection: socket.socket) -> None:
        connection.settimeout(READ_TIMEOUT_S)
        line = read_line(connection)
        try:
            order = ORDERS.validate_json(line)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            answer = Answer(ok=False, error=f"{dotted(problem['loc'])}: {problem['msg']}")
        else:
            answer = self._ask(order)
        connection.sendall(answer.model_dump_json().encode() + b"\n")

    def _ask(self, order: Order) -> Answer:
        token = next(self._tokens)
        box: queue.Queue[Answer] = queue.Queue(1)
        self._waiting[token] = box
        try:
            if not self._post(self._message(order, token)):
                return Answer(ok=False, error="the gate is overloaded; try again")
            return box.get(timeout=self._answer_timeout_s)
        except queue.Empty:
            return Answer(ok=False, error=f"the gate did not answer in {self._answer_timeout_s} s")
        finally:
            del self._waiting[token]

    def _message(self, order: Order, token: int) -> Incoming:
        now = self._clock.now()
        match order:
            case StatusOrder():
                return StatusAsked(token)
            case ReviewOrder():
                return Reviewed(order, token, now)
            case SetLevelOrder(level=level, who=who):
                wish = LevelOrder(id=f"control-{token}", level=level, who=who)
                return Ordered(wish, now, token)
            case SetRecipeOrder(recipe=recipe):
                return Ordered(RecipeOrder(id=f"control-{token}", recipe=recipe), now, token)


def send_order(path: Path, order: Order, timeout_s: float = ANSWER_TIMEOUT_S + 1.0) -> Answer:
    """Send one order to the gate and return its answer. Raises LinegateError if it is away."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(order.model_dump_json().encode() + b"\n")
            return Answer.model_validate_json(read_line(connection, limit=1 << 20))
    except (OSError, ValidationError) as error:
        raise LinegateError(
            f"the gate does not answer at {path}: {error}; is `linegate run` up?"
        ) from error


def read_line(connection: socket.socket, limit: int = MAX_LINE_BYTES) -> bytes:
    """Read up to the newline; what is longer than `limit` is cut and will not parse."""
    data = b""
    while b"\n" not in data and len(data) < limit:
        piece = connection.recv(4096)
        if not piece:
            break
        data += piece
    return data.partition(b"\n")[0]
