"""The learner that never sees a defect, through the commands, on tiny parts."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from edge.core import metrics
from edge.core.errors import LinegateError
from edge.core.manifest import parse_manifest
from edge.core.recipe import Orientation
from trainer.data import importing
from trainer.data.items import DEFECT, GOOD, Dataset
from trainer.data.split import split
from trainer.judge import evaluate
from trainer.learn import augment, backbone, good_only
from trainer.learn.fit import Fitting
from trainer.learn.samples import Sample

pytestmark = pytest.mark.torch
Workshop = Callable[..., Result]


def quietly(steps: Sequence[Any], what: str) -> Iterable[Any]:
    return steps


def only_good(parts: Path, name: str, wanted: int = 80) -> Path:
    """A list of the good parts alone."""
    with (parts / "parts.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "0"][:wanted]
    with (parts / name).open("w", newline="") as file:
        table = csv.DictWriter(file, ["path", "label"], extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    return parts / name


def train(workshop: Workshop, data: Path, backbone: Path, *more: object) -> Result:
    workshop("import", data, "--name", "plates", "--replace")
    workshop("split", "--data", "plates")
    command = ("train", "--data", "plates", "--learner", "good-only", "--backbone", backbone)
    return workshop(*command, *more)


def test_set_without_any_defect_becomes_a_bundle(
    workshop: Workshop, parts: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    result = train(workshop, only_good(parts, "good.csv"), tiny_backbone, "--json")
    trained = json.loads(result.stdout.splitlines()[-1])
    assert trained["val"]["auroc"] is None and trained["val"]["n_defect"] == 0
    assert "59 more are needed" in trained["thresholds"]["no_guarantee"]

    result = workshop("evaluate", "--run", "plates-1", "--json")
    judged = json.loads(result.stdout.splitlines()[-1])
    assert judged["auroc"] is None and judged["int8"]["auroc_float"] is None
    assert judged["n_good"] == 16 and "unknown" in result.output
    assert "plates-1" in workshop("runs").output

    workshop("release", "--run", "plates-1", "--to", tmp_path / "bundle")
    manifest = parse_manifest((tmp_path / "bundle" / "manifest.json").read_text(), "manifest.json")
    assert manifest.learner == "good-only" and manifest.parity.auroc_int8 is None
    assert {golden.label for golden in manifest.golden} == {0}
    assert "nan" not in (tmp_path / "bundle" / "card.md").read_text()


def test_spots_are_found_by_one_that_has_never_seen_any(
    workshop: Workshop, parts: Path, tiny_backbone: Path
) -> None:
    train(workshop, parts / "parts.csv", tiny_backbone, "--good", 20)
    judged = json.loads(workshop("evaluate", "--run", "plates-1", "--json").stdout.splitlines()[-1])
    assert judged["auroc"] > 0.9


def test_fewer_than_ten_good_pictures_are_refused(
    workshop: Workshop, parts: Path, tiny_backbone: Path
) -> None:
    workshop("import", only_good(parts, "few.csv", 15), "--name", "plates")
    workshop("split", "--data", "plates")
    command = ("train", "--data", "plates", "--learner", "good-only", "--backbone", tiny_backbone)
    assert "9 good pictures to train on; the good-only learner needs 10" in (
        workshop(*command, code=1).output
    )


@pytest.mark.parametrize("wanted", [9, 49])
def test_draw_of_too_few_or_of_more_than_there_are_is_refused(wanted: int) -> None:
    picture = Sample(np.zeros((4, 4, 1), np.uint8), GOOD, None)
    with pytest.raises(LinegateError, match=f"48 good pictures to train on, {wanted} asked for"):
        good_only.draw([picture] * 48, wanted, np.random.default_rng(0))


def test_few_good_pictures_are_filled_up_with_copies() -> None:
    plan = good_only.plan(50, 3, good_only.Settings(head_from=60), np.random.default_rng(0))
    assert [n for n, copy in plan if copy == 0] == list(range(53))
    assert Counter(n for n, copy in plan if copy > 0) == dict.fromkeys(range(50), 2)
    assert not [n for n, copy in plan if copy < 0]


def test_draw_of_many_has_as_many_copies_as_the_drawn_need() -> None:
    plan = good_only.plan(200, 0, good_only.Settings(good=20), np.random.default_rng(0))
    assert Counter(n for n, _ in plan) == dict.fromkeys(range(200), 6)


def test_head_is_taught_on_as_many_augmented_good_ones_as_spoilt_ones_of_any_pictures() -> None:
    plan = good_only.plan(
        130, 1, good_only.Settings(copies=150, synthetic=150), np.random.default_rng(0)
    )
    good = [n for n, copy in plan if copy >= good_only.AUGMENTED]
    spoilt = [n for n, copy in plan if copy < 0]
    assert good == spoilt and good != sorted(good)
    assert {*Counter(good).values()} == {1, 2} and {*good} == {*range(130)}
    assert [copy for _, copy in plan if 0 < copy < good_only.AUGMENTED] == []
    assert len(plan) == 131 + 2 * 150  # all different
    assert len({*plan}) == len(plan)


@pytest.mark.parametrize("orientation", ["fixed", "turned", "mirrored", "any"])
def test_good_copies_of_the_head_are_augmented_however_the_part_may_lie(
    orientation: Orientation,
) -> None:
    rng = np.random.default_rng(0)
    sample = Sample(rng.integers(0, 256, (64, 64, 1), np.uint8), GOOD, None)
    make = good_only.maker([sample], good_only.Settings(orientation=orientation))
    laid = {augment.lay(sample, pose).image.tobytes() for pose in augment.poses("any", sample)}
    copies = range(good_only.AUGMENTED, good_only.AUGMENTED + 20)
    assert not laid & {make(sample, copy, rng).image.tobytes() for copy in copies}


def test_first_copies_are_the_poses_that_the_part_allows() -> None:
    rng = np.random.default_rng(0)
    sample = Sample(rng.integers(0, 256, (64, 64, 1), np.uint8), GOOD, None)
    make = good_only.maker([sample], good_only.Settings(orientation="mirrored"))
    assert np.array_equal(make(sample, 1, rng).image, sample.image[:, ::-1])
    ways = {make(sample, copy, rng).image.tobytes() for copy in range(4)}
    assert len(ways) == 4 and make(sample, 4, rng).image.tobytes() not in ways


def test_copies_below_nought_are_spoilt_and_say_where() -> None:
    rng = np.random.default_rng(0)
    sample = Sample(rng.integers(80, 160, (64, 64, 1), np.uint8), GOOD, None)
    make = good_only.maker([sample, sample], good_only.Settings())
    assert (
        np.array_equal(make(sample, 0, rng).image, sample.image)
        and make(sample, 1, rng).label == GOOD
    )
    spoilt = make(sample, -1, rng)
    assert spoilt.label == DEFECT and spoilt.mask is not None and spoilt.mask.any()


def test_head_taught_on_synthetic_defects_joins_the_memory(
    parts: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    root, rows = importing.list_rows(parts)
    dataset = Dataset("plates", root, tuple(split(importing.load(root, rows), (60, 20, 20), 0)))
    settings = good_only.Settings(head_from=10, copies=40, synthetic=80, fitting=Fitting(steps=60))
    net = backbone.load(tiny_backbone)
    trained = good_only.train(dataset, net, settings, tmp_path, quietly)
    assert trained.about == ("memory of 48 good pictures, and a head taught on synthetic defects")
    scored = evaluate.score(trained.int8, net.face, dataset, dataset.of("test"), quietly)
    assert metrics.auroc(scored.of(GOOD), scored.of(DEFECT)) > 0.9
