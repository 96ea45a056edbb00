"""The later layers trained: the same whether interrupted or not, and refused where it makes no
sense to begin."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from torch import Tensor, nn

from edge.core.errors import LinegateError
from trainer import training
from trainer.data import importing
from trainer.data.items import Dataset
from trainer.data.split import split
from trainer.learn import backbone, batches, checkpoint, deep, sanity
from trainer.learn.backbone import Backbone
from trainer.learn.samples import Sample

pytestmark = pytest.mark.torch
QUICK = deep.Settings(epochs=1, least_steps=6, save_every=3)


def quietly(steps: Sequence[Any], what: str) -> Iterable[Any]:
    return steps


def painted(n: int, differ: bool = True) -> list[Sample]:
    """Grey pictures (64, 64, 1), every third with a dark spot if they are to differ."""
    rng = np.random.default_rng(5)
    pictures = []
    for number in range(n):
        image = rng.normal(120, 4, (64, 64, 1))
        defective = number % 3 == 0
        if defective and differ:
            image[20:30, 30:40] -= 60
        pictures.append(Sample(image.astype(np.uint8), int(defective), None))
    return pictures


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def own(tiny_backbone: Path) -> Backbone:
    return backbone.load(tiny_backbone)


def bytes_of(tuned: Backbone) -> bytes:
    return tuned.model.SerializeToString(deterministic=True)  # type: ignore[no-any-return]


class Interrupted(Exception):
    """Somebody pulled the plug."""


def test_interrupted_and_resumed_gives_the_same_bytes_as_uninterrupted(
    own: Backbone, tmp_path: Path
) -> None:
    def pull_the_plug(steps: Sequence[Any], what: str) -> Iterable[Any]:
        yield from steps[:4]
        raise Interrupted

    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    whole = deep.tune(painted(30), own, QUICK, one, quietly)
    with pytest.raises(Interrupted):
        deep.tune(painted(30), own, QUICK, two, pull_the_plug)
    seen: list[int] = []

    def watch(steps: Sequence[int], what: str) -> Iterable[int]:
        seen.extend(steps)
        return steps

    resumed = deep.tune(painted(30), own, QUICK, two, watch)
    assert seen == [3, 4, 5]
    assert bytes_of(resumed.net) == bytes_of(whole.net)
    assert bytes_of(whole.net) != bytes_of(own)


def test_stem_stays_as_it_was_and_all_later_weights_move(own: Backbone, tmp_path: Path) -> None:
    tuned = deep.tune(painted(30), own, QUICK, tmp_path, quietly)
    before, after = (
        {t.name: t.raw_data for t in model.graph.initializer}
        for model in (own.model, tuned.net.model)
    )
    assert {name for name in before if before[name] != after[name]} == {"w1", "w2"}
    assert tuned.net.name == "tiny, tuned"


def test_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    file, net = tmp_path / "layers.pt", nn.Linear(2, 2)
    assert checkpoint.load(file, {"net": net}) == 0
    checkpoint.save(file, 7, {"net": net})
    assert checkpoint.load(file, {"net": nn.Linear(2, 2)}) == 7
    with pytest.raises(LinegateError, match="begin anew"):
        checkpoint.load(file, {"net": nn.Linear(3, 2)})
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(LinegateError, match="begin anew"):
        checkpoint.load(file, {"net": net})


def test_batch_has_its_share_of_defects_some_of_them_made() -> None:
    pictures = painted(30)
    mixture = replace(QUICK, batch=20, defect_share=0.5, synthetic=0.5).mixture
    drawn = [batches.draw(pictures, mixture, step) for step in range(20)]
    assert all(sum(s.label for s in made) == 10 and len(made) == 20 for made in drawn)
    masked = [sum(s.mask is not None for s in made) for made in drawn]
    assert 70 <= sum(masked) <= 130 and len(set(masked)) > 1  # made defects bring their mask
    none = batches.draw(pictures, replace(mixture, synthetic=0.0), 0)
    assert all(sample.mask is None for sample in none)


def test_numbers_are_made_ahead_in_order() -> None:
    assert list(batches.ahead(lambda n: n * n, range(5))) == [0, 1, 4, 9, 16]
    assert list(batches.ahead(lambda n: n, ())) == []


# ---- through the command, and through training.py ----


def test_deep_run_is_trained_judged_and_named(
    workshop: Callable[..., Result], parts: Path, tiny_backbone: Path
) -> None:
    workshop("import", parts, "--name", "spots")
    workshop("split", "--data", "spots")
    words = ["train", "--data", "spots", "--backbone", tiny_backbone, "--learner", "deep"]
    refused = workshop(*words, "--resume", code=1)
    assert "no run on 'spots' with these very options was interrupted" in refused.output
    trained = answer(workshop(*words, "--steps", 60, "--epochs", 4, "--json"))
    assert trained["val"]["auroc"] > 0.9
    (run,) = answer(workshop("runs", "--json"))["runs"]
    assert run["learner"] == "deep" and run["results"]["backbone"] == "tiny, tuned"
    assert run["results"]["about"].startswith("later layers, head")


def test_run_gone_on_with_makes_the_same_file_and_tidies_up(
    parts: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    root, rows = importing.list_rows(parts)
    dataset = Dataset("spots", root, tuple(split(importing.load(root, rows), (60, 20, 20), 0)))
    options = training.Options("deep", backbone=str(tiny_backbone), steps=5, epochs=20)
    one, two = tmp_path / "one", tmp_path / "two"

    def pull_the_plug(steps: Sequence[Any], what: str) -> Iterable[Any]:
        yield from steps[: 60 if what == "layers" else None]
        if what == "layers":
            raise Interrupted

    whole = training.train(dataset, options, one, quietly)
    with pytest.raises(Interrupted):
        training.train(dataset, options, two, pull_the_plug)
    assert len(list(two.glob("layers-*.pt"))) == 1
    resumed = training.train(dataset, options, two, quietly)
    assert resumed.int8 == whole.int8
    assert not one.exists() and not two.exists()


def answer(result: Result) -> dict[str, Any]:
    """The JSON object on the last line."""
    return json.loads(result.stdout.splitlines()[-1])  # type: ignore[no-any-return]


# ---- the sanity check ----


class Head(nn.Module):  # type: ignore[misc]
    """A linear look at 8 numbers; deaf if its answer does not depend on what it learns."""

    def __init__(self, deaf: bool = False) -> None:
        super().__init__()
        self.patch, self.deaf = nn.Conv2d(8, 1, 1), deaf

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.patch(x)[:, 0]
        patches = logits * 0.0 if self.deaf else logits
        return patches, patches.amax(dim=(1, 2))


def few(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Eight pictures of 2x2 patches that a linear look tells apart."""
    x = torch.randn(8, 8, 2, 2, generator=torch.Generator().manual_seed(seed))
    labels = torch.tensor([0.0] * 4 + [1.0] * 4)
    x[:, 0] += 4 * labels[:, None, None]
    return x, labels, torch.full((8, 2, 2), float("nan"))


