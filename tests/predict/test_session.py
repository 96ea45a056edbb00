import os
import subprocess
import sys

import numpy as np
import pytest
from bundles import make_bundle, picture, raw_run

from edge.core.errors import BadPrediction, ModelRefused, PredictorUnavailable
from edge.core.manifest import Face
from edge.predict.answer import judge
from edge.predict.bundle import read_bundle
from edge.predict.session import ModelSession


def _session(folder) -> ModelSession:
    bundle = read_bundle(folder)
    return ModelSession(bundle.model, bundle.manifest)


@pytest.mark.parametrize("brightness", [0.0, 0.3, 1.0])
def test_session_gives_the_numbers_of_plain_onnx_runtime(toy_folder, brightness):
    session = _session(toy_folder)
    image = picture(session.manifest.face, brightness)
    outputs, plain = session.run(image), raw_run(toy_folder, image)
    assert set(outputs) == set(plain)
    assert all(np.array_equal(outputs[name], plain[name]) for name in plain)
    assert session.score(image) == plain["score"][0]


def test_classes_are_an_output_only_where_the_face_has_them(tmp_path):
    manifest = make_bundle(tmp_path / "a", classes=("scratch", "dent"))
    outputs = _session(tmp_path / "a").run(picture(manifest.face, 0.5))
    assert outputs["classes"].shape == (1, 2)


def test_model_with_another_face_than_its_manifest_is_refused(tmp_path):
    make_bundle(tmp_path / "a", kind="wrong_shape")
    with pytest.raises(ModelRefused, match="heatmap"):
        _session(tmp_path / "a")


def test_file_that_is_protobuf_but_no_sound_model_is_refused(toy_folder):
    bundle = read_bundle(toy_folder)
    unsound = bundle.model.replace(b"AveragePool", b"AveragePoll")
    with pytest.raises(ModelRefused, match="ONNX Runtime refuses"):
        ModelSession(unsound, bundle.manifest)


def test_wrong_input_is_an_error_of_ours_not_of_onnx_runtime(toy_folder):
    with pytest.raises(PredictorUnavailable, match="toy-1"):
        _session(toy_folder).run(np.zeros((1, 2, 2, 3), np.uint8))


FACE = Face(height_px=64, width_px=64, colour="rgb", heatmap=(2, 3), embedding=4)


def _outputs(**changes):
    sound = {
        "score": np.float32([0.5]),
        "heatmap": np.zeros((1, 2, 3), np.float32),
        "embedding": np.zeros((1, 4), np.float32),
    }
    return {key: value for key, value in (sound | changes).items() if value is not None}


def test_sound_outputs_are_taken():
    score, heatmap, embedding = judge(_outputs(), FACE)
    assert (score, heatmap.shape, embedding.shape) == (0.5, (2, 3), (4,))


@pytest.mark.parametrize(
    "change",
    [
        {"score": np.float32([np.nan])},
        {"score": np.float32([-0.01])},
        {"score": np.float32([1.01])},
        {"score": np.float32([np.inf])},
        {"score": np.float32([0.5, 0.5])},
        {"score": np.float64([0.5])},
        {"score": None},
        {"heatmap": np.full((1, 2, 3), np.nan, np.float32)},
        {"heatmap": np.full((1, 2, 3), 1.5, np.float32)},
        {"heatmap": np.zeros((1, 0, 3), np.float32)},
        {"heatmap": np.zeros((1, 3, 2), np.float32)},
        {"heatmap": np.zeros((2, 3), np.float32)},
        {"embedding": np.full((1, 4), np.inf, np.float32)},
        {"embedding": np.zeros((1, 5), np.float32)},
        {"embedding": None},
    ],
)
def test_unsound_outputs_are_not_believed(change):
    with pytest.raises(BadPrediction):
        judge(_outputs(**change), FACE)


def test_onnx_runtime_leaves_nothing_in_the_home_and_calls_nobody(tmp_path, toy_folder):
    """Its official builds report to their maker unless edge.core.runtime is the door."""
    code = (
        "from pathlib import Path; import psutil\n"
        "from edge.predict.bundle import read_bundle\n"
        "from edge.predict.session import ModelSession\n"
        f"bundle = read_bundle(Path({str(toy_folder)!r}))\n"
        "ModelSession(bundle.model, bundle.manifest)\n"
        "print(psutil.Process().net_connections())\n"
    )
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
