"""Choosing between learners, searching settings and cross-validating, through the commands."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import Result

pytestmark = pytest.mark.torch
Workshop = Callable[..., Result]


@pytest.fixture
def plates(parts: Path) -> Path:
    """A list of 44 good parts, too few for synthetic defects, and 40 defective ones."""
    return listed(parts, "plates.csv", lambda n: n % 3 == 0 or n < 67)


def listed(parts: Path, name: str, wanted: Callable[[int], bool]) -> Path:
    head, *lines = (parts / "parts.csv").read_text().splitlines()
    chosen = [line for n, line in enumerate(lines) if wanted(n)]
    (parts / name).write_text("\n".join([head, *chosen]))
    return parts / name


def train(workshop: Workshop, data: Path, net: Path, *more: object, code: int = 0) -> Result:
    workshop("import", data, "--name", "spots", "--replace")
    workshop("split", "--data", "spots")
    words = ("train", "--data", "spots", "--backbone", net, "--json")
    return workshop(*words, *more, code=code)


def answer(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def kept(home: Path, head: bytes) -> list[dict[str, str]]:
    """The artifact that begins like this."""
    (data,) = (d for f in (home / "artifacts").iterdir() if (d := f.read_bytes()).startswith(head))
    return list(csv.DictReader(io.StringIO(data.decode())))


def strew(parts: Path) -> None:
    """Bright blobs on all parts: harmless, but odd to one who knows no defect."""
    rng = np.random.default_rng(11)
    for file in sorted((parts / "images").iterdir()):
        image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        for x, y, radius in rng.integers((6, 6, 3), (58, 58, 8), (int(rng.integers(4)), 3)):
            cv2.circle(image, (int(x), int(y)), int(radius), 210, -1)
        cv2.imwrite(str(file), image)


def test_auto_takes_the_supervised_learner_where_defects_tell_what_is_harmless(
    workshop: Workshop, parts: Path, plates: Path, tiny_backbone: Path, home: Path
) -> None:
    strew(parts)
    more = ("--learner", "auto", "--folds", 3, "--steps", 60)
    result = train(workshop, plates, tiny_backbone, *more)
    found = answer(result)
    assert found["choice"]["learner"] == "supervised"
    rows = {row["learner"]: row for row in found["choice"]["rows"]}
    assert list(rows) == ["good-only", "supervised"]
    assert rows["supervised"]["reason"].startswith("better than good-only: +0.")
    assert found["crossval"]["learner"] == "supervised" and found["crossval"]["folds"] == 3
    assert found["crossval"]["n_good"] == 35 and found["crossval"]["n_defect"] == 32
    assert "no threshold or guarantee rests on them" in result.output
    check_records(workshop, home)


def check_records(workshop: Workshop, home: Path) -> None:
    """Every picture of train and val was asked about once, and the run knows what was chosen."""
    rows = kept(home, b"path,label,score,part,kind,domain,fold")
    assert len({row["path"] for row in rows}) == len(rows) == 67
    assert {row["fold"] for row in rows} == {"0", "1", "2"}
    assert not list((home / "work").iterdir())
    (run,) = answer(workshop("runs", "--json"))["runs"]
    assert run["learner"] == "supervised" and run["params"]["learner"] == "auto"


def test_auto_takes_good_pictures_alone_where_defects_are_few(
    workshop: Workshop, parts: Path, tiny_backbone: Path
) -> None:
    few = listed(parts, "few.csv", lambda n: n % 3 > 0 or n < 15)
    result = train(workshop, few, tiny_backbone, "--learner", "auto", "--steps", 5)
    found = answer(result)
    assert found["choice"]["learner"] == "good-only" and found["crossval"] is None
    assert "3 defective pictures to train on; the other learners need 10" in result.output


def test_search_keeps_its_settings_and_is_not_repeated(
    workshop: Workshop, plates: Path, tiny_backbone: Path, home: Path
) -> None:
    words = ("--search", 0.0001, "--folds", 2)  # one trial takes longer
    first = answer(train(workshop, plates, tiny_backbone, *words))["search"]
    assert first["trials"] == 1 and first["best"] == first["defaults"]
    again = answer(train(workshop, plates, tiny_backbone, *words))
    assert again["search"] == first
    assert again["crossval"]["auroc"]["mean"] == first["best"]["auroc"]
    assert len(list((home / "searches").glob("spots-supervised-*.journal"))) == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--search", 1, "--steps", 60), "leave out --steps"),
        (("--search", 1, "--learner", "deep"), "--search: every trial of deep takes minutes"),
        (("--search", 1, "--learner", "good-only"), "learnt by the memory alone"),
        (("--good", 20), "--good is for --learner good-only, not for supervised"),
        (("--epochs", 2), "--epochs is for --learner deep, not for supervised"),
        (("--folds", 2, "--learner", "good-only", "--good", 20), "1[0-9] good .* 20 asked for"),
    ],
)
def test_what_cannot_be_is_refused(
    workshop: Workshop, plates: Path, tiny_backbone: Path, words: tuple[object, ...], complaint: str
) -> None:
    result = train(workshop, plates, tiny_backbone, *words, code=1)
    assert re.search(complaint, result.output), result.output
