"""Pictures that show several places of a tray, each with a part or empty: one picture each."""

import csv
from pathlib import Path

import cv2

from edge.core.errors import LinegateError
from trainer.data import pictures

LIST = "slots.csv"  # path, slot, x0, y0, x1, y1, screw_present


def cut(source: Path, folder: Path) -> Path:
    """The places of `source` as a set of their own in `folder`; an empty place is defective, and
    those of one picture are one group. Raises LinegateError if a picture cannot be read."""
    with (source / "split.csv").open(newline="") as file:
        split = {row["path"]: row["split"] for row in csv.DictReader(file)}
    with (source / LIST).open(newline="") as file:
        places = list(csv.DictReader(file))
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with (folder / "split.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "group", "split"))
        for place in places:
            path = f"images/{Path(place['path']).stem}-{place['slot']}.png"
            _cut(source / place["path"], place, folder / path)
            label = 1 - int(place["screw_present"])
            table.writerow((path, label, place["path"], split[place["path"]]))
    return folder


def _cut(picture: Path, place: dict[str, str], to: Path) -> None:
    image = pictures.decode(pictures.read_bytes(picture), picture)
    x0, y0, x1, y1 = (int(place[name]) for name in ("x0", "y0", "x1", "y1"))
    if not cv2.imwrite(str(to), image[y0:y1, x0:x1]):
        raise LinegateError(f"{to}: cannot be written; check the free space there")
