"""How many answers a second a server gives to several clients at once."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from random import Random

Connect = Callable[[], AbstractContextManager[Callable[[], object]]]
ROUNDS = 3


def answers_per_s(
    ways: Mapping[str, Connect], clients: int, seconds: float, rng: Random
) -> dict[str, float]:
    """By way, `seconds` each, in turn, in a new order each round; a client is a thread with a
    connection."""
    found = dict.fromkeys(ways, 0.0)
    order = list(ways)
    for _ in range(ROUNDS):
        rng.shuffle(order)
        for name in order:
            found[name] += _at_once(ways[name], clients, seconds / ROUNDS) / ROUNDS
    return found


def _at_once(connect: Connect, clients: int, seconds: float) -> float:
    with ThreadPoolExecutor(clients) as pool:
        futures = [pool.submit(_client, connect, seconds) for _ in range(clients)]
        return sum(future.result() for future in futures)


def _client(connect: Connect, seconds: float) -> float:
    """Answers per second, to the end of the last one; the first call is not counted."""
    with connect() as ask:
        ask()
        began, count = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            ask()
            count += 1
        return count / (time.monotonic() - began)
