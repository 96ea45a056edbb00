"""Which part comes by on the virtual conveyor: everything about part n follows from (seed, n).

Light enough for any process: a runner that must know the truth asks here, without a camera.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from edge.config import SimulatorSettings

KINDS = (
    "scratch",
    "crack",
    "dent",
    "stain",
    "chip",
    "missing_hole",
    "burr",
    "contamination",
)
PARTS_PER_LOT = 250
RIM_SHARE = 0.3  # of the defects, where the station looks at the rim too

_PART_ID = re.compile(r"SIM-(\d{6,12})")


class Purpose(IntEnum):
    """What randomness is for: each purpose has a stream of its own, so none disturbs another."""

    DEFECT = 0  # whether and which
    BRUSH = 1  # how it is painted
    TOP = 2  # how the part looks from each side
    RIM = 3
    LOT = 4
    TEXTURES = 5


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong with a part. It shows in one view only."""

    kind: str
    severity: float  # 0 = hardly to be seen .. 1 = obvious
    view: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What a part really is."""

    defective: bool
    kind: str | None
    lot: str


def part_id(number: int) -> str:
    return f"SIM-{number:06d}"


def number_of(part_id: str) -> int:
    """The number in a simulated part's id; for a foreign id a stable one of its own."""
    match = _PART_ID.fullmatch(part_id)
    if match:
        return int(match[1])
    digest = hashlib.blake2b(part_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 1_000_000


def truth_of(settings: SimulatorSettings, part_id: str) -> Truth:
    """The same in every process that has the same seed, share of defects and views."""
    number = number_of(part_id)
    defect = defect_of(settings, number)
    kind = None if defect is None else defect.kind
    return Truth(defective=defect is not None, kind=kind, lot=lot_name(number))


def defect_of(settings: SimulatorSettings, number: int) -> Defect | None:
    """The part's defect. With a larger share more parts are defective, and the same ones stay."""
    rng = stream(settings.seed, number, Purpose.DEFECT)
    if rng.random() >= settings.defect_share:
        return None
    kind = KINDS[rng.integers(len(KINDS))]
    severity = float(rng.beta(1.8, 1.1))
    return Defect(kind, severity, _view(settings.views, rng))


def lot_name(number: int) -> str:
    return f"lot{number // PARTS_PER_LOT:03d}"


def stream(seed: int, number: int, purpose: Purpose) -> np.random.Generator:
    """An independent source of randomness for one purpose of one part."""
    return np.random.default_rng([seed % 2**64, number, purpose])


def _view(views: Sequence[str], rng: np.random.Generator) -> str:
    at_rim = rng.random() < RIM_SHARE
    which = int(rng.integers(1_000_000))
    return views[1 + which % (len(views) - 1)] if at_rim and len(views) > 1 else views[0]
