from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.core.errors import LinegateError
from trainer import training
from trainer.data import leakage, pictures
from trainer.data.items import Dataset, Item

MakeItem = Callable[..., Item]


def fixture_camera(n: int, seed: int) -> np.ndarray:
    """A part that always looks the same, but for its own texture: what a fixed camera sees."""
    common = cv2.GaussianBlur(np.random.default_rng(0).normal(128, 400, (96, 96)), (0, 0), 8)
    own = np.random.default_rng([seed, n]).normal(0, 12, (96, 96))
    return np.clip(common + own, 0, 255).astype(np.uint8)


def test_same_content_in_two_splits_is_found(make_item: MakeItem) -> None:
    train = [make_item("a"), make_item("b")]
    copy = replace(train[1], path="c", split="test")
    assert leakage.find(train, [copy]).same == [("c", "b")]


def test_brighter_noisier_copy_is_a_near_copy(make_item: MakeItem) -> None:
    shots = [fixture_camera(n, seed=1) for n in range(20)]
    train = [make_item(f"t{n}", thumb=pictures.thumb(shot)) for n, shot in enumerate(shots)]
    noise = np.random.default_rng(5).normal(0, 1, shots[7].shape)
    copy = np.clip(shots[7] * 1.1 + noise, 0, 255).astype(np.uint8)
    found = leakage.find(train, [make_item("v", thumb=pictures.thumb(copy))])
    assert found.near == [("v", "t7")]


def test_other_parts_below_the_same_camera_are_no_copies(make_item: MakeItem) -> None:
    sides = [
        [make_item(f"{s}{n}", thumb=pictures.thumb(fixture_camera(n, s))) for n in range(30)]
        for s in (1, 2)
    ]
    assert leakage.find(*sides) == leakage.Leakage([], [])


def test_nothing_held_out_is_no_leak(make_item: MakeItem) -> None:
    assert leakage.find([make_item("a")], []) == leakage.Leakage([], [])


def test_copy_in_the_exam_stops_training(make_item: MakeItem) -> None:
    learnt = make_item("a", split="train")
    dataset = Dataset("d", Path(), (learnt, replace(learnt, path="b", split="test")))
    with pytest.raises(LinegateError, match=r"b = a: .*split --data d --again"):
        training.check_leakage(dataset)
