"""Before the minutes: can this net learn a handful of these pictures by heart?

One that cannot will not learn the rest either, and the reason is nearly always in the data or in
its preparation: labels, masks, size.
"""

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.core.errors import LinegateError
from trainer.learn import head

HANDFUL = 4  # of each class
STEPS = 100  # sound data takes about 10
MARGIN = 1.0  # logits, on the right side of 0


def handful(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of a few pictures of each class, from all over the list."""
    places = (np.flatnonzero(labels == label) for label in (0, 1))
    return np.concatenate([some[:: max(1, len(some) // HANDFUL)][:HANDFUL] for some in places])


def check(
    net: nn.Module,
    batch: tuple[Tensor, Tensor, Tensor],
    make_optimiser: Callable[[nn.Module], torch.optim.Optimizer],
    mask_weight: float,
) -> int:
    """Learn a batch by heart with a copy of `net`. Returns the steps it took.

    The batch is (x [n, ...], labels [n], coverage [n, rows, columns]); `net` maps x to (patch
    logits, picture logits [n]). Neither `net` nor torch's generator is any different afterwards.
    Raises LinegateError, with what to look at, if a picture stays on the wrong side.
    """
    x, labels, coverage = batch
    trial = deepcopy(net).train()
    optimiser = make_optimiser(trial)
    with torch.random.fork_rng(devices=[]):
        for step in range(STEPS):
            patches, logits = trial(x)
            if _right(logits, labels) == len(labels):
                return step
            loss = head.loss(patches, logits, labels, coverage, mask_weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    raise LinegateError(_advice(_right(logits, labels), len(labels)))


def _right(logits: Tensor, labels: Tensor) -> int:
    return int(((logits.detach() * (2 * labels - 1)) > MARGIN).sum())


def _advice(right: int, n: int) -> str:
    return (
        f"sanity check: {n} training pictures cannot be learnt by heart, after {STEPS} steps "
        f"{right} of them are told apart; more pictures or longer training will not help. Look "
        "at the labels (0 good, 1 defective; no picture under both), at the masks (do they lie on "
        "the defects?), at the size (can a person see the defect in `linegate-trainer preview`?), "
        "at the pictures (all alike, all black?)"
    )
