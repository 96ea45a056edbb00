"""One picture of a data set with all that is known about it, and the hash of a whole set."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edge.core.errors import LinegateError
from edge.core.preprocess import Image
from trainer.data import pictures

SPLITS = ("train", "val", "test")
GOOD, DEFECT = 0, 1


@dataclass(frozen=True, slots=True)
class Item:
    """A row of `split.csv`, checked. Files stay where they are; their hashes are kept."""

    path: str  # relative to the data set's root, with forward slashes
    sha256: str
    label: int | None  # 0 good, 1 defect, None: ambiguous, never trained on nor judged by
    kind: str
    mask: str | None  # picture of the same size, above 0 where the defect is
    mask_sha256: str | None
    part: str  # pictures of one part (or lot) never sit in two splits
    split: str | None
    domain: str
    position: str  # in time, where the set has an order
    width_px: int
    height_px: int
    channels: int
    thumb: bytes

    def row(self) -> dict[str, Any]:
        return asdict(self)

    def moved(self, split: str) -> "Item":
        return replace(self, split=split)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named set of items and where their files are."""

    name: str
    root: Path
    items: tuple[Item, ...]
    commands: tuple[str, ...] = ()

    @property
    def revision(self) -> str:
        return revision(self.items)

    def of(self, split: str) -> list[Item]:
        """The labelled items of a split. Raises LinegateError if there are none."""
        chosen = [item for item in self.items if item.split == split and item.label is not None]
        if not chosen:
            raise LinegateError(
                f"data set {self.name!r} has no labelled pictures in split {split!r}: "
                f"run `linegate-trainer split --data {self.name}`"
            )
        return chosen

    def image(self, item: Item) -> Image:
        """Pixels of an item, verified against its hash."""
        return pictures.read(self.root / item.path, item.sha256)

    def mask(self, item: Item) -> Image | None:
        """Defect mask of shape (H, W), above 0 on the defect; None where nobody drew one."""
        if item.mask is None or item.mask_sha256 is None:
            return None
        mask = pictures.read(self.root / item.mask, item.mask_sha256)
        return mask if mask.ndim == 2 else mask.max(axis=2)


def revision(items: Iterable[Item]) -> str:
    """Content hash of pictures, labels, masks, parts and splits; of no path and no date."""
    lines = sorted(
        f"{item.sha256} {item.label} {item.kind} {item.mask_sha256} {item.part} {item.split}"
        for item in items
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def count(items: Sequence[Item]) -> dict[str, int]:
    """How many are good, defect and ambiguous."""
    return {
        "good": sum(item.label == GOOD for item in items),
        "defect": sum(item.label == DEFECT for item in items),
        "ambiguous": sum(item.label is None for item in items),
    }
