"""The memory of good parts against direct formulas."""

import numpy as np
import pytest

from trainer.learn import memory


def maps(n: int, rows: int = 2, columns: int = 3, channels: int = 5, seed: int = 0) -> np.ndarray:
    """Good parts: every place has a mean and a covariance of its own."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, 3, (rows, columns, channels))
    mix = rng.normal(0, 1, (rows, columns, channels, channels))
    noise = rng.normal(0, 1, (n, rows, columns, channels))
    return mean + np.einsum("rcij,nrcj->nrci", mix, noise)


def test_distance_is_mahalanobis_with_the_shrunken_covariance_of_its_place() -> None:
    good, widths = maps(200), [2, 3]
    known, seen = memory.fit(good, widths, dims=4), maps(5, seed=0)[:5] + 1.0

    flat = good.reshape(-1, 5)
    scale = np.repeat([2**-0.5, 3**-0.5], widths) / flat.std(axis=0)
    _, _, directions = np.linalg.svd((flat - flat.mean(axis=0)) * scale, full_matrices=False)
    reduced = ((good - flat.mean(axis=0)) * scale) @ directions[:4].T
    own = np.array([[np.cov(reduced[:, r, c].T) for c in range(3)] for r in range(2)])
    common = own.mean(axis=(0, 1))
    ridge = 0.01 * np.trace(common) / 4 * np.eye(4)
    for r in range(2):
        for c in range(3):
            inverse = np.linalg.inv(0.9 * own[r, c] + 0.1 * common + ridge)
            part = ((seen[:, r, c] - flat.mean(axis=0)) * scale) @ directions[:4].T
            off = part - reduced[:, r, c].mean(axis=0)
            wanted = np.sqrt(np.einsum("ni,ij,nj->n", off, inverse, off) / 4)
            assert memory.distances(known, seen)[:, r, c] == pytest.approx(wanted, rel=1e-3)


def test_whitening_of_a_known_covariance() -> None:
    """Four points at (+-6, 0), (0, +-2): variances 24 and 8/3, no covariance."""
    points = np.array([[[6.0, 0], [-6, 0], [0, 2], [0, -2]]])
    (whiten,) = memory.whitening(points, shrinkage=0.0)
    ridge = 0.01 * (24 + 8 / 3) / 2
    assert whiten @ [6, 0] == pytest.approx([6 / np.sqrt(24 + ridge) / np.sqrt(2), 0])
    assert whiten @ [0, 2] == pytest.approx([0, 2 / np.sqrt(8 / 3 + ridge) / np.sqrt(2)])


def test_unit_of_a_channel_does_not_matter() -> None:
    good, factors = maps(50), np.array([1.0, 10, 0.1, 1000, 7])
    one = memory.scores(memory.fit(good, [5]), good)
    other = memory.scores(memory.fit(good * factors, [5]), good * factors)
    assert other == pytest.approx(one, rel=1e-3)


def test_new_good_part_is_about_one_away_and_an_odd_place_stands_out() -> None:
    good = maps(1000)
    known = memory.fit(good[:900], [5])
    fresh = good[900:].copy()
    assert memory.distances(known, fresh).mean() == pytest.approx(1.0, abs=0.2)
    fresh[:, 1, 2] += 30
    found = memory.distances(known, fresh).reshape(100, -1)
    assert (found.argmax(axis=1) == 5).all()


def test_channel_that_never_moves_does_not_break_the_few() -> None:
    good = maps(10)
    good[..., 2] = 4.0
    found = memory.scores(memory.fit(good, [5]), good)
    assert np.isfinite(found).all() and found.max() < 10


def test_score_is_the_mean_of_the_highest_patches() -> None:
    patches = np.array([[[1, 5], [3, 2]], [[0, 0], [0, 8]]], np.float32)
    assert memory.highest(patches, top=2).tolist() == [4.0, 4.0]
