"""Nets of torchvision as backbones, with the weights that torchvision offers for them.

Their inputs are standardised per channel; that goes into the first convolution, so that the net
takes (x - 128) / 128 as all others do. Exact but for the padded rim, which then means grey level
128 instead of the mean colour of ImageNet (124, 116, 104).
"""

import io
import warnings
from typing import TYPE_CHECKING, Any

import onnx
import torch
from torch import nn

from edge.core.errors import LinegateError
from trainer.learn.backbone import OPSET, Backbone, cut

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

SIDE_PX = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, of pixels in 0..1


def load(name: str, taps: tuple[str, str] | None = None) -> Backbone:
    """A net by torchvision's name for it, such as `mobilenet_v2`, cut at its taps. Raises
    LinegateError if there is none, or its weights cannot be had."""
    model = _pretrained(name)
    take_our_input(model)
    exported = _export(model)
    return cut(exported, f"torchvision-{name}", taps)


def _pretrained(name: str) -> nn.Module:
    try:
        from torchvision import models
    except ImportError as error:
        raise LinegateError(
            f"--backbone torchvision:{name} needs torchvision: install the release that belongs to "
            f"torch {torch.__version__}"
        ) from error
    if name not in models.list_models(models):
        raise LinegateError(f"torchvision has no net {name!r}; it has mobilenet_v2, resnet18, ...")
    weights: WeightsEnum = models.get_model_weights(name).DEFAULT
    try:
        return models.get_model(name, weights=weights).eval()
    except OSError as error:
        raise LinegateError(
            f"the weights of {name} cannot be fetched ({error}): put {weights.url} into "
            f"{torch.hub.get_dir()}/checkpoints"
        ) from error


def take_our_input(model: nn.Module) -> None:
    """Put the way from (x - 128) / 128 to standardised pixels into the first convolution."""
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None or first.in_channels != 3:
        raise LinegateError("the net does not begin with a convolution of three channels")
    mean, deviation = torch.tensor(MEAN), torch.tensor(DEVIATION)
    gain, shift = 128 / 255 / deviation, (128 / 255 - mean) / deviation
    with torch.no_grad():
        weights = first.weight
        extra = (weights * shift.view(1, -1, 1, 1)).sum(dim=(1, 2, 3))
        first.bias = nn.Parameter(extra if first.bias is None else first.bias + extra)
        first.weight = nn.Parameter(weights * gain.view(1, -1, 1, 1))


def _export(model: nn.Module) -> onnx.ModelProto:
    file, picture = io.BytesIO(), torch.zeros(1, 3, SIDE_PX, SIDE_PX)
    options: dict[str, Any] = {"dynamo": False, "opset_version": OPSET, "input_names": ["image"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is the old one; the new one needs more
        torch.onnx.export(model, (picture,), file, **options)
    return onnx.load_model_from_string(file.getvalue())
