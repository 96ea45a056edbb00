"""Procedural pictures: of the asked size, many-coloured, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.learn import textures


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25)
def test_picture_shows_something(seed: int) -> None:
    picture = textures.draw(96, np.random.default_rng(seed))
    assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8
    assert picture.std() > 1


def test_same_seed_gives_the_same_picture_and_another_one_another() -> None:
    one, again, other = (textures.draw(64, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


@pytest.mark.parametrize("field", set(textures.FIELDS))
def test_field_is_finite_and_varies(field) -> None:
    for seed in range(10):
        values = field(64, np.random.default_rng(seed))
        assert values.shape == (64, 64) and values.dtype == np.float32
        assert np.isfinite(values).all()
