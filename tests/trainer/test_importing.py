import csv
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.core.errors import LinegateError
from trainer.data import importing
from trainer.data.items import Dataset, Item


def take(source: Path, drop_copies: bool = False) -> list[Item]:
    root, rows = importing.list_rows(source)
    return importing.load(root, rows, drop_copies)


def rewrite(folder: Path, **cells: str) -> None:
    """Change cells of the first row of parts.csv."""
    with (folder / "parts.csv").open() as file:
        rows = list(csv.DictReader(file))
    rows[0] |= cells
    with (folder / "parts.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def test_csv_rows_become_items_with_hash_part_and_mask(parts: Path) -> None:
    items = take(parts / "parts.csv")
    assert len(items) == 120
    first = items[0]
    assert (first.label, first.kind, first.part, first.split) == (1, "spot", "part0", None)
    assert first.mask == "masks/000.png" and first.mask_sha256 is not None
    assert (first.width_px, first.height_px, first.channels) == (64, 64, 1)
    assert items[3].mask is None


def test_path_alone_is_enough(parts: Path) -> None:
    (parts / "list.csv").write_text("path\nimages/001.png\n")
    (item,) = take(parts / "list.csv")
    assert (item.label, item.part) == (None, "images/001.png")


def test_folder_with_good_and_defect(parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sorted"
    for name, place in (("001", "good"), ("000", "defect"), ("003", "defect/spot")):
        (folder / place).mkdir(parents=True, exist_ok=True)
        shutil.copy(parts / f"images/{name}.png", folder / place)
    items = {item.path: (item.label, item.kind) for item in take(folder)}
    assert items == {
        "good/001.png": (0, "good"),
        "defect/000.png": (1, "defect"),
        "defect/spot/003.png": (1, "spot"),
    }


def test_folder_of_recordings_keeps_their_parts_and_lots_apart(parts: Path, tmp_path: Path) -> None:
    for day, name in (("monday", "001"), ("tuesday", "002")):
        (tmp_path / "days" / day).mkdir(parents=True)
        shutil.copy(parts / f"images/{name}.png", tmp_path / "days" / day / "a.png")
        (tmp_path / "days" / day / "parts.csv").write_text("path,group,domain\na.png,7,lot1\n")
    items = take(tmp_path / "days")
    assert [(i.path, i.part, i.domain) for i in items] == [
        ("monday/a.png", "monday/7", "monday/lot1"),
        ("tuesday/a.png", "tuesday/7", "tuesday/lot1"),
    ]


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ({"path": "images/none.png"}, "line 2: .*none.png: cannot be read"),
        ({"path": "parts.csv"}, "line 2: .*parts.csv: not a picture"),
        ({"path": "images/001.png"}, "images/001.png: listed 2 times"),
        ({"path": ""}, "line 2: no path"),
        ({"label": "p33"}, r"line 2: label 'p33': write 0 \(good\), 1 \(defect\) or nothing"),
        ({"mask_or_box_path": "masks/none.png"}, "masks/none.png: cannot be read"),
    ],
)
def test_complaint_says_where_and_what(parts: Path, cells: dict[str, str], complaint: str) -> None:
    rewrite(parts, **cells)
    with pytest.raises(LinegateError, match=complaint):
        take(parts)


def test_unsure_label_is_taken_but_neither_good_nor_defect(parts: Path) -> None:
    rewrite(parts, label="")
    assert take(parts)[0].label is None


def test_list_of_boxes_in_the_mask_column_does_not_hurt(parts: Path) -> None:
    rewrite(parts, mask_or_box_path="boxes.csv")
    assert take(parts)[0].mask is None


def test_mask_of_another_size_is_refused(parts: Path) -> None:
    cv2.imwrite(str(parts / "masks/000.png"), np.zeros((8, 9), np.uint8))
    with pytest.raises(LinegateError, match=r"mask masks/000\.png is 9x8"):
        take(parts)


def test_part_in_two_splits_is_refused(parts: Path) -> None:
    (parts / "list.csv").write_text(
        "path,group,split\nimages/001.png,a,train\nimages/002.png,a,test\n"
    )
    with pytest.raises(LinegateError, match="part 'a' sits in 2 splits"):
        take(parts / "list.csv")


def test_copy_under_another_part_is_refused_or_dropped_on_demand(parts: Path) -> None:
    shutil.copy(parts / "images/001.png", parts / "images/002.png")
    with pytest.raises(LinegateError, match=r"001.png and images/002.png are the same picture"):
        take(parts)
    assert len(take(parts, drop_copies=True)) == 119


def test_copy_with_the_other_label_is_never_dropped(parts: Path) -> None:
    shutil.copy(parts / "images/000.png", parts / "images/001.png")
    with pytest.raises(LinegateError, match="the same picture"):
        take(parts, drop_copies=True)


def test_sixteen_bit_picture_is_refused(parts: Path) -> None:
    cv2.imwrite(str(parts / "images/000.png"), np.zeros((64, 64), np.uint16))
    with pytest.raises(LinegateError, match=r"uint16 .* save it as 8-bit"):
        take(parts)


def test_revision_knows_content_label_and_split_but_no_place(parts: Path, tmp_path: Path) -> None:
    before = Dataset("a", parts, tuple(take(parts))).revision
    moved = tmp_path / "moved"
    shutil.copytree(parts, moved)
    assert Dataset("b", moved, tuple(take(moved))).revision == before
    rewrite(moved, label="0")
    assert Dataset("b", moved, tuple(take(moved))).revision != before


def test_picture_changed_after_import_is_noticed(parts: Path) -> None:
    dataset = Dataset("a", parts, tuple(take(parts)))
    shutil.copy(parts / "images/001.png", parts / "images/000.png")
    with pytest.raises(LinegateError, match="changed since it was imported"):
        dataset.image(dataset.items[0])