def fast(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(net.parameters(), lr=0.05)


def test_handful_that_can_be_learnt_passes_and_leaves_no_trace() -> None:
    net = Head()
    weights, state = net.patch.weight.clone(), torch.get_rng_state()
    assert 0 < sanity.check(net, few(), fast, 0.5) < sanity.STEPS
    assert torch.equal(net.patch.weight, weights)
    assert torch.equal(torch.get_rng_state(), state)


def test_head_that_cannot_learn_is_refused() -> None:
    with pytest.raises(LinegateError, match=r"0 of them are told apart.*at the labels"):
        sanity.check(Head(deaf=True), few(), fast, 0.5)


def test_same_pictures_under_both_labels_are_refused() -> None:
    x, labels, coverage = few()
    x[4:] = x[:4]
    with pytest.raises(LinegateError, match="no picture under both"):
        sanity.check(Head(), (x, labels, coverage), fast, 0.5)


def test_pictures_that_are_all_alike_are_refused_before_any_training(
    own: Backbone, tmp_path: Path
) -> None:
    blank = [replace(s, image=np.full_like(s.image, 128)) for s in painted(30)]
    with pytest.raises(LinegateError, match="cannot be learnt by heart"):
        deep.tune(blank, own, QUICK, tmp_path, quietly)
    assert list(tmp_path.iterdir()) == []


def test_handful_has_pictures_of_both_classes() -> None:
    labels = np.asarray([0] * 50 + [1] * 3)
    chosen = sanity.handful(labels)
    assert sorted(labels[chosen]) == [0, 0, 0, 0, 1, 1, 1] and len(set(chosen)) == 7
