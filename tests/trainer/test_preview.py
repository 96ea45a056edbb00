"""The sheet that a person accepts or rejects, and what follows from that."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import Result

from edge.core.errors import LinegateError
from edge.core.manifest import Face
from trainer.data import importing
from trainer.data.items import Dataset
from trainer.data.split import split
from trainer.report import looks, preview, sheet
from trainer.report.sheet import Row, Tile
from trainer.runs import Run

Workshop = Callable[..., Result]
FACE = Face(height_px=64, width_px=64, colour="grey", heatmap=(4, 4), embedding=1)
RECIPE = 'name = "spots"\nmodel = "spots"\norientation = "turned"\n'


@pytest.fixture
def dataset(parts: Path) -> Dataset:
    root, rows = importing.list_rows(parts)
    return Dataset("spots", root, tuple(split(importing.load(root, rows), (60, 20, 20), 0)))


def a_run(**results: object) -> Run:
    run = Run("parts-1", "parts", "", "supervised", "", {}, "", "", results=dict(results))
    run.artifacts[preview.ARTIFACT] = "f" * 64
    return run


# ---- drawing ----


def test_outline_lies_around_the_defect_and_hides_nothing_of_it() -> None:
    image, mask = np.full((240, 240, 1), 90, np.uint8), np.zeros((240, 240), np.uint8)
    mask[100:120, 60:90] = 255
    drawn = sheet.draw(["title"], [Row("row", [Tile(image, "caption", mask)])])
    red = (drawn[..., 2] > 200) & (drawn[..., 0] < 100)
    ys, xs = np.nonzero(red)
    top = 2 * sheet.HEADING_PX
    assert (ys.min() - top, ys.max() - top) == (97, 122)
    assert (xs.min() - sheet.GAP_PX, xs.max() - sheet.GAP_PX) == (57, 92)


@pytest.mark.parametrize(("side", "drawn"), [(64, 192), (240, 240), (480, 240)])
def test_tiles_show_small_pictures_in_whole_pixels_and_large_ones_smaller(
    side: int, drawn: int
) -> None:
    tile = Tile(np.zeros((side, side, 3), np.uint8), "")
    image = sheet.draw([], [Row("", [tile])])
    assert image.shape[0] == sheet.HEADING_PX + drawn + sheet.CAPTION_PX


def test_sheet_is_written_as_png_and_letters_beyond_ascii_do_no_harm() -> None:
    image = sheet.draw(["Prüfling 部品"], [Row("", [Tile(np.zeros((32, 48, 3), np.uint8), "é")])])
    assert np.array_equal(cv2.imdecode(np.frombuffer(sheet.png(image), np.uint8), 1), image)


# ---- what is on it ----


def test_sheet_repeats_with_its_seed_and_shows_the_orientation(dataset: Dataset) -> None:
    one, two, other = (preview.sheet(dataset, FACE, "any", seed) for seed in (0, 0, 1))
    assert np.array_equal(one, two) and not np.array_equal(one, other)
    assert not np.array_equal(one, preview.sheet(dataset, FACE, "fixed", 0))


def test_sheet_of_good_parts_alone_has_copies_and_synthetic_defects(dataset: Dataset) -> None:
    good = Dataset("good", dataset.root, tuple(i for i in dataset.items if i.label == 0))
    both, alone = (preview.sheet(d, FACE, "fixed", 0) for d in (dataset, good))
    row_px = sheet.HEADING_PX + 192 + sheet.CAPTION_PX
    assert both.shape[0] - alone.shape[0] == preview.DEFECT_ROWS * row_px


def test_sheet_without_good_parts_is_refused(dataset: Dataset) -> None:
    bad = Dataset("bad", dataset.root, tuple(i for i in dataset.items if i.label == 1))
    with pytest.raises(LinegateError, match="'bad' has no good pictures"):
        preview.sheet(bad, FACE, "fixed", 0)


def test_preview_comes_before_training_and_follows_the_recipe(
    workshop: Workshop, parts: Path, tmp_path: Path
) -> None:
    workshop("import", parts, "--name", "spots")
    file, recipe = tmp_path / "sheet.png", tmp_path / "spots.toml"
    recipe.write_text(RECIPE)
    assert (
        "linegate-trainer split"
        in workshop("preview", "--data", "spots", "--to", file, code=1).output
    )
    workshop("split", "--data", "spots")
    words = ("preview", "--data", "spots", "--to", file, "--recipe", recipe, "--json")
    assert answer(workshop(*words))["orientation"] == "turned"
    assert cv2.imread(str(file)) is not None
    assert answer(workshop(*words, "--orientation", "any"))["orientation"] == "any"
    recipe.write_bytes(b"\xff")
    assert "spots.toml: not UTF-8 text" in workshop(*words, code=1).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--data (before training) or --run"),
        (("--data", "a", "--run", "b"), "--data (before training) or --run"),
        (("--data", "a"), "--data needs --to"),
        (("--data", "a", "--to", "x.png", "--accept", "--by", "me"), "--accept needs --run"),
        (("--run", "a", "--accept"), "say who looked"),
        (("--run", "a", "--by", "me"), "say who looked and what you think"),
        (("--run", "a", "--accept", "--reject", "no", "--by", "me"), "not both"),
        (("--run", "a", "--reject", " ", "--by", "me"), "say why"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    workshop: Workshop, words: tuple[str, ...], said: str
) -> None:
    assert said in workshop("preview", *words, code=2).output


# ---- what people say ----


def test_last_look_counts_and_all_are_kept() -> None:
    run = a_run()
    assert looks.last(run) is None
    looks.record(run, False, "A", "mirrored lettering", "2026-11-21T12:00:00+00:00")
    with pytest.raises(LinegateError, match=r"rejected by A, 2026.*: mirrored lettering") as no:
        looks.refuse_rejected(run)
    assert "train again" in str(no.value) and "preview --run parts-1 --accept" in str(no.value)
    looks.record(run, True, "B", "", "2026-11-21T13:00:00+00:00")
    looks.refuse_rejected(run)
    assert str(looks.last(run)) == "accepted by B, 2026-11-21T13:00:00+00:00"
    assert [look["by"] for look in run.results["looks"]] == ["A", "B"]


def test_run_of_old_without_a_sheet_can_be_released_but_not_judged() -> None:
    run = a_run()
    run.artifacts.clear()
    looks.refuse_rejected(run)
    with pytest.raises(LinegateError, match=r"has no augmentation\.png"):
        looks.record(run, True, "A", "", "")


@pytest.mark.torch
def test_rejected_run_is_not_released_until_somebody_accepts_it(
    workshop: Workshop, parts: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    workshop("import", parts, "--name", "spots")
    workshop("split", "--data", "spots")
    recipe = tmp_path / "spots.toml"
    recipe.write_text(RECIPE)
    command = ("train", "--data", "spots", "--backbone", tiny_backbone, "--steps", 20)
    assert "preview --run spots-1" in workshop(*command, "--recipe", recipe).output
    (run,) = answer(workshop("runs", "--json"))["runs"]
    assert run["params"]["orientation"] == "turned" and preview.ARTIFACT in run["artifacts"]

    release = ("release", "--run", "spots-1", "--to", tmp_path / "bundle")
    workshop(*release)
    card = tmp_path / "bundle" / "card.md"
    assert "synthetic defects: nobody has looked at it" in card.read_text()
    judge = ("preview", "--run", "spots-1", "--by", "A. Name")
    assert "rejected by A. Name" in workshop(*judge, "--reject", "upside down").output
    refused = workshop(*release, code=1).output
    assert "upside down" in refused and "train again" in refused
    kept = answer(workshop(*judge, "--accept", "--to", tmp_path / "sheet.png", "--json"))
    assert [look["accepted"] for look in kept["looks"]] == [False, True]
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None
    workshop(*release)
    assert "accepted by A. Name, 20" in card.read_text()


def answer(result: Result) -> dict[str, Any]:
    """The JSON object on the last line."""
    return json.loads(result.stdout.splitlines()[-1])  # type: ignore[no-any-return]
