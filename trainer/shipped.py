"""What comes with Linegate: a backbone of our own, made by `pretrain`, from no outside data."""

import sys
from pathlib import Path

from edge.core.errors import LinegateError

OURS, TORCHVISION = "ours", "torchvision:"  # what --backbone may say instead of a file
BACKBONE = Path("backbone-procedural") / "procedural.onnx"


def backbone_file() -> Path:
    """In a checkout, or beside a wheel. Raises LinegateError if it is in neither."""
    here = Path(__file__).resolve().parents[1] / "models"
    installed = Path(sys.prefix) / "share" / "linegate" / "models"
    for folder in (here, installed):
        if (folder / BACKBONE).is_file():
            return folder / BACKBONE
    raise LinegateError(
        f"our own backbone is neither in {here} nor in {installed}: install Linegate again, or "
        "name a --backbone FILE"
    )
