"""The head's loop: a head that knows much is fitted on, not anew; the caller's stays as it was."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from trainer.learn import head  # noqa: E402
from trainer.learn.features import LEAST_DEVIATION, Cache, floored  # noqa: E402
from trainer.learn.fit import Fitting, fit_head, fresh_head  # noqa: E402


def quietly(steps: Sequence[Any], what: str) -> Iterable[Any]:
    return steps


@pytest.fixture
def cache() -> Cache:
    """Forty pictures of 4 x 4 patches; defective ones have one patch that shines."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    maps = rng.normal(0, 1, (40, 4, 4, 12))
    maps[labels == 1, 1, 2] += 4
    coverage = np.where(labels == 1, np.nan, 0.0)[:, None, None] * np.ones((1, 4, 4))
    maps16, n = maps.astype(np.float16), np.arange(40)
    return Cache(maps16, maps16, (12,), labels, coverage.astype(np.float32), n, n * 0)


def test_head_that_may_not_move_comes_out_as_it_went_in(cache: Cache) -> None:
    torch.manual_seed(1)
    rows = np.arange(40)
    start = fresh_head(cache, rows, 0.1)
    before = head.weights(start, 1.0)
    still = Fitting(steps=3, rate=0.0, weight_decay=0.0)
    fitted = fit_head(cache, rows, still, np.random.default_rng(0), quietly, start)
    for name in head.ARRAYS:
        assert np.allclose(getattr(fitted, name), getattr(before, name), atol=1e-6), name


def test_head_is_fitted_on_without_touching_the_one_it_began_with(cache: Cache) -> None:
    torch.manual_seed(1)
    rows = np.arange(40)
    start = fresh_head(cache, rows, 0.1)
    before = head.weights(start, 1.0)
    fitted = fit_head(cache, rows, Fitting(steps=60), np.random.default_rng(0), quietly, start)
    logits = head.logits(fitted, cache.maps)
    assert logits[cache.labels == 1].min() > logits[cache.labels == 0].max()
    assert np.array_equal(head.weights(start, 1.0).mix, before.mix)


def test_channel_that_hardly_moves_is_not_amplified() -> None:
    found = floored(np.asarray([1.0, 2.0, 3.0, 1e-6]))
    assert found.tolist() == pytest.approx([1.0, 2.0, 3.0, LEAST_DEVIATION * 1.5])
    assert floored(np.zeros(4)).tolist() == [1.0] * 4
