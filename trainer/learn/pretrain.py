"""`linegate-trainer pretrain`: our own backbone, taught on procedural pictures alone.

Two things are asked of the net at once. *What is this?* Patches of one view find themselves in
another view of the same picture among the patches of all other pictures (InfoNCE, van den Oord et
al. 2018, dense as in Wang et al. 2021): features that tell materials and shapes apart and do not
mind light, focus and noise. *Has somebody altered it?* Patches on a synthetic defect are told from
all others, at both strides.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.core.errors import LinegateError
from trainer.learn import checkpoint, defects, lessons, net, textures
from trainer.learn.backbone import Backbone
from trainer.learn.hardware import device, has_bfloat16
from trainer.learn.lessons import VIEW_PX, Lesson
from trainer.learn.net import WIDE_COARSE, WIDE_FINE, Trunk
from trainer.track import Track

Batches = Callable[[int, range, int], AbstractContextManager[Iterator[Lesson]]]

NAME = "procedural"
SIDE_PX = 224  # of the exported net; it can be cut to other sizes later
HIDDEN, EMBEDDING = 160, 64
TEMPERATURE = 0.1
AVERAGE = 0.999  # the weights kept are a running mean


@dataclass(frozen=True, slots=True)
class Settings:
    """The knobs of a run. More steps are more lessons; the rate falls over the last fifth."""

    seed: int = 0
    steps: int = 20_000
    pairs: int = 32  # in a batch
    place_weight: float = 0.2  # beside 1: finding places has a loss many times that of alterations
    rate: float = 2e-3  # AdamW
    weight_decay: float = 0.02
    gradient_norm: float = 2.0
    save_every: int = 500  # steps

    def file(self, folder: Path) -> Path:
        """Where a run with these settings leaves its checkpoint, however long it is to be. Other
        lessons, or another net, are another run: its card would name code that did not make it."""
        which = sha256(repr(replace(self, steps=0, save_every=0)).encode())
        for module in (defects, lessons, net, textures):
            which.update(Path(str(module.__file__)).read_bytes())
        return folder / f"pretrain-{which.hexdigest()[:12]}.pt"


class Pupil(nn.Module):  # type: ignore[misc]
    """The trunk, and what asks it questions while it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk(3)
        self.place = nn.Sequential(
            nn.Conv2d(WIDE_COARSE, HIDDEN, 1),
            nn.ReLU(),
            nn.Conv2d(HIDDEN, EMBEDDING, 1),
        )
        self.altered_fine = nn.Conv2d(WIDE_FINE, 1, 1)
        self.altered_coarse = nn.Conv2d(WIDE_COARSE, 1, 1)

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(places, altered at stride 8, altered at stride 16) of views [n, 3, S, S]."""
        fine, coarse = self.trunk(views)
        return self.place(coarse), self.altered_fine(fine)[:, 0], self.altered_coarse(coarse)[:, 0]


def train(
    settings: Settings, folder: Path, batches: Batches, track: Track, threads: int = 1
) -> Backbone:
    """The loop. It goes on where a run with the same settings stopped in `folder`; more steps
    carry a finished one on. `batches` is `lessons.ahead`. Raises LinegateError if that run has gone
    further already."""
    torch.set_num_threads(threads)
    torch.manual_seed(settings.seed)
    where, pupil = device(), Pupil().to(memory_format=torch.channels_last)
    pupil = pupil.to(where).train()
    kept = torch.optim.swa_utils.AveragedModel(
        pupil,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE),
        use_buffers=True,
    )
    optimiser = torch.optim.AdamW(
        pupil.parameters(), lr=settings.rate, weight_decay=settings.weight_decay
    )
    file, parts = settings.file(folder), {"pupil": pupil, "kept": kept, "optimiser": optimiser}
    done = checkpoint.load(file, parts)
    if done > settings.steps:
        raise LinegateError(
            f"{file} is at step {done}: ask for --steps {done} or more, or remove it to begin anew"
        )
    steps = range(done, settings.steps)
    with batches(settings.seed, steps, settings.pairs) as made:
        for step, lesson in zip(track(steps, "pretrain"), made, strict=True):
            optimiser.param_groups[0]["lr"] = settings.rate * schedule(step, settings.steps)
            with torch.autocast(where.type, torch.bfloat16, enabled=has_bfloat16(where)):
                wrong = loss(pupil, lesson, settings.place_weight, where)
            optimiser.zero_grad()
            wrong.backward()
            torch.nn.utils.clip_grad_norm_(pupil.parameters(), settings.gradient_norm)
            optimiser.step()
            kept.update_parameters(pupil)
            if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
                checkpoint.save(file, step + 1, parts)
    return net.export(kept.module.eval().cpu().trunk, NAME, SIDE_PX, SIDE_PX)


def schedule(step: int, steps: int) -> float:
    """Learning rate as a share of its peak: warm up, hold, fall linearly over the last fifth. What
    was held can be learnt on with more steps."""
    warm, fall = 200, 0.2 * steps
    return min(1.0, (step + 1) / warm, max(0.01, (steps - step) / fall))


def loss(pupil: Pupil, lesson: Lesson, place_weight: float, where: torch.device) -> Tensor:
    n = len(lesson.first)
    views = tensor(np.concatenate([lesson.first, lesson.second]), where)
    places, fine, coarse = pupil(views)
    masks = torch.from_numpy(lesson.masks).to(where).float()[:, None] / 255.0
    clean = torch.zeros_like(masks)
    both = torch.cat([clean, masks])
    found = altered_loss(fine, both) + altered_loss(coarse, both)
    moves = torch.from_numpy(lesson.moves).to(where)
    pictures = torch.from_numpy(lesson.pictures).to(where)
    asked = place_loss(places[:n].float(), places[n:].float(), moves, masks, pictures)
    return found + place_weight * asked


def altered_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Half for the patches that are altered, half for the others; a patch that is only touched
    does not count. Logits [n, h, w], masks [n, 1, S, S]."""
    logits = logits.float()
    share = F.adaptive_avg_pool2d(masks, logits.shape[-2:])[:, 0]
    on, off = share > 0.08, share == 0
    hit = F.softplus(-logits[on]).mean() if on.any() else logits.sum() * 0.0
    return 0.5 * hit + 0.5 * F.softplus(logits[off]).mean()


