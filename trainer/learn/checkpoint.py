"""How far a long training got, so that it can be stopped at any time and go on later."""

import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from edge.core.errors import LinegateError

Parts = Mapping[str, Any]  # nets, optimisers: what has a state_dict


def save(file: Path, step: int, parts: Parts) -> None:
    """`step` steps are done. Written beside the last one, then renamed: there is always a whole
    checkpoint."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".part")
    torch.save({"step": step, **{k: part.state_dict() for k, part in parts.items()}}, beside)
    os.replace(beside, file)


def load(file: Path, parts: Parts) -> int:
    """Put the parts back; returns the steps that are done, 0 where nothing was saved.

    Raises LinegateError if the file is damaged or of another training.
    """
    if not file.exists():
        return 0
    try:
        saved = torch.load(file, map_location="cpu", weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        return int(saved["step"])
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, UnpicklingError) as error:
        raise LinegateError(f"{file} cannot be gone on with; begin anew: {error}") from error
