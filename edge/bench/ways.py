"""Timing several ways fairly: in turn, in a new order each round, so that whatever else the
machine does falls on each of them alike."""

import time
from collections.abc import Callable, Mapping
from random import Random

WARM_UP = 20  # rounds that are not counted


def times_ms(
    ways: Mapping[str, Callable[[], object]], rounds: int, rng: Random
) -> dict[str, list[float]]:
    """Milliseconds of each call, by way."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways)
    for number in range(WARM_UP + rounds):
        rng.shuffle(order)
        for name in order:
            began = time.perf_counter_ns()
            ways[name]()
            if number >= WARM_UP:
                spent[name].append((time.perf_counter_ns() - began) / 1e6)
    return spent