def place_loss(
    first: Tensor, second: Tensor, moves: Tensor, masks: Tensor, pictures: Tensor
) -> Tensor:
    """InfoNCE over the patches of a batch: maps [n, d, h, w] of both views, and which picture each
    shows. Another patch of the same picture is no rival, as it may well look the same. Patches that
    left the second view or are spoilt in it ask nothing."""
    grid = partners(moves, first.shape[-1])
    found = F.normalize(F.grid_sample(second, grid, align_corners=False), dim=1)
    share = F.adaptive_avg_pool2d(masks, second.shape[-2:])
    spoilt = F.grid_sample(share, grid, align_corners=False)[:, 0]
    asks = (grid.abs().amax(dim=-1) < 1) & (spoilt < 0.01)
    own = F.normalize(first, dim=1).permute(0, 2, 3, 1)[asks]
    other = found.permute(0, 2, 3, 1)[asks]
    likeness = own @ other.T / TEMPERATURE
    shows = pictures[:, None, None].expand_as(asks)[asks]
    itself = torch.eye(len(own), dtype=torch.bool, device=own.device)
    likeness = likeness.masked_fill((shows[:, None] == shows) & ~itself, -torch.inf)
    return F.cross_entropy(likeness, torch.arange(len(own), device=own.device))


def partners(moves: Tensor, cells: int) -> Tensor:
    """Where the centres of the first view's cells lie in the second: [n, cells, cells, 2] in -1..1,
    from affine matrices [n, 2, 3] in pixels."""
    along = (torch.arange(cells, device=moves.device) + 0.5) * (VIEW_PX / cells) - 0.5
    y, x = torch.meshgrid(along, along, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    moved = torch.einsum("nij,hwj->nhwi", moves, points)
    return (moved + 0.5) * (2.0 / VIEW_PX) - 1.0


def tensor(views: np.ndarray, where: torch.device) -> Tensor:
    """uint8 [n, H, W, 3] -> (x - 128) / 128, [n, 3, H, W]."""
    return (torch.from_numpy(views).to(where).float().permute(0, 3, 1, 2) - 128) / 128
