"""Learner `deep`: the backbone's later layers are trained too, for minutes instead of one.

The stem, up to stride 8 or 4, stays frozen: it runs in ONNX Runtime, in a thread of its own, while
torch trains what follows. Then the trained backbone goes the way of the learner `supervised`:
int8, features, the head fitted on to them, a memory, one file. Interrupted, it goes on from its
last checkpoint as if nothing had happened, to the bit.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from onnx import ModelProto, shape_inference
from onnx.utils import Extractor
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edge.core.recipe import Orientation
from trainer.data.items import Dataset
from trainer.judge.session import open_session
from trainer.learn import checkpoint, head, sanity, stock, supervised, torch_net
from trainer.learn.backbone import COARSE, FINE, Backbone
from trainer.learn.batches import Batch, Mixture, Source, ahead
from trainer.learn.features import floored
from trainer.learn.fit import THREADS, schedule
from trainer.learn.hardware import device, has_bfloat16
from trainer.learn.head import PatchHead
from trainer.learn.samples import Sample
from trainer.learn.torch_net import TorchNet
from trainer.learn.trained import Trained
from trainer.track import Track

Tensors = tuple[Tensor, Tensor, Tensor]

STATISTICS = 64  # pictures that say what the head's inputs look like before training


@dataclass(frozen=True, slots=True)
class Settings:
    """The knobs, with what worked on four sets of real parts."""

    seed: int = 0
    stem_stride: int = 8  # of the last map that is not trained
    epochs: int = 10
    least_steps: int = 200
    batch: int = 16
    defect_share: float = 0.4  # of a batch
    synthetic: float = 0.3  # of the defects: made on good pictures
    rate: float = 2e-3  # AdamW, of the head; warm-up over 5 %, then a cosine down to 1 %
    layer_rate: float = 3e-4
    weight_decay: float = 0.02
    gradient_norm: float = 2.0
    mask_weight: float = 0.5
    average: float = 0.99  # the weights kept are a running mean
    strength: float = 1.0  # of the augmentation
    orientation: Orientation = "fixed"  # how else the part may lie, by its recipe
    save_every: int = 50  # steps
    tails: supervised.Settings = field(default_factory=lambda: on(supervised.Settings()))

    def steps(self, pictures: int) -> int:
        return max(self.least_steps, self.epochs * pictures // self.batch)

    @property
    def mixture(self) -> Mixture:
        return Mixture(
            seed=self.seed,
            size=self.batch,
            defect_share=self.defect_share,
            synthetic=self.synthetic,
            strength=self.strength,
            orientation=self.orientation,
        )


def on(tails: supervised.Settings) -> supervised.Settings:
    """Settings to fit a head on that knows much already: fewer and smaller steps."""
    return replace(tails, fitting=replace(tails.fitting, steps=150, rate=5e-4))


def train(
    dataset: Dataset, backbone: Backbone, settings: Settings, work: Path, track: Track
) -> Trained:
    """Train the layers, then fit the tails. Raises LinegateError if there are too few pictures,
    or as `tune` does."""
    pictures = stock.both(dataset, backbone.face, track)
    tuned = tune(pictures, backbone, settings, work, track)
    trained = supervised.train(dataset, tuned.net, settings.tails, work, track, tuned.head)
    return replace(trained, about=f"later layers, {trained.about}")


@dataclass(frozen=True, slots=True)
class Tuned:
    """The backbone with its later layers trained, and the head that was trained with them: it
    knows the float features, and is fitted on to those of int8."""

    net: Backbone
    head: PatchHead


def tune(
    pictures: Sequence[Sample], backbone: Backbone, settings: Settings, work: Path, track: Track
) -> Tuned:
    """Train the later layers. Goes on from a checkpoint in `work`.

    Raises LinegateError if the backbone has ops that cannot be trained, or if the net cannot learn
    a handful of the pictures by heart.
    """
    torch.set_num_threads(THREADS)
    torch.manual_seed(settings.seed)
    waist = torch_net.waist(backbone.model, settings.stem_stride)
    stem = open_session(_stem(backbone.model, waist).SerializeToString())
    source = Source(pictures, stem, backbone.face.heatmap, settings.mixture)
    layers = TorchNet(backbone.model, waist, [FINE, COARSE])
    net = Net(layers, backbone.ratio, _head(layers, source, backbone.ratio, settings))
    net.to(device(), memory_format=torch.channels_last)
    _check(net, source, settings)
    kept = _learn(net, source, settings, work / _checkpoint(backbone, settings), track)
    model = torch_net.rewritten(backbone.model, kept.layers)
    tuned = replace(backbone, name=f"{backbone.name}, tuned", model=model)
    return Tuned(tuned, kept.head.cpu())


class Net(nn.Module):  # type: ignore[misc]
    """The trained layers and a patch head, behind the stem."""

    def __init__(self, layers: TorchNet, ratio: int, head: PatchHead) -> None:
        super().__init__()
        self.layers, self.ratio, self.head = layers, ratio, head

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(patch logits [n, rows, columns], picture logits [n]) of the stem's maps."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=has_bfloat16(x.device)):
            patches, logits = self.head(stacked(self.layers, x, self.ratio))
        return patches.float(), logits.float()


def stacked(layers: TorchNet, x: Tensor, ratio: int) -> Tensor:
    """[n, channels, rows, columns], in the order of `features.stack`."""
    fine, coarse = layers(x)
    return torch.cat([F.avg_pool2d(fine, ratio), F.max_pool2d(fine, ratio), coarse], dim=1)


def _learn(net: Net, source: Source, settings: Settings, file: Path, track: Track) -> Net:
    """The loop. Returns the running mean of all weights."""
    steps = settings.steps(len(source.pictures))
    kept = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(settings.average))
    optimiser = _optimiser(net.train(), settings)
    parts = {"net": net, "kept": kept, "optimiser": optimiser}
    todo = range(checkpoint.load(file, parts), steps)
    for step, batch in zip(track(todo, "layers"), ahead(source.batch, todo), strict=False):
        torch.manual_seed(settings.seed + step)  # of the dropout
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * schedule(step, steps)
        x, labels, coverage = _tensors(batch)
        patches, logits = net(x)
        loss = head.loss(patches, logits, labels, coverage, settings.mask_weight)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), settings.gradient_norm)
        optimiser.step()
        kept.update_parameters(net)
        if (step + 1) % settings.save_every == 0 or step + 1 == steps:
            checkpoint.save(file, step + 1, parts)
    final: Net = kept.module.eval()
    return final


def _optimiser(net: Net, settings: Settings) -> torch.optim.Optimizer:
    rates = ((net.head, settings.rate), (net.layers, settings.layer_rate))
    groups = [{"params": list(m.parameters()), "lr": rate, "peak": rate} for m, rate in rates]
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)


def _check(net: Net, source: Source, settings: Settings) -> None:
    labels = np.asarray([picture.label for picture in source.pictures])
    few = [source.pictures[n] for n in sanity.handful(labels)]
    tensors = _tensors(source.see(few))
    sanity.check(net, tensors, lambda trial: _optimiser(trial, settings), settings.mask_weight)


def _head(layers: TorchNet, source: Source, ratio: int, settings: Settings) -> PatchHead:
    """A fresh head, its inputs standardised over some pictures."""
    rng = np.random.default_rng(settings.seed)
    some = rng.permutation(len(source.pictures))[:STATISTICS]
    seen = (source.see([source.pictures[n]]).maps for n in some)
    with torch.no_grad():
        maps = torch.cat([stacked(layers, torch.from_numpy(one), ratio) for one in seen])
    deviation, mean = torch.std_mean(maps, dim=(0, 2, 3))
    rows, columns = source.grid
    return PatchHead(len(mean), rows * columns, mean.numpy(), floored(deviation.numpy()))


def _stem(model: ModelProto, waist: str) -> ModelProto:
    return Extractor(shape_inference.infer_shapes(model)).extract_model(["image"], [waist])


def _checkpoint(backbone: Backbone, settings: Settings) -> str:
    """Named by what is trained and how: nothing else is gone on with."""
    what = backbone.model.SerializeToString(deterministic=True) + repr(settings).encode()
    return f"layers-{hashlib.sha256(what).hexdigest()[:16]}.pt"


def _tensors(batch: Batch) -> Tensors:
    x, labels, coverage = (
        torch.from_numpy(array).to(device()) for array in (batch.maps, batch.labels, batch.coverage)
    )
    return x.to(memory_format=torch.channels_last), labels, coverage
