"""A backbone of our own, trained from nothing on the parts it will look at.

No outside weights, so no outside licence. A plain net of 3x3 convolutions: dense int8 kernels run
fast on small boxes, and it learns in minutes on two cores. Classification and patch loss together
teach it; then batch norm is folded and the head starts anew, on its int8 features.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from edge.core.manifest import Face
from edge.core.recipe import Orientation
from trainer.data.items import Dataset
from trainer.learn import samples
from trainer.learn.augment import augment
from trainer.learn.backbone import COARSE, FINE, Backbone, fresh_model
from trainer.learn.fit import THREADS, schedule
from trainer.learn.head import PatchHead, loss
from trainer.learn.net import Layer, layer_nodes
from trainer.learn.samples import Sample
from trainer.learn.stock import both as load_pictures

Track = Callable[[Sequence[Any], str], Iterable[Any]]

# (channels, stride) of each layer; a layer that keeps its shape adds its input to its output.
LAYERS = ((16, 2), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1))
FINE_LAYER, COARSE_LAYER = 4, 7  # the last ones at stride 8 and at stride 16
RATIO = 2  # fine cells along one side of a coarse cell


@dataclass(frozen=True, slots=True)
class Settings:
    """The knobs of the backbone's own training."""

    seed: int = 0
    epochs: int = 20
    batch: int = 16
    defect_share: float = 0.4  # of a batch
    rate: float = 3e-3  # AdamW, warm-up over 5 %, then a cosine down to 1 %
    weight_decay: float = 0.02
    gradient_norm: float = 2.0
    mask_weight: float = 1.0  # where the defect is teaches a young net most
    strength: float = 0.6  # of the augmentation
    orientation: Orientation = "fixed"  # how else the part may lie, by its recipe
    grey: bool = False  # one channel, though the pictures have colour
    size_px: tuple[int, int] | None = None  # width, height; None: see samples.input_face


class Net(nn.Module):  # type: ignore[misc]
    """The layers, and a patch head for as long as it learns."""

    def __init__(self, channels_in: int, patches: int) -> None:
        super().__init__()
        widths = [channels_in, *(channels for channels, _ in LAYERS)]
        self.layers = nn.ModuleList(
            Layer(before, channels, stride)
            for before, (channels, stride) in zip(widths, LAYERS, strict=False)
        )
        stacked = 2 * LAYERS[FINE_LAYER][0] + LAYERS[COARSE_LAYER][0]
        nothing = np.zeros(stacked, np.float32)
        self.head = PatchHead(stacked, patches, nothing, nothing + 1)

    def taps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = x
        for number, layer in enumerate(self.layers):
            x = layer(x)
            fine = x if number == FINE_LAYER else fine
        return fine, x

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(patch logits, picture logits) of float pictures [n, C, H, W]."""
        fine, coarse = self.taps(x)
        pooled = F.avg_pool2d(fine, RATIO), F.max_pool2d(fine, RATIO)
        return self.head(torch.cat([*pooled, coarse], dim=1))  # type: ignore[no-any-return]


def train(dataset: Dataset, settings: Settings, track: Track) -> Backbone:
    """The loop. Returns the float backbone; see `supervised` for what becomes of it."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    items, width = dataset.of("train"), LAYERS[COARSE_LAYER][0]
    face = samples.input_face(items, settings.size_px, settings.grey, embedding=width)
    pictures = load_pictures(dataset, face, track)
    rows, columns = face.heatmap

    net = Net(face.channels, rows * columns).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=settings.rate, weight_decay=settings.weight_decay
    )
    steps = max(1, settings.epochs * len(pictures) // settings.batch)
    for step in track(range(steps), "backbone"):
        optimiser.param_groups[0]["lr"] = settings.rate * schedule(step, steps)
        x, labels, coverage = batch(pictures, face, settings, rng)
        patches, logits = net(x)
        wrong = loss(patches, logits, labels, coverage, settings.mask_weight)
        optimiser.zero_grad()
        wrong.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), settings.gradient_norm)
        optimiser.step()
    return export(net.eval(), face)


def batch(
    pictures: Sequence[Sample], face: Face, settings: Settings, rng: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Freshly augmented (pictures [n, C, H, W], labels [n], coverage [n, rows, columns])."""
    labels = np.asarray([picture.label for picture in pictures])
    n_defects = round(settings.batch * settings.defect_share)
    chosen = np.concatenate(
        [
            rng.choice(np.flatnonzero(labels == 1), n_defects),
            rng.choice(np.flatnonzero(labels == 0), settings.batch - n_defects),
        ]
    )
    made = [augment(pictures[n], rng, settings.strength, settings.orientation) for n in chosen]
    images = (np.stack([sample.image for sample in made]).astype(np.float32) - 128) / 128
    coverage = np.stack([samples.coverage(sample, *face.heatmap) for sample in made])
    return (
        torch.from_numpy(images).permute(0, 3, 1, 2),
        torch.from_numpy(labels[chosen]).float(),
        torch.from_numpy(coverage),
    )


def export(net: Net, face: Face) -> Backbone:
    """The layers as ONNX, batch norm folded: `image` [1, C, H, W] -> `fine`, `coarse`."""
    nodes: list[NodeProto] = []
    weights: list[TensorProto] = []
    name = "image"
    for number, layer in enumerate(net.layers):
        out = {FINE_LAYER: FINE, COARSE_LAYER: COARSE}.get(number, f"map{number}")
        nodes += layer_nodes(number, layer, name, out)
        arrays = zip(("weights", "bias"), layer.folded(), strict=True)
        weights += [numpy_helper.from_array(a, f"{word}{number}") for word, a in arrays]
        name = out
    graph = helper.make_graph(nodes, "own", [_picture(face)], _taps(face), weights)
    return Backbone("own", fresh_model(graph), face.height_px, face.width_px, face.channels)


def _picture(face: Face) -> Any:
    shape = [1, face.channels, face.height_px, face.width_px]
    return helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)


def _taps(face: Face) -> list[Any]:
    rows, columns = face.heatmap
    shapes = {
        FINE: [1, LAYERS[FINE_LAYER][0], rows * RATIO, columns * RATIO],
        COARSE: [1, LAYERS[COARSE_LAYER][0], rows, columns],
    }
    return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
