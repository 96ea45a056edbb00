"""From a folder or a `split.csv` to checked items. All complaints at once, each with its place."""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from edge.core.errors import LinegateError
from trainer.data import pictures
from trainer.data.items import DEFECT, GOOD, SPLITS, Item

_LABELS = {"0": GOOD, "1": DEFECT, "": None}
_LISTS = ("split.csv", "parts.csv")  # the usual names; the second is `linegate record`'s
_SHOWN = 5  # complaints that are spelt out
Track = Callable[[list["Row"]], Iterable["Row"]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list, not yet looked at. `where` names it in complaints."""

    where: str
    path: str
    label: str = ""
    kind: str = ""
    mask: str = ""
    part: str = ""
    split: str = ""
    domain: str = ""
    position: str = ""


def list_rows(source: Path) -> tuple[Path, list[Row]]:
    """(root, rows) of a CSV file, a folder that holds one, a folder of such folders, or one with
    good/ and defect/. Raises LinegateError if it is none of these.
    """
    source = _list_in(source) or source
    if source.is_file():
        return source.resolve().parent, _csv_rows(source)
    if not source.is_dir():
        raise LinegateError(f"{source}: no such file or folder")
    lists = [found for folder in sorted(source.iterdir()) if (found := _list_in(folder))]
    rows = [_recorded(row, path.parent.name) for path in lists for row in _csv_rows(path)]
    return source.resolve(), rows or _folder_rows(source)


def load(root: Path, rows: list[Row], drop_copies: bool = False, track: Track = iter) -> list[Item]:
    """Read and check every picture. Raises LinegateError that lists what is wrong.

    `drop_copies`: of pictures with the same content and label, keep the first.
    """
    items, wrong = [], []
    for row in track(rows):
        try:
            items.append(_item(root, row))
        except LinegateError as error:
            wrong.append(f"{row.where}: {error}")
    if drop_copies:
        items = list({(item.sha256, item.label): item for item in reversed(items)}.values())[::-1]
    wrong += _contradictions(items)
    if wrong:
        raise LinegateError(_complaint(wrong))
    return items


def _list_in(folder: Path) -> Path | None:
    return next((folder / name for name in _LISTS if (folder / name).is_file()), None)


def _recorded(row: Row, recording: str) -> Row:
    """A row of one of several recordings: part 7 and lot 1 of another one are others."""

    def below(name: str) -> str:
        return f"{recording}/{name}" if name else ""

    return replace(
        row,
        where=below(row.where),
        path=below(row.path),
        mask=below(row.mask),
        part=below(row.part),
        domain=below(row.domain),
    )


def _csv_rows(path: Path) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LinegateError(f"{path}: cannot be read as CSV: {error}") from error
    if not table:
        raise LinegateError(f"{path}: no rows; the first line names the columns, `path` at least")
    if "path" not in table[0]:
        raise LinegateError(f"{path}: no column `path`; it has {', '.join(table[0])}")
    return [_csv_row(f"{path.name} line {n}", line) for n, line in enumerate(table, 2)]


def _csv_row(where: str, line: dict[str, str]) -> Row:
    def cell(column: str) -> str:
        return (line.get(column) or "").strip()

    return Row(
        where=where,
        path=cell("path"),
        label=cell("label"),
        kind=cell("defect_kind"),
        mask=cell("mask_or_box_path"),
        part=cell("group"),
        split=cell("split"),
        domain=cell("domain"),
        position=cell("order"),
    )


def _folder_rows(folder: Path) -> list[Row]:
    rows = [_folder_row(folder, file, "0") for file in _pictures_below(folder / "good")]
    rows += [_folder_row(folder, file, "1") for file in _pictures_below(folder / "defect")]
    if not rows:
        raise LinegateError(
            f"{folder}: neither split.csv nor parts.csv, nor pictures in good/ and defect/ below"
        )
    return rows


def _folder_row(folder: Path, file: Path, label: str) -> Row:
    path = file.relative_to(folder)
    kind = path.parts[1] if len(path.parts) > 2 else path.parts[0]
    return Row(where=str(path), path=path.as_posix(), label=label, kind=kind)


def _pictures_below(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.suffix.lower() in pictures.SUFFIXES)


def _item(root: Path, row: Row) -> Item:
    _check_cells(row)
    data = pictures.read_bytes(root / row.path)
    image = pictures.decode(data, root / row.path)
    mask, mask_sha256 = _mask(root, row, image.shape[:2])
    return Item(
        path=PurePosixPath(row.path).as_posix(),
        sha256=hashlib.sha256(data).hexdigest(),
        label=_LABELS[row.label],
        kind=row.kind,
        mask=mask,
        mask_sha256=mask_sha256,
        part=row.part or row.path,
        split=row.split or None,
        domain=row.domain,
        position=row.position,
        width_px=image.shape[1],
        height_px=image.shape[0],
        channels=1 if image.ndim == 2 else 3,
        thumb=pictures.thumb(image),
    )


def _check_cells(row: Row) -> None:
    if not row.path:
        raise LinegateError("no path")
    if row.label not in _LABELS:
        raise LinegateError(f"label {row.label!r}: write 0 (good), 1 (defect) or nothing (unsure)")
    if row.split and row.split not in SPLITS:
        raise LinegateError(f"split {row.split!r}: write train, val, test or nothing")


def _mask(root: Path, row: Row, size: tuple[int, ...]) -> tuple[str | None, str | None]:
    """A mask is a picture; lists of boxes are left for later and do not hurt."""
    if PurePosixPath(row.mask).suffix.lower() not in pictures.SUFFIXES:
        return None, None
    data = pictures.read_bytes(root / row.mask)
    shape = pictures.decode(data, root / row.mask).shape[:2]
    if shape != size:
        raise LinegateError(f"mask {row.mask} is {shape[1]}x{shape[0]}, its picture is not")
    return row.mask, hashlib.sha256(data).hexdigest()


def _contradictions(items: list[Item]) -> list[str]:
    by_path, by_content, by_part = defaultdict(list), defaultdict(list), defaultdict(set)
    for item in items:
        by_path[item.path].append(item)
        by_content[item.sha256].append(item)
        by_part[item.part].add(item.split)
    twice = [f"{path}: listed {len(same)} times" for path, same in by_path.items() if same[1:]]
    return twice + _same_content(by_content.values()) + _torn_parts(by_part)


def _same_content(twins: Iterable[list[Item]]) -> list[str]:
    return [
        f"{first.path} and {other.path} are the same picture with different part or label: "
        "give both the same group and label, or remove one (--drop-copies keeps the first)"
        for first, *others in twins
        for other in others
        if other.path != first.path and (other.part, other.label) != (first.part, first.label)
    ]


def _torn_parts(by_part: dict[str, set[str | None]]) -> list[str]:
    return [
        f"part {part!r} sits in {len(splits)} splits ({', '.join(sorted(map(str, splits)))}): "
        "all pictures of a part belong in one"
        for part, splits in by_part.items()
        if len(splits) > 1
    ]


def _complaint(wrong: list[str]) -> str:
    shown = "\n  ".join(wrong[:_SHOWN])
    more = f"\n  and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return f"nothing was imported, {len(wrong)} problem(s):\n  {shown}{more}"
