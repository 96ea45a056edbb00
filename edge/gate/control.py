"""The gate's control socket: orders from the page and the commands, one JSON line each.

A Unix socket in the state directory, so the file's permissions say who may order. One thread
serves all clients at once (asyncio), so that a slow one holds up nobody.
"""

import asyncio
import itertools
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
    TakeReferenceOrder,
)
from edge.core.recipe import dotted
from edge.gate.events import Ordered, Reviewed
from edge.gate.loop import Incoming, ReferenceAsked, StatusAsked

log = structlog.get_logger()

MAX_LINE_BYTES = 4096
MAX_CLIENTS = 32
READ_TIMEOUT_S = 2.0  # for an order that was begun
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
        self._path = path
        self._post = post
        self._clock = clock
        self._answer_timeout_s = answer_timeout_s
        self._tokens = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._clients = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="control", daemon=True)

    def start(self) -> None:
        """Listen; orders are served from now on. Raises OSError."""
        self._path.unlink(missing_ok=True)
        self._thread.start()
        serving = asyncio.start_unix_server(self._serve, self._path, limit=MAX_LINE_BYTES)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(timeout=5.0)
        self._path.chmod(0o660)

    def close(self) -> None:
        """Serve no more; a client that waits is cut off."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=5.0)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=2.0)
            self._path.unlink(missing_ok=True)
        self._loop.close()

    def reply(self, token: int, answer: Answer) -> None:
        """Answer an order, from any thread; too late an answer is dropped."""
        self._loop.call_soon_threadsafe(self._settle, token, answer)

    def _settle(self, token: int, answer: Answer) -> None:
        waiting = self._waiting.get(token)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def _end(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, one order."""
        self._clients += 1
        try:
            answer = await self._answer(reader)
            writer.write(answer.model_dump_json().encode() + b"\n")
            await asyncio.wait_for(writer.drain(), READ_TIMEOUT_S)
        except (OSError, TimeoutError) as error:
            log.info("control client lost", error=str(error))
        finally:
            self._clients -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        if self._clients > MAX_CLIENTS:
            return Answer(ok=False, error=f"more than {MAX_CLIENTS} clients; try again")
        try:
            line = await asyncio.wait_for(reader.readline(), READ_TIMEOUT_S)
            order = ORDERS.validate_json(line)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            return Answer(ok=False, error=f"{dotted(problem['loc'])}: {problem['msg']}")
        except ValueError:  # asyncio's word for a line beyond the limit
            return Answer(ok=False, error=f"an order has at most {MAX_LINE_BYTES} bytes")
        return await self._ask(order)

    async def _ask(self, order: Order) -> Answer:
        token = next(self._tokens)
        self._waiting[token] = self._loop.create_future()
        try:
            if not self._post(self._message(order, token)):
                return Answer(ok=False, error="the gate is overloaded; try again")
            return await asyncio.wait_for(self._waiting[token], self._answer_timeout_s)
        except TimeoutError:
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
            case SetRecipeOrder(recipe=recipe, who=who):
                choice = RecipeOrder(id=f"control-{token}", recipe=recipe, who=who)
                return Ordered(choice, now, token)
            case TakeReferenceOrder(recipe=recipe, who=who):
                return ReferenceAsked(token, recipe, who)


def send_order(path: Path, order: Order, timeout_s: float = ANSWER_TIMEOUT_S + 1.0) -> Answer:
    """Send one order to the gate and return its answer. Raises LinegateError if it is away."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(order.model_dump_json().encode() + b"\n")
            return Answer.model_validate_json(_read_line(connection))
    except (OSError, ValidationError) as error:
        raise LinegateError(
            f"the gate does not answer at {path}: {error}; is `linegate run` up?"
        ) from error


def _read_line(connection: socket.socket, limit: int = 1 << 20) -> bytes:
    """Read up to the newline; what is longer than `limit` is cut and will not parse."""
    data = b""
    while b"\n" not in data and len(data) < limit:
        piece = connection.recv(4096)
        if not piece:
            break
        data += piece
    return data.partition(b"\n")[0]
