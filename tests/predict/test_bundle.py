import json

import cv2
import numpy as np
import pytest
from bundles import make_bundle, picture, raw_run

from edge.core.errors import ModelRefused
from edge.core.manifest import MAX_MODEL_BYTES
from edge.predict.bundle import MAX_MANIFEST_BYTES, find_bundles, read_bundle
from edge.predict.golden import read_golden


def test_bundle_is_read_with_the_bytes_that_its_manifest_names(tmp_path):
    manifest = make_bundle(tmp_path / "a")
    bundle = read_bundle(tmp_path / "a")
    assert bundle.manifest == manifest
    assert bundle.model == (tmp_path / "a" / "model.onnx").read_bytes()


def test_exchanged_model_is_refused(tmp_path):
    make_bundle(tmp_path / "a")
    make_bundle(tmp_path / "b", kind="nan")
    (tmp_path / "b" / "model.onnx").replace(tmp_path / "a" / "model.onnx")
    with pytest.raises(ModelRefused, match="damaged or exchanged"):
        read_bundle(tmp_path / "a")


def test_missing_model_is_refused(tmp_path):
    make_bundle(tmp_path / "a")
    (tmp_path / "a" / "model.onnx").unlink()
    with pytest.raises(ModelRefused, match=r"model\.onnx: cannot be read: No such file"):
        read_bundle(tmp_path / "a")


@pytest.mark.parametrize(
    ("file", "size"), [("model.onnx", MAX_MODEL_BYTES), ("manifest.json", MAX_MANIFEST_BYTES)]
)
def test_oversized_file_is_refused_unread(tmp_path, file, size):
    make_bundle(tmp_path / "a")
    with (tmp_path / "a" / file).open("wb") as sparse:
        sparse.truncate(size + 1)
    with pytest.raises(ModelRefused, match="larger than"):
        read_bundle(tmp_path / "a")


def test_manifest_with_a_wrong_field_names_file_and_field(tmp_path):
    make_bundle(tmp_path / "a")
    path = tmp_path / "a" / "manifest.json"
    values = json.loads(path.read_text()) | {"version": 0}
    path.write_text(json.dumps(values))
    with pytest.raises(ModelRefused, match=r"manifest\.json: version"):
        read_bundle(tmp_path / "a")


def test_newest_version_of_each_name_is_found_and_broken_ones_are_reported(tmp_path):
    make_bundle(tmp_path / "toy-2", version=2)
    make_bundle(tmp_path / "toy-10", version=10)
    make_bundle(tmp_path / "other", name="other")
    make_bundle(tmp_path / ".incoming", name="hidden")
    (tmp_path / "no-bundle").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    shelf = find_bundles(tmp_path)
    found = {name: entry.manifest.version for name, entry in shelf.newest.items()}
    assert found == {"toy": 10, "other": 1}
    assert list(shelf.refused) == [tmp_path / "broken"]


def test_folder_that_is_a_bundle_itself_is_found(tmp_path):
    make_bundle(tmp_path / "toy-1")
    assert find_bundles(tmp_path / "toy-1").newest["toy"].folder == tmp_path / "toy-1"


def test_folder_that_is_not_there_holds_no_bundles(tmp_path):
    assert find_bundles(tmp_path / "nowhere").newest == {}


@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_golden_pictures_come_back_to_the_bit_and_score_as_written(tmp_path, colour):
    manifest = make_bundle(tmp_path / "a", colour=colour)
    golden = read_golden(read_bundle(tmp_path / "a"))
    assert len(golden) == len(manifest.golden) == 3
    for image, score in golden:
        assert image.shape == manifest.face.input_shape
        assert raw_run(tmp_path / "a", image)["score"][0] == pytest.approx(score, abs=1e-7)
    assert np.array_equal(golden[1][0], picture(manifest.face, 0.5))


def test_golden_picture_keeps_red_red(tmp_path):
    """The PNG's red is channel 0 of the input: a viewer and the model see the same colours."""
    make_bundle(tmp_path / "a")
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 2] = 255  # cv2 writes BGR
    cv2.imwrite(str(tmp_path / "a" / "golden" / "0.png"), red)
    image, _ = read_golden(read_bundle(tmp_path / "a"))[0]
    assert image[0, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("png", "why"),
    [
        (b"", "not a PNG"),
        (b"\xff\xd8\xff" + bytes(60), "not a PNG"),
        (cv2.imencode(".png", np.zeros((64, 64), np.uint8))[1].tobytes(), "asks for"),
        (cv2.imencode(".png", np.zeros((65, 64, 3), np.uint8))[1].tobytes(), "asks for"),
        (cv2.imencode(".png", np.zeros((64, 64, 3), np.uint16))[1].tobytes(), "asks for"),
        (cv2.imencode(".png", np.zeros((64, 64, 4), np.uint8))[1].tobytes(), "asks for"),
        (cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()[:40], "damaged"),
    ],
)
def test_golden_picture_of_another_kind_is_refused(tmp_path, png, why):
    make_bundle(tmp_path / "a")
    (tmp_path / "a" / "golden" / "0.png").write_bytes(png)
    with pytest.raises(ModelRefused, match=why):
        read_golden(read_bundle(tmp_path / "a"))
