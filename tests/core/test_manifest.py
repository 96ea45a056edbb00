"""A model's card is read whole or refused with the field that is wrong; its face is checked."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.errors import ModelRefused
from edge.core.manifest import Face, Guarantee, Manifest, Thresholds, check_face, parse_manifest

CONTRACT = Path(__file__).parents[1] / "contracts" / "manifest.v1.json"
SAMPLE, GOOD_ONLY = json.loads(CONTRACT.read_text())


def changed(path: str, value: object) -> str:
    """The sample's text with one field set; `...` removes it."""
    values: Any = deepcopy(SAMPLE)
    *folders, last = path.split(".")
    place = values
    for folder in folders:
        place = place[int(folder)] if folder.isdigit() else place[folder]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(values)


def test_manifest_is_read_whole() -> None:
    manifest = parse_manifest(json.dumps(SAMPLE), "bundle")
    assert manifest.label == "cap-3"
    assert manifest.thresholds.guarantee is not None
    assert manifest.thresholds.guarantee.n_defects == 473
    assert parse_manifest(manifest.model_dump_json(), "bundle") == manifest


def test_manifest_without_any_defect_says_what_it_knows() -> None:
    """Of good parts, of one domain, and nothing of AUROC."""
    manifest = parse_manifest(json.dumps(GOOD_ONLY), "bundle")
    assert manifest.thresholds.domain == "grey" and manifest.thresholds.guarantee is None
    assert manifest.thresholds.false_rejects is not None
    assert manifest.parity.auroc_int8 is None and manifest.parity.flips == 2
    assert parse_manifest(manifest.model_dump_json(), "bundle") == manifest


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("name", "../cap", "name"),
        ("name", ..., "name"),
        ("version", 0, "version"),
        ("sha256", "abc", "sha256"),
        ("learner", "magic", "learner"),
        ("v", 2, "v"),
        ("extra", 1, "extra"),
        ("face.colour", "bgr", "face.colour"),
        ("face.height_px", 4096, "face.height_px"),
        ("face.surprise", 1, "face.surprise"),
        ("thresholds.pass_below", ..., "thresholds.pass_below"),
        ("thresholds.pass_below", 0.9, "thresholds"),
        ("thresholds.pass_below", -0.1, "thresholds.pass_below"),
        ("thresholds.guarantee", None, "thresholds"),
        ("thresholds.no_guarantee", "none", "thresholds"),
        ("thresholds.guarantee.alpha", 0.0, "thresholds.guarantee.alpha"),
        ("golden.0.file", "golden/../../etc/passwd.png", "golden.0.file"),
        ("golden.0.file", "/golden/0.png", "golden.0.file"),
        ("golden.1.label", 2, "golden.1.label"),
        ("parity.golden_tolerance", 0, "parity.golden_tolerance"),
        ("provenance.made_at", "2026-03-01T06:30:00", "provenance.made_at"),
    ],
)
def test_wrong_field_is_refused_by_name(path: str, value: object, named: str) -> None:
    with pytest.raises(ModelRefused, match=rf"^bundle: {named}: "):
        parse_manifest(changed(path, value), "bundle")


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(ModelRefused, match=r"^here: "):
        parse_manifest(text, "here")


def test_nothing_that_changes_an_answer_has_a_default() -> None:
    """Size, colour order and cuts travel with the weights."""
    for kind, fields in (
        (Face, ("height_px", "width_px", "colour", "heatmap", "embedding")),
        (Thresholds, ("pass_below", "rework_from")),
        (Guarantee, tuple(Guarantee.model_fields)),
        (Manifest, ("name", "version", "sha256", "face", "thresholds", "parity", "golden")),
    ):
        for field in fields:
            assert kind.model_fields[field].is_required(), f"{kind.__name__}.{field}"


# ---- the face ----

FACE = Face(height_px=64, width_px=96, colour="rgb", heatmap=(4, 6), embedding=32)
INPUTS = {"image": ("tensor(uint8)", [1, 64, 96, 3])}
OUTPUTS = {
    "score": ("tensor(float)", [1]),
    "heatmap": ("tensor(float)", [1, 4, 6]),
    "embedding": ("tensor(float)", [1, 32]),
}


def test_grey_face_has_one_channel() -> None:
    assert FACE.input_shape == (1, 64, 96, 3)
    assert FACE.model_copy(update={"colour": "grey"}).input_shape == (1, 64, 96, 1)


def test_graph_of_this_face_is_taken() -> None:
    check_face(FACE, INPUTS, OUTPUTS)
    named = FACE.model_copy(update={"classes": ("scratch", "dent")})
    check_face(named, INPUTS, {**OUTPUTS, "classes": ("tensor(float)", [1, 2])})


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ({}, OUTPUTS, "inputs are"),
        ({**INPUTS, "threshold": ("tensor(float)", [1])}, OUTPUTS, "inputs are"),
        ({"image": ("tensor(float)", [1, 64, 96, 3])}, OUTPUTS, "input image is tensor.float"),
        ({"image": ("tensor(uint8)", [1, 3, 64, 96])}, OUTPUTS, "input image is"),
        ({"image": ("tensor(uint8)", ["N", 64, 96, 3])}, OUTPUTS, "input image is"),
        ({"image": ("tensor(uint8)", [None, 64, 96, 3])}, OUTPUTS, "input image is"),
        (INPUTS, {**OUTPUTS, "classes": ("tensor(float)", [1, 2])}, "outputs are"),
        (INPUTS, {k: v for k, v in OUTPUTS.items() if k != "score"}, "outputs are"),
        (INPUTS, {**OUTPUTS, "score": ("tensor(double)", [1])}, "output score is"),
        (INPUTS, {**OUTPUTS, "score": ("tensor(float)", [1, 1])}, "output score is"),
        (INPUTS, {**OUTPUTS, "heatmap": ("tensor(float)", [1, 6, 4])}, "output heatmap is"),
    ],
)
def test_graph_of_another_face_is_refused(inputs: Any, outputs: Any, said: str) -> None:
    with pytest.raises(ModelRefused, match=said):
        check_face(FACE, inputs, outputs)
