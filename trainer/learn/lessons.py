"""What pretraining learns from: pairs of views of procedural pictures, one of them perhaps spoilt.

A batch depends on its seed and number alone, so a run that was interrupted goes on with the very
batches it would have seen, and any number of workers makes the same ones.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from threading import Thread

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.core.preprocess import Image, u8
from trainer.learn import defects, textures

Floats = NDArray[np.float32]

VIEW_PX = 128
PICTURE_PX = 256
VIEWS_OF_A_PICTURE = 4  # drawing costs more than cutting
SPOILT = 0.5  # of the second views
TURN_DEG, ZOOM, SHIFT_PX = 12.0, 0.12, 8.0  # of the second view against the first
AHEAD = 4  # batches that wait for each worker
LONGEST_S = 600.0  # that a batch may take


@dataclass(frozen=True, slots=True)
class Lesson:
    """n pairs of views (n, S, S, 3), where a point of the first lies in the second (n, 2, 3),
    where the second is spoilt (n, S, S), and the number of the picture they show (n,)."""

    first: Image
    second: Image
    moves: Floats
    masks: Image
    pictures: NDArray[np.int64]


@contextmanager
def ahead(seed: int, numbers: range, n: int) -> Iterator[Iterator[Lesson]]:
    """Batches in order, made by processes beside the loop that learns from them."""
    workers = max(1, (os.cpu_count() or 2) - 1)
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        try:
            yield _walk(pool, seed, numbers, n, AHEAD * workers)
        finally:
            pool.shutdown(cancel_futures=True)


def _walk(
    pool: ProcessPoolExecutor, seed: int, numbers: range, n: int, most: int
) -> Iterator[Lesson]:
    waiting: deque[Future[Lesson]] = deque()
    for number in numbers:
        waiting.append(pool.submit(make, seed, number, n))
        if len(waiting) >= most:
            yield waiting.popleft().result(LONGEST_S)
    while waiting:
        yield waiting.popleft().result(LONGEST_S)


def _begin() -> None:
    """A worker computes on one thread, and does not outlive the loop, even if that is killed."""
    cv2.setNumThreads(1)
    Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def make(seed: int, number: int, n: int) -> Lesson:
    """Batch `number` of a run."""
    rng = np.random.default_rng([seed, number])
    clean: list[Image] = []
    while len(clean) < n:
        picture = textures.draw(PICTURE_PX, rng)
        clean += [_cut(picture, rng) for _ in range(VIEWS_OF_A_PICTURE)]
    pairs = [_pair(clean[i], clean[rng.integers(n)], rng) for i in range(n)]
    first, second, moves, masks = (np.stack(column) for column in zip(*pairs, strict=True))
    return Lesson(first, second, moves, masks, np.arange(n) // VIEWS_OF_A_PICTURE)


def _cut(picture: Image, rng: Generator) -> Image:
    """A turned and scaled piece of a picture."""
    half, reach = VIEW_PX / 2, PICTURE_PX / 2
    turn = _turn(half, rng.uniform(0, 360), rng.uniform(0.6, 1.6))
    turn[:, 2] += rng.uniform(-0.3, 0.3, 2) * PICTURE_PX
    to_centre = np.array([[1.0, 0, half - reach], [0, 1, half - reach], [0, 0, 1]])
    return _warp(picture, turn @ to_centre)


def _pair(clean: Image, donor: Image, rng: Generator) -> tuple[Image, Image, Floats, Image]:
    half = VIEW_PX / 2
    move = _turn(half, rng.uniform(-TURN_DEG, TURN_DEG), np.exp(rng.uniform(-ZOOM, ZOOM)))
    move[:, 2] += rng.uniform(-SHIFT_PX, SHIFT_PX, 2)
    second, mask = _warp(clean, move), np.zeros((VIEW_PX, VIEW_PX), np.uint8)
    if rng.random() < SPOILT:
        second, mask = defects.spoil(second, donor, rng)
    return _shoot(clean, rng), _shoot(second, rng), move.astype(np.float32), mask


def _turn(centre: float, angle_deg: float, scale: float) -> NDArray[np.float64]:
    return np.asarray(cv2.getRotationMatrix2D((centre, centre), angle_deg, scale), np.float64)


def _warp(picture: Image, move: NDArray[np.float64]) -> Image:
    size, border = (VIEW_PX, VIEW_PX), cv2.BORDER_REFLECT_101
    warped = cv2.warpAffine(picture, move, size, flags=cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(warped, dtype=np.uint8)


def _shoot(view: Image, rng: Generator) -> Image:
    """Light, colour, focus and noise of one shot; half of them grey."""
    if rng.random() < 0.5:
        view = u8(cv2.cvtColor(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    gain = np.exp(rng.uniform(-0.3, 0.3, 3 if rng.random() < 0.3 else 1))
    gamma = float(np.exp(rng.uniform(-0.3, 0.3)))
    curve = 255.0 * (np.arange(256)[:, None] / 255.0) ** gamma * gain + rng.uniform(-20, 20)
    table = np.clip(curve, 0, 255).astype(np.uint8).repeat(3 // len(gain), axis=1)
    shot = u8(cv2.LUT(view, table[None]))
    if rng.random() < 0.5:
        shot = _uneven(shot, rng)
    if rng.random() < 0.15:
        shot = u8(cv2.GaussianBlur(shot, (0, 0), rng.uniform(0.3, 1.0)))
    if rng.random() < 0.3:
        noise = rng.standard_normal((VIEW_PX, VIEW_PX, 1), dtype=np.float32)
        shot = u8(np.clip(shot + noise * np.float32(rng.uniform(1, 5)), 0, 255))
    return shot


def _uneven(shot: Image, rng: Generator) -> Image:
    """Light that falls off towards some side or corner."""
    corners = rng.normal(0.0, rng.uniform(0.05, 0.25), (3, 3)).astype(np.float32)
    field = cv2.resize(corners, (VIEW_PX, VIEW_PX), interpolation=cv2.INTER_CUBIC)
    return u8(np.clip(shot * np.exp(field)[..., None], 0, 255))
