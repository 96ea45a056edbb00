"""What stands behind the backbone: head, memory or both, and how their answers become one score.

Head logits and memory distances are brought to one scale, deviations from typical good parts that
were left out of the fit, and added. The score is steep around the oddest of these good parts and
flattens so slowly that float32 keeps any two pictures apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.data.items import GOOD
from trainer.learn import head as heads
from trainer.learn import memory as memories
from trainer.learn.features import CHUNK, Cache, Floats, Rows
from trainer.learn.head import HeadWeights
from trainer.learn.memory import Memory

STEEPNESS = 4.0  # then a typical good part scores 0.1, the oddest 0.5, one twice as odd 0.9
MAD_TO_SIGMA = 1.4826  # of a normal distribution


@dataclass(frozen=True, slots=True)
class Blend:
    """odd = head_gain * logit + memory_gain * distance + offset; see `squash`."""

    head_gain: float
    memory_gain: float
    offset: float


@dataclass(frozen=True, slots=True)
class Tails:
    """At least one of head and memory."""

    head: HeadWeights | None
    memory: Memory | None
    blend: Blend


def squash(odd: NDArray[np.floating]) -> Floats:
    """(1 + softsign) / 2: above 0.5 from odd = 0 on. The sigmoid is 1 in float32 from 17 on."""
    return np.asarray(0.5 + 0.5 * odd / (1 + np.abs(odd)), dtype=np.float32)


def remember(cache: Cache, learnt: Sequence[int]) -> Memory | None:
    """A memory of the good ones among the pictures `learnt`, if they are enough for one."""
    taken = cache.of(learnt, GOOD, as_taken=True)
    if len(taken) < memories.LEAST:
        return None
    copies = np.setdiff1d(cache.of(learnt, GOOD), taken)[: max(0, memories.ENOUGH - len(taken))]
    return memories.fit(cache.narrow[np.append(taken, copies)], cache.widths)


def join(
    head: HeadWeights | None, memory: Memory | None, memory_weight: float, cache: Cache, aside: Rows
) -> Tails:
    """Bring both to one scale on the rows `aside`: good pictures that neither was fitted to."""
    logits = np.zeros(1) if head is None else head_logits(head, cache, aside)
    distances = np.zeros(1) if memory is None else memory_scores(memory, cache, aside)
    blend = balance(logits, distances, 0 if head is None else 1, memory_weight if memory else 0)
    return Tails(head, memory, blend)


def balance(
    logits: NDArray[np.floating],
    distances: NDArray[np.floating],
    head_weight: float,
    memory_weight: float,
) -> Blend:
    """Typical good parts get odd = -STEEPNESS, the oddest 0."""
    head_gain = head_weight / spread(logits)
    memory_gain = memory_weight / spread(distances)
    blended = head_gain * logits + memory_gain * distances
    typical = float(np.median(blended))
    steep = STEEPNESS / max(float(blended.max()) - typical, 1e-6)
    return Blend(head_gain * steep, memory_gain * steep, -STEEPNESS - typical * steep)


def spread(values: NDArray[np.floating]) -> float:
    """Robust standard deviation (median absolute deviation); never nought."""
    mad = float(np.median(np.abs(values - np.median(values))))
    return MAD_TO_SIGMA * mad or float(values.std()) or 1.0


def scores(tails: Tails, cache: Cache, rows: Rows) -> Floats:
    """What the fused file will answer to the pictures of some rows, (n,), but for the rounding of
    its int8 head."""
    odd = np.full(len(rows), tails.blend.offset)
    if tails.head is not None:
        odd += tails.blend.head_gain * head_logits(tails.head, cache, rows)
    if tails.memory is not None:
        odd += tails.blend.memory_gain * memory_scores(tails.memory, cache, rows)
    return squash(odd)


def head_logits(head: HeadWeights, cache: Cache, rows: Rows) -> Floats:
    chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
    return np.concatenate([heads.logits(head, cache.maps[chunk]) for chunk in chunks])


def memory_scores(memory: Memory, cache: Cache, rows: Rows) -> Floats:
    return memories.scores(memory, cache.narrow[rows])
