"""From pictures to a bundle through the commands, on tiny parts: what a user does."""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from click.testing import Result

from edge.core import metrics
from edge.core.manifest import check_face, parse_manifest
from edge.core.preprocess import to_input

pytestmark = pytest.mark.torch
Workshop = Callable[..., Result]


def answer(result: Result) -> dict[str, Any]:
    """The JSON object on the last line."""
    return json.loads(result.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def train(workshop: Workshop, parts: Path, backbone: Path, *more: object) -> dict[str, Any]:
    workshop("import", parts, "--name", "spots", "--replace")
    workshop("split", "--data", "spots")
    command = ("train", "--data", "spots", "--backbone", backbone, "--steps", 60, "--json")
    return answer(workshop(*command, *more))


def test_from_pictures_to_bundle(
    workshop: Workshop, parts: Path, tiny_backbone: Path, home: Path, tmp_path: Path
) -> None:
    trained = train(workshop, parts, tiny_backbone)
    assert trained["run"] == "spots-1"
    assert trained["thresholds"]["no_guarantee"].startswith(
        "8 held-out defective parts cannot show"
    )

    judged = answer(workshop("evaluate", "--run", "spots-1", "--json"))
    assert judged["auroc"] > 0.9 and judged["n_good"] == 16 and judged["n_defect"] == 8
    assert {"ap", "recall_at_1pct_fr", "recall_at_5pct_fr"} <= set(judged)
    assert {"ms_1t", "mb", "auroc_float"} <= set(judged["int8"])

    bundle = tmp_path / "bundle"
    workshop("release", "--run", "spots-1", "--to", bundle, "--name", "spots")
    check_bundle(bundle, parts)
    check_scores(home, bundle, parts, judged)
    check_runs(workshop)


def check_bundle(bundle: Path, parts: Path) -> None:
    """Manifest, hash, face and golden scores agree with the file."""
    manifest = parse_manifest((bundle / "manifest.json").read_text(), "manifest.json")
    model = (bundle / "model.onnx").read_bytes()
    assert manifest.sha256 == hashlib.sha256(model).hexdigest()
    session = ort.InferenceSession(model)
    check_face(
        manifest.face,
        {i.name: (i.type, i.shape) for i in session.get_inputs()},
        {o.name: (o.type, o.shape) for o in session.get_outputs()},
    )
    assert len(manifest.golden) == 16 and sum(g.label for g in manifest.golden) == 8
    for golden in manifest.golden:
        image = cv2.imread(str(bundle / golden.file), cv2.IMREAD_UNCHANGED)
        assert session.run(["score"], {"image": to_input(image, manifest.face)})[0][
            0
        ] == pytest.approx(golden.score, abs=1e-6)
    card = (bundle / "card.md").read_text()
    assert f"linegate-trainer import {parts} --name spots --replace" in card
    assert "linegate-trainer train --data spots" in card and "No guarantee" in card


def check_scores(home: Path, bundle: Path, parts: Path, judged: dict[str, Any]) -> None:
    """The kept scores are those of the released file in plain ONNX Runtime."""
    manifest = parse_manifest((bundle / "manifest.json").read_text(), "manifest.json")
    session = ort.InferenceSession((bundle / "model.onnx").read_bytes())
    kept = [t for f in (home / "artifacts").iterdir() if (t := f.read_bytes())[:5] == b"path,"]
    tables = [list(csv.DictReader(io.StringIO(text.decode()))) for text in kept]
    assert sorted(map(len, tables)) == [24, 24]  # val and test
    aurocs = []
    for rows in tables:
        for row in rows:
            image = cv2.imread(str(parts / row["path"]), cv2.IMREAD_UNCHANGED)
            direct = session.run(["score"], {"image": to_input(image, manifest.face)})[0][0]
            assert float(row["score"]) == pytest.approx(float(direct), abs=1e-6)
        good, defect = ([float(r["score"]) for r in rows if r["label"] == y] for y in "01")
        aurocs.append(metrics.auroc(good, defect))
    assert judged["auroc"] in aurocs


def check_runs(workshop: Workshop) -> None:
    (run,) = answer(workshop("runs", "--json"))["runs"]
    assert run["state"] == "done" and run["seconds"] > 0 and run["peak_mb"] > 0
    assert run["code"].startswith("linegate ") and len(run["revision"]) == 64
    assert run["params"]["steps"] == 60
    assert "spots-1" in workshop("runs", "--run", "spots-1").output


def test_same_seed_gives_the_same_bundle(
    workshop: Workshop, parts: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    train(workshop, parts, tiny_backbone)
    train(workshop, parts, tiny_backbone)
    for run, name in (("spots-1", "one"), ("spots-2", "two"), ("spots-1", "again")):
        workshop("release", "--run", run, "--to", tmp_path / name)
    one, two, again = (tmp_path / name for name in ("one", "two", "again"))
    assert (one / "model.onnx").read_bytes() == (two / "model.onnx").read_bytes()
    for file in one.rglob("*.*"):
        if file.name not in ("manifest.json", "card.md"):  # these name the folder they went to
            assert file.read_bytes() == (again / file.relative_to(one)).read_bytes()


def test_near_copy_in_the_exam_is_named(
    workshop: Workshop, parts: Path, tiny_backbone: Path
) -> None:
    image = cv2.imread(str(parts / "images/000.png"), cv2.IMREAD_GRAYSCALE)
    for n in range(3, 120, 3):  # every other defect is a slightly brighter copy of the first
        cv2.imwrite(str(parts / f"images/{n:03}.png"), np.clip(image + n % 7, 0, 254))
    workshop("import", parts, "--name", "spots", "--drop-copies")
    workshop("split", "--data", "spots")
    result = workshop("train", "--data", "spots", "--backbone", tiny_backbone, code=1)
    assert "near-copies of training pictures" in result.output


def test_too_few_defects_are_refused(workshop: Workshop, parts: Path, tiny_backbone: Path) -> None:
    lines = (parts / "parts.csv").read_text().splitlines()
    few = [lines[0], *(line for n, line in enumerate(lines[1:]) if n % 3 or n < 18)]
    (parts / "few.csv").write_text("\n".join(few))
    workshop("import", parts / "few.csv", "--name", "few")
    workshop("split", "--data", "few")
    result = workshop("train", "--data", "few", "--backbone", tiny_backbone, code=1)
    assert "4 defective and 48 good pictures to train on" in result.output
    assert "failed" in workshop("runs").output


def test_wrong_names_are_answered_with_the_right_ones(workshop: Workshop, parts: Path) -> None:
    workshop("import", parts, "--name", "spots")
    assert "there is spots" in workshop("train", "--data", "spot", code=1).output
    assert "no run 'spots-9'" in workshop("evaluate", "--run", "spots-9", code=1).output
    assert "no labelled pictures" in workshop("train", "--data", "spots", code=1).output
    assert (
        "adds up to 90"
        in workshop("split", "--data", "spots", "--shares", "60/20/10", code=2).output
    )


def test_thresholds_are_set_anew_for_another_risk(
    workshop: Workshop, parts: Path, tiny_backbone: Path
) -> None:
    before = train(workshop, parts, tiny_backbone)["thresholds"]
    assert before["guarantee"] is None
    workshop("evaluate", "--run", "spots-1")
    words = ("calibrate", "--run", "spots-1", "--alpha", 0.4, "--json")
    after = answer(workshop(*words))["thresholds"]
    assert after["guarantee"]["alpha"] == 0.4 and after["guarantee"]["n_defects"] == 8
    (run,) = answer(workshop("runs", "--json"))["runs"]
    assert run["results"]["thresholds"] == after
    assert run["results"]["calibrated_by"].endswith("calibrate --run spots-1 --alpha 0.4")
    assert not any(name.startswith("evaluation") for name in run["results"])


def test_split_that_came_with_the_data_is_kept(workshop: Workshop, parts: Path) -> None:
    rows = "".join(
        f"images/{n:03}.png,{n % 3 == 0:d},{'val' if n % 2 else 'train'}\n" for n in range(120)
    )
    (parts / "list.csv").write_text("path,label,split\n" + rows)
    workshop("import", parts / "list.csv", "--name", "own")
    kept = answer(workshop("split", "--data", "own", "--json"))
    assert kept["kept"] and kept["test"] == {"good": 0, "defect": 0, "ambiguous": 0}
    again = answer(workshop("split", "--data", "own", "--again", "--json"))
    assert not again["kept"] and again["test"] == {"good": 16, "defect": 8, "ambiguous": 0}
    assert again["revision"] != kept["revision"]


def test_data_set_of_another_content_is_not_overwritten(workshop: Workshop, parts: Path) -> None:
    workshop("import", parts, "--name", "spots")
    workshop("import", parts, "--name", "spots")  # the same again is fine
    (parts / "less.csv").write_text("path\nimages/001.png\n")
    result = workshop("import", parts / "less.csv", "--name", "spots", code=1)
    assert "with other content exists" in result.output
    workshop("import", parts / "less.csv", "--name", "spots", "--replace")


def test_run_is_not_judged_on_a_split_that_moved(
    workshop: Workshop, parts: Path, tiny_backbone: Path
) -> None:
    train(workshop, parts, tiny_backbone)
    workshop("split", "--data", "spots", "--again", "--seed", 5)
    result = workshop("evaluate", "--run", "spots-1", code=1)
    assert "has changed since run spots-1" in result.output


def test_release_into_a_foreign_folder_is_refused(
    workshop: Workshop, parts: Path, tiny_backbone: Path
) -> None:
    train(workshop, parts, tiny_backbone)
    result = workshop("release", "--run", "spots-1", "--to", parts, code=1)
    assert "holds something else than a bundle" in result.output
    assert (parts / "parts.csv").exists()


def test_thresholds_of_one_domain_make_a_bundle_of_their_own(
    workshop: Workshop, parts: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    rows = (parts / "parts.csv").read_text().splitlines()
    lots = [row + (",domain" if n == 0 else f",lot{n % 2}") for n, row in enumerate(rows)]
    (parts / "parts.csv").write_text("\n".join(lots))
    trained = train(workshop, parts, tiny_backbone)
    assert trained["parity"]["flips"] is not None and trained["parity"]["measured_on"]
    workshop("calibrate", "--run", "spots-1", "--domain", "lot1", "--alpha", 0.6)
    told = workshop("evaluate", "--run", "spots-1").output
    assert "on test of spots, parts of lot1 alone:" in told and "backbone" in told
    one = answer(workshop("evaluate", "--run", "spots-1", "--json"))
    assert one["domain"] == "lot1" and one["n_good"] + one["n_defect"] == one["parity"]["n"]
    assert one["parity"]["auroc_int8"] == one["auroc"]
    workshop("release", "--run", "spots-1", "--to", tmp_path / "lot1")
    manifest = parse_manifest((tmp_path / "lot1" / "manifest.json").read_text(), "manifest.json")
    assert manifest.label == "spots-lot1-1" and manifest.thresholds.domain == "lot1"
    card = (tmp_path / "lot1" / "card.md").read_text()
    assert "For parts of the domain **lot1**, and for no others." in card
    assert "on test of spots, domain lot1: escapes" in card
    assert "| spot | " in card and "for any processor" in card
    result = answer(workshop("runs", "--run", "spots-1", "--layers", "--json"))
    assert {layer["name"] for layer in result["layers"]} >= {"map0", "fine", "coarse"}


def test_thresholds_for_new_light_come_from_new_good_pictures(
    workshop: Workshop, parts: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    train(workshop, parts, tiny_backbone)
    lines = ["path,label,split"]
    for n in range(1, 120, 3):
        image = cv2.imread(str(parts / f"images/{n:03}.png"), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(parts / f"june{n}.png"), np.clip(image.astype(int) + 9, 0, 255))
        lines.append(f"june{n}.png,0,val")
    (parts / "june.csv").write_text("\n".join(lines))
    workshop("import", parts / "june.csv", "--name", "june")
    words = ("calibrate", "--run", "spots-1", "--json")
    result = answer(workshop(*words, "--data", "june"))
    assert "59 more are needed" in result["thresholds"]["no_guarantee"]
    assert result["shares"]["escapes"]["value"] is None
    assert result["shares"]["review"]["value"] <= 0.05
    bundle = tmp_path / "june"
    workshop("release", "--run", "spots-1", "--to", bundle)
    manifest = parse_manifest((bundle / "manifest.json").read_text(), "manifest.json")
    assert "Set on the val split of the data set june " in (bundle / "card.md").read_text()
    answer(workshop(*words))
    workshop("release", "--run", "spots-1", "--to", bundle)
    again = parse_manifest((bundle / "manifest.json").read_text(), "manifest.json")
    assert manifest.reference["mean_mean"] > again.reference["mean_mean"] + 5
    workshop("import", parts, "--name", "same")
    workshop("split", "--data", "same", "--shares", "0/100/0")
    told = workshop("calibrate", "--run", "spots-1", "--data", "same", code=1).output
    assert "was trained on 72 of these pictures" in told
    told = workshop("evaluate", "--run", "spots-1", "--data", "same", "--split", "val", code=1)
    assert "an exam needs pictures that it never saw" in told.output
