"""The patch head: from stacked features to a map of patch logits and one logit per picture."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

Floats = NDArray[np.float32]
HIDDEN = 128
ARRAYS = ("mix", "mix_bias", "near", "near_bias", "patch", "patch_bias", "whole", "whole_bias")
TOP_SHARE = 0.03  # of the patches: a defect is small
SMOOTHING = 0.02
MASK_FROM = 0.05


class PatchHead(nn.Module):  # type: ignore[misc]
    """1x1 convolution, a depthwise look at the neighbours, one logit per patch; the picture's
    logit is the mean of the highest patch logits plus a linear look at the whole."""

    def __init__(
        self,
        channels: int,
        patches: int,
        mean: Floats,
        deviation: Floats,
        top_share: float = TOP_SHARE,
    ) -> None:
        super().__init__()
        self.top = max(1, round(top_share * patches))
        self.register_buffer("mean", torch.from_numpy(mean).view(1, -1, 1, 1))
        self.register_buffer("deviation", torch.from_numpy(deviation).view(1, -1, 1, 1))
        self.mix = nn.Conv2d(channels, HIDDEN, 1)
        self.near = nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1, groups=HIDDEN)
        self.drop = nn.Dropout2d(0.1)
        self.patch = nn.Conv2d(HIDDEN, 1, 1)
        self.whole = nn.Linear(HIDDEN, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(patch logits [n, rows, columns], picture logits [n]) of features [n, channels, ...]."""
        x = self.own(features)
        x = self.drop(x + F.relu(self.near(x)))
        patches = self.patch(x)[:, 0]
        highest = patches.flatten(1).topk(self.top, dim=1).values.mean(dim=1)
        whole = F.conv2d(x, self.whole.weight[..., None, None], self.whole.bias)
        return patches, highest + whole.mean(dim=(1, 2, 3))

    def own(self, features: Tensor) -> Tensor:
        """What each patch says of itself, [n, hidden, ...], never negative. Standardised in the
        weights: the features are a thousand times as many."""
        mix = self.mix.weight / self.deviation
        bias = self.mix.bias - (mix * self.mean).sum(dim=(1, 2, 3))
        return F.relu(F.conv2d(features, mix, bias))


def loss(
    patches: Tensor, logits: Tensor, labels: Tensor, coverage: Tensor, mask_weight: float
) -> Tensor:
    """What is wrong with the answers: the picture's, every patch of good pictures, and the
    patches of defects where somebody drew a mask (NaN elsewhere)."""
    target = labels * (1 - 2 * SMOOTHING) + SMOOTHING
    total = F.binary_cross_entropy_with_logits(logits, target)
    good = labels == 0
    if good.any():
        total = total + F.softplus(patches[good]).mean()
    drawn = ~good & ~coverage.isnan().any(dim=(1, 2))
    if drawn.any():
        total = total + mask_weight * _mask_loss(patches[drawn], coverage[drawn])
    return total


def _mask_loss(patches: Tensor, coverage: Tensor) -> Tensor:
    """Half for the patches on the defect, half for those beside it; its rim does not count.

    A thin scratch covers little of any patch: then its most covered patches are the defect.
    """
    most = coverage.amax(dim=(1, 2), keepdim=True)
    on, off = (coverage > 0) & (coverage >= (most / 2).clamp(max=MASK_FROM)), coverage == 0
    hit = F.softplus(-patches[on]).mean() if on.any() else patches.sum() * 0.0
    miss = F.softplus(patches[off]).mean() if off.any() else patches.sum() * 0.0
    return 0.5 * hit + 0.5 * miss


@dataclass(frozen=True, slots=True)
class HeadWeights:
    """A trained head as plain arrays, its standardisation folded into the first convolution."""

    mix: Floats  # (hidden, channels, 1, 1)
    mix_bias: Floats
    near: Floats  # (hidden, 1, 3, 3)
    near_bias: Floats
    patch: Floats  # (1, hidden, 1, 1)
    patch_bias: Floats
    whole: Floats  # (1, hidden)
    whole_bias: Floats
    top: int  # patches whose mean is the picture's logit, but for the look at the whole
    reach: float  # of the first convolution behind its relu, on the pictures it was fitted to


def weights(head: PatchHead, reach: float) -> HeadWeights:
    """Fold and copy."""
    mean, deviation = head.mean.double(), head.deviation.double()
    mix = head.mix.weight.double() / deviation
    bias = head.mix.bias.double() - (mix * mean).sum(dim=(1, 2, 3))
    return HeadWeights(
        mix=_array(mix),
        mix_bias=_array(bias),
        near=_array(head.near.weight),
        near_bias=_array(head.near.bias),
        patch=_array(head.patch.weight),
        patch_bias=_array(head.patch.bias),
        whole=_array(head.whole.weight),
        whole_bias=_array(head.whole.bias),
        top=head.top,
        reach=reach,
    )


def logits(head: HeadWeights, maps: NDArray[np.floating]) -> Floats:
    """Logit of each picture, (n,), from stacked features (n, rows, columns, channels)."""
    mix, mix_bias, near, near_bias, patch, patch_bias, whole, whole_bias = (
        torch.from_numpy(getattr(head, name)) for name in ARRAYS
    )
    with torch.no_grad():
        x = torch.from_numpy(np.asarray(maps, dtype=np.float32)).permute(0, 3, 1, 2)
        x = F.relu(F.conv2d(x, mix, mix_bias))
        x = x + F.relu(F.conv2d(x, near, near_bias, padding=1, groups=len(near)))
        patches = F.conv2d(x, patch, patch_bias).flatten(1)
        highest = patches.topk(head.top, dim=1).values.mean(dim=1)
        return _array(highest + F.linear(x.mean(dim=(2, 3)), whole, whole_bias)[:, 0])


def _array(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().float().numpy()
    return array.copy()
