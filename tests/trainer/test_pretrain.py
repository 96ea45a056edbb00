"""Pretraining on procedural pictures: what it asks, and that an interrupted run loses nothing."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import psutil
import pytest
from click.testing import Result

from edge.core.errors import LinegateError
from trainer.learn import lessons
from trainer.learn.lessons import VIEW_PX, Lesson

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from trainer.learn import backbone, net, pretrain  # noqa: E402

TINY = pretrain.Settings(seed=3, steps=4, pairs=4, save_every=2)


class Interrupted(Exception):
    pass


@contextmanager
def here(seed: int, numbers: range, n: int) -> Iterator[Iterator[Lesson]]:
    yield (lessons.make(seed, number, n) for number in numbers)


def walk(steps: Sequence[Any], what: str) -> Iterator[Any]:
    yield from steps


def stop_at(step: int):
    def track(steps: Sequence[Any], what: str) -> Iterator[Any]:
        for each in steps:
            if each == step:
                raise Interrupted
            yield each

    return track


def model(folder: Path, track=walk, settings=TINY) -> bytes:
    trained = pretrain.train(settings, folder, here, track)
    return trained.model.SerializeToString(deterministic=True)


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole = model(tmp_path / "one")
    with pytest.raises(Interrupted):
        model(tmp_path / "two", stop_at(3))  # saved after 2 steps, the third is lost
    assert model(tmp_path / "two") == whole


def test_run_with_other_settings_begins_anew_beside_it(tmp_path: Path) -> None:
    first = model(tmp_path)
    other = pretrain.Settings(seed=4, steps=4, pairs=4, save_every=2)
    assert model(tmp_path, settings=other) != first
    assert model(tmp_path) == first


def test_run_that_went_further_is_not_passed_off_as_a_shorter_one(tmp_path: Path) -> None:
    model(tmp_path)
    with pytest.raises(LinegateError, match="at step 4: ask for --steps 4 or more, or remove"):
        model(tmp_path, settings=replace(TINY, steps=2))


def test_batch_depends_on_seed_and_number_alone() -> None:
    with lessons.ahead(7, range(2, 5), 4) as made:
        for number, lesson in zip(range(2, 5), made, strict=True):
            same = lessons.make(7, number, 4)
            for name in ("first", "second", "moves", "masks", "pictures"):
                assert np.array_equal(getattr(lesson, name), getattr(same, name))


def test_workers_end_when_the_loop_is_killed() -> None:
    code = (
        "from trainer.learn import lessons\n"
        "import multiprocessing, time\n"
        "if __name__ == '__main__':\n"
        "    with lessons.ahead(0, range(100000), 4) as made:\n"
        "        next(made)\n"
        "        print([c.pid for c in multiprocessing.active_children()], flush=True)\n"
        "        time.sleep(60)\n"
    )
    loop = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert loop.stdout is not None
    workers = json.loads(loop.stdout.readline())
    loop.kill()
    loop.wait(10)
    loop.stdout.close()
    assert workers
    for _ in range(200):
        if not any(psutil.pid_exists(pid) for pid in workers):
            return
        time.sleep(0.05)
    raise AssertionError(f"still there: {workers}")


def test_partner_of_a_cell_follows_the_move() -> None:
    cell = VIEW_PX / 8
    still = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    right = torch.tensor([[[1.0, 0, cell], [0, 1, 0]]])  # one cell to the right
    grid, moved = pretrain.partners(still, 8), pretrain.partners(right, 8)
    assert grid[0, 0, 0].tolist() == pytest.approx([-7 / 8, -7 / 8])
    assert moved[0, 0, 0].tolist() == pytest.approx(grid[0, 0, 1].tolist())


def test_view_finds_itself_and_not_another() -> None:
    torch.manual_seed(0)
    maps, still = torch.randn(2, 64, 8, 8), torch.eye(2, 3).repeat(2, 1, 1)
    clean = torch.zeros(2, 1, VIEW_PX, VIEW_PX)
    two, same = torch.arange(2), torch.zeros(2, dtype=torch.int64)
    assert pretrain.place_loss(maps, maps, still, clean, two) < 0.05
    assert pretrain.place_loss(maps, maps.flip(3), still, clean, two) > 3
    assert pretrain.place_loss(maps, maps.flip(3), still, clean, same) == 0  # nobody else to be


def test_spoilt_patches_ask_nothing() -> None:
    torch.manual_seed(0)
    maps, still = torch.randn(2, 64, 8, 8), torch.eye(2, 3).repeat(2, 1, 1)
    changed = maps.clone()
    changed[..., :4] = torch.randn(2, 64, 8, 4)
    mask, two = torch.zeros(2, 1, VIEW_PX, VIEW_PX), torch.arange(2)
    assert pretrain.place_loss(maps, changed, still, mask, two) > 1
    mask[..., : VIEW_PX // 2] = 1.0
    assert pretrain.place_loss(maps, changed, still, mask, two) < 0.01


def test_altered_patches_weigh_as_much_as_all_others() -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :16, :16] = 1.0
    logits = torch.full((1, 4, 4), -20.0)
    assert float(pretrain.altered_loss(logits, mask)) == pytest.approx(10.0, abs=0.01)
    logits[0, 0, 0] = 20.0
    assert float(pretrain.altered_loss(logits, mask)) == pytest.approx(0.0, abs=0.01)


def test_exported_net_answers_as_the_trained_one() -> None:
    torch.manual_seed(1)
    trunk = net.Trunk(3).train()
    trunk(torch.randn(8, 3, 64, 64))  # batch norm has seen something
    exported = net.export(trunk.eval(), "own", 64, 96)
    assert exported.shape("fine") == (160, 8, 12) and exported.shape("coarse") == (480, 4, 6)
    assert exported.narrow == ["narrow0", "narrow1"]
    assert backbone.cut(exported.model, "own").narrow == ["narrow0", "narrow1"]
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = trunk(x)
    session = ort.InferenceSession(exported.model.SerializeToString())
    found = session.run(["fine", "coarse"], {"image": x.numpy()})
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other.numpy()).max() < 1e-4


def test_command_writes_net_and_card(workshop, tmp_path: Path) -> None:
    target = tmp_path / "models" / "own.onnx"
    result: Result = workshop("pretrain", "--steps", 1, "--to", target)
    assert "1 steps" in result.output
    card = target.with_suffix(".md").read_text()
    assert f"linegate-trainer pretrain --to {target} --steps 1" in card
    ort.InferenceSession(target.read_bytes())
