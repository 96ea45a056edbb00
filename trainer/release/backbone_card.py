"""The card of a backbone that `pretrain` made."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.learn.pretrain import Settings


def text(file: Path, settings: "Settings", command: str, code: str) -> str:
    """Markdown for people: what it is, what it saw, how to make it again."""
    model = file.read_bytes()
    pairs = settings.steps * settings.pairs
    return "\n".join(
        [
            f"# {file.stem}",
            "",
            "A backbone for small inspection models: float ONNX, RGB, stride 8 and stride 16, "
            f"{len(model) / 1e6:.2f} MB.",
            "",
            "- taught on procedural pictures alone (`trainer/learn/textures.py`, `defects.py`): "
            f"{pairs:,} pairs of views in {settings.steps:,} steps; no photograph and no outside "
            "weights went into it",
            f"- command: `{command}`",
            f"- code: {code}; settings: {settings}",
            f"- sha256 `{hashlib.sha256(model).hexdigest()}`",
            "- licence: Apache-2.0",
            "",
        ]
    )
