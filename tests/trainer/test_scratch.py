"""A backbone of our own: what torch computes is what the exported net computes."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainer.data import importing
from trainer.data.items import Dataset
from trainer.data.split import split
from trainer.judge.session import open_session
from trainer.learn import scratch, supervised
from trainer.learn.fit import Fitting
from trainer.learn.samples import input_face

pytestmark = pytest.mark.torch
QUICK = scratch.Settings(epochs=2, size_px=(64, 64))


def quietly(steps: Sequence[Any], what: str) -> Iterable[Any]:
    return steps


@pytest.fixture
def dataset(parts: Path) -> Dataset:
    root, rows = importing.list_rows(parts)
    return Dataset("spots", root, tuple(split(importing.load(root, rows), (60, 20, 20), 0)))


def test_exported_backbone_computes_what_torch_does(dataset: Dataset) -> None:
    torch.manual_seed(0)
    face = input_face(dataset.of("train"), (64, 64), False, embedding=128)
    net = scratch.Net(face.channels, 16)
    net.train()(torch.randn(8, 1, 64, 64) * 2 + 1)  # batch norm gets statistics to fold
    net.eval()
    picture = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        wanted = net.taps(picture)
    exported = open_session(scratch.export(net, face).model.SerializeToString())
    given = exported.run(["fine", "coarse"], {"image": picture.numpy()})
    for one, other in zip(given, wanted, strict=True):
        assert one == pytest.approx(other.numpy(), abs=1e-4)


def test_own_backbone_learns_and_becomes_one_int8_file(dataset: Dataset, tmp_path: Path) -> None:
    own = scratch.train(dataset, QUICK, quietly)
    assert own.face.input_shape == (1, 64, 64, 1) and own.face.heatmap == (4, 4)
    settings = supervised.Settings(fitting=Fitting(steps=40), copies=60)
    trained = supervised.train(dataset, own, settings, tmp_path, quietly)
    session = open_session(trained.int8)
    (score,) = session.run(["score"], {"image": np.zeros((1, 64, 64, 1), np.uint8)})
    assert score.shape == (1,) and 0 < score[0] < 1


def test_same_seed_gives_the_same_backbone(dataset: Dataset) -> None:
    settings = scratch.Settings(epochs=1, size_px=(32, 32))
    one, two = (scratch.train(dataset, settings, quietly).model for _ in range(2))
    assert one.SerializeToString(deterministic=True) == two.SerializeToString(deterministic=True)
