"""The cache of features: the same numbers whichever thread looks first; what fails stops it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from trainer.data.items import DEFECT, GOOD
from trainer.learn import augment, backbone, features, supervised
from trainer.learn.features import Cache
from trainer.learn.quantize import quantize
from trainer.learn.samples import Sample

pytestmark = pytest.mark.torch


def quietly(steps: Sequence[Any], what: str) -> Iterable[Any]:
    return steps


@pytest.fixture
def pictures() -> list[Sample]:
    noise = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 1), np.uint8)
    return [Sample(image, DEFECT if n % 2 else GOOD, None) for n, image in enumerate(noise)]


def look(pictures: list[Sample], net: Path, folder: Path) -> Cache:
    folder.mkdir()
    settings, rng = supervised.Settings(copies=30), np.random.default_rng(3)
    own = backbone.load(net)
    return supervised.look(pictures, (), own, settings, rng, folder, quietly)[1]


@pytest.mark.parametrize("threads", [1, 5])
def test_any_number_of_threads_sees_the_same_copies(
    pictures: list[Sample],
    tiny_backbone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
) -> None:
    usual = look(pictures, tiny_backbone, tmp_path / "usual")
    monkeypatch.setattr(features, "THREADS", threads)
    other = look(pictures, tiny_backbone, tmp_path / "other")
    assert len(usual.maps) == 60
    assert np.array_equal(usual.maps, other.maps) and np.array_equal(usual.narrow, other.narrow)
    assert np.array_equal(usual.labels, other.labels)


def test_copies_of_one_picture_differ(
    pictures: list[Sample], tiny_backbone: Path, tmp_path: Path
) -> None:
    cache = look(pictures, tiny_backbone, tmp_path / "cache")
    first = cache.maps[cache.of([0])]
    assert len({one.tobytes() for one in first}) == len(first) == 5


def test_copy_that_fails_stops_the_others(
    pictures: list[Sample], tiny_backbone: Path, tmp_path: Path
) -> None:
    made = []

    def make(sample: Sample, copy: int, rng: Generator) -> Sample:
        made.append(copy)
        if copy == 3:
            raise ValueError("no such copy")
        return augment.make_copy(sample, copy, rng, 0.6, "fixed")

    own = backbone.load(tiny_backbone)
    net = quantize(own, (p.image[None] for p in pictures), False)
    plan = [(0, copy) for copy in range(2000)]
    with pytest.raises(ValueError, match="no such copy"):
        rng = np.random.default_rng(0)
        features.build(net, own, pictures, plan, make, rng, tmp_path, quietly)
    assert len(made) < 1000
