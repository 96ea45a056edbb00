"""Trays: each place becomes a picture of its own, all of one tray a group."""

import csv
from pathlib import Path

import cv2
import numpy as np

from trainer.bench import slots


def test_every_place_is_a_picture_and_an_empty_one_is_defective(tmp_path: Path) -> None:
    source = tmp_path / "tray"
    (source / "images").mkdir(parents=True)
    image = np.zeros((40, 60, 3), np.uint8)
    image[5:15, 30:50] = 200
    cv2.imwrite(str(source / "images" / "a.png"), image)
    (source / "split.csv").write_text("path,label,split\nimages/a.png,1,val\n")
    (source / slots.LIST).write_text(
        "path,slot,x0,y0,x1,y1,screw_present\n"
        "images/a.png,0,0,0,20,10,0\nimages/a.png,1,30,5,50,15,1\n"
    )
    cut = slots.cut(source, tmp_path / "cut")
    rows = list(csv.DictReader((cut / "split.csv").read_text().splitlines()))
    assert [(row["label"], row["split"], row["group"]) for row in rows] == [
        ("1", "val", "images/a.png"),
        ("0", "val", "images/a.png"),
    ]
    empty, there = (cv2.imread(str(cut / row["path"])) for row in rows)
    assert empty.shape == there.shape == (10, 20, 3)
    assert not empty.any() and (there == 200).all()
