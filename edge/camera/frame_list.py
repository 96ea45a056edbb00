"""The list of recorded frames that a replay goes through: a folder of pictures, or a CSV.

What the CSV knows about a picture stays in its row, beside the frame: the gate never sees it.
"""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.camera.pictures import SUFFIXES, UNALTERED, Alteration
from edge.config import ReplaySettings
from edge.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One recorded frame, and the truth about it as far as the list knows it."""

    part_id: str  # unique in the list
    path: Path
    alteration: Alteration = UNALTERED
    label: int | None = None  # 0 good, 1 defective
    defect_kind: str = ""
    mask_path: Path | None = None
    group: str = ""
    split: str = ""
    domain: str = ""
    clock: str = ""  # time of the shift, as written
    phase: str = ""  # of the shift


def read_frame_list(settings: ReplaySettings) -> list[ReplayRow]:
    """All frames that will be replayed, in order. Raises ConfigError if there are none."""
    source = settings.frames
    if source.is_dir():
        rows = _rows_of_folder(source)
    elif source.is_file():
        rows = _rows_of_csv(source, settings.split)
    else:
        raise ConfigError(f"{source}: no such folder or CSV; mend camera.replay.frames")
    if not rows:
        which = f" with split = {settings.split!r}" if settings.split else ""
        raise ConfigError(f"{source}: no pictures{which}")
    return rows


def _rows_of_folder(folder: Path) -> list[ReplayRow]:
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES)
    ids = _ids([file.stem for file in files])
    return [ReplayRow(part_id, file) for part_id, file in zip(ids, files, strict=True)]


def _rows_of_csv(source: Path, split: str | None) -> list[ReplayRow]:
    table = _read_table(source)
    if split is not None and "split" not in table[0]:
        raise ConfigError(f"{source}: no column `split`, so split = {split!r} picks nothing")
    table = [cells for cells in table if split is None or cells["split"] == split]
    if not table:
        return []
    base = _base(source, table)
    ids = _ids([Path(cells["path"]).stem for cells in table])
    return [_row(source, base, cells, part_id) for cells, part_id in zip(table, ids, strict=True)]


def _read_table(source: Path) -> list[dict[str, str]]:
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{source}: cannot be read as CSV: {error}") from error
    if not lines or "path" not in lines[0]:
        raise ConfigError(f"{source}: not a list of frames: no rows, or no column `path`")
    return [{key: (value or "").strip() for key, value in line.items() if key} for line in lines]


def _base(source: Path, table: Sequence[Mapping[str, str]]) -> Path:
    """What the paths are relative to: the CSV's folder, or the one above it."""
    bases = (source.parent, source.parent.parent)
    for cells in table:  # a single picture may be missing; not all of them
        for base in bases:
            if (base / cells["path"]).is_file():
                return base
    raise ConfigError(
        f"{source}: none of its pictures is there, neither below {bases[0]} nor below {bases[1]}; "
        f"the first is {table[0]['path']!r}"
    )


def _row(source: Path, base: Path, cells: Mapping[str, str], part_id: str) -> ReplayRow:
    try:
        alteration = _alteration(cells)
        label = int(cells["label"]) if cells.get("label") else None
    except ValueError as error:
        raise ConfigError(f"{source}: the row of {cells['path']}: {error}") from error
    mask = cells.get("mask_or_box_path", "")
    return ReplayRow(
        part_id=part_id,
        path=base / cells["path"],
        alteration=alteration,
        label=label,
        defect_kind=cells.get("defect_kind", ""),
        mask_path=base / mask if mask.endswith(".png") else None,
        group=cells.get("group", ""),
        split=cells.get("split", ""),
        domain=cells.get("domain", ""),
        clock=cells.get("clock", ""),
        phase=cells.get("phase", ""),
    )


def _alteration(cells: Mapping[str, str]) -> Alteration:
    gain = float(cells.get("gain") or 1)
    blur_sigma_px = float(cells.get("blur_sigma") or 0)
    if not (0 <= gain <= 100 and 0 <= blur_sigma_px <= 100):
        raise ValueError("gain and blur_sigma go from 0 to 100")
    dx_px, dy_px = int(cells.get("dx") or 0), int(cells.get("dy") or 0)
    return Alteration(dx_px, dy_px, gain, blur_sigma_px)


def _ids(stems: Sequence[str]) -> list[str]:
    """File names as part ids: printable, at most 64 characters; repeats get their row number."""
    clean = [re.sub(r"[^\x21-\x3f\x41-\x7e]", "_", stem)[:48] or "_" for stem in stems]
    often = Counter(clean)
    return [stem if often[stem] == 1 else f"{stem}@{number}" for number, stem in enumerate(clean)]
