"""Trials in real child processes: what they are for cannot be shown otherwise."""

import json
import signal
import threading
import time

import cv2
import numpy as np
import pytest
from bundles import make_bundle

from edge.core.errors import ModelRefused
from edge.predict.bundle import read_bundle
from edge.predict.probation import Probation, why_refused

MEMORY_BYTES = 600 * 1024 * 1024


def _try(folder, **limits):
    Probation(MEMORY_BYTES, **limits).test(read_bundle(folder))


def test_sound_bundle_passes(toy_folder):
    _try(toy_folder)


def test_model_that_asks_for_40_gb_is_refused(tmp_path):
    make_bundle(tmp_path / "b", kind="bomb")
    assert (tmp_path / "b" / "model.onnx").stat().st_size < 1000
    with pytest.raises(ModelRefused, match="allocate memory"):
        _try(tmp_path / "b")


def test_model_that_takes_too_long_is_refused(tmp_path):
    make_bundle(tmp_path / "b", kind="slow", slow_matmuls=400)
    with pytest.raises(ModelRefused, match=r"more than 0\.3 s"):
        _try(tmp_path / "b", wall_s=0.3)


def test_model_that_takes_too_much_processor_time_is_refused(tmp_path):
    make_bundle(tmp_path / "b", kind="slow", slow_matmuls=4000)
    with pytest.raises(ModelRefused, match="processor time"):
        _try(tmp_path / "b", cpu_s=1)


def test_model_that_scores_its_golden_set_otherwise_is_refused(tmp_path):
    make_bundle(tmp_path / "b")
    path = tmp_path / "b" / "manifest.json"
    values = json.loads(path.read_text())
    values["golden"][1]["score"] += 0.02
    path.write_text(json.dumps(values))
    with pytest.raises(ModelRefused, match=r"golden/1\.png scores 0\.50.. here, 0\.52"):
        _try(tmp_path / "b")


def test_model_that_is_nan_on_its_golden_set_is_refused(tmp_path):
    make_bundle(tmp_path / "b", kind="nan")
    white = np.full((64, 64, 3), 255, np.uint8)
    cv2.imwrite(str(tmp_path / "b" / "golden" / "0.png"), white)
    with pytest.raises(ModelRefused, match="score is nan"):
        _try(tmp_path / "b")


def test_bundle_exchanged_between_reading_and_trial_is_refused(tmp_path):
    make_bundle(tmp_path / "b")
    bundle = read_bundle(tmp_path / "b")
    make_bundle(tmp_path / "c", kind="beyond")
    for name in ("model.onnx", "manifest.json"):
        (tmp_path / "c" / name).replace(tmp_path / "b" / name)
    with pytest.raises(ModelRefused, match="changed during its trial"):
        Probation(MEMORY_BYTES).test(bundle)


def test_stopping_server_does_not_wait_for_a_trial(tmp_path):
    make_bundle(tmp_path / "b", kind="slow", slow_matmuls=4000)
    probation = Probation(MEMORY_BYTES)
    refused = []

    def trial():
        try:
            probation.test(read_bundle(tmp_path / "b"))
        except ModelRefused as error:
            refused.append(str(error))

    thread = threading.Thread(target=trial)
    thread.start()
    time.sleep(0.3)
    probation.stop()
    thread.join(10)
    assert refused == ["its trial was broken off: the server stops"]


@pytest.mark.parametrize(
    ("returncode", "said", "why"),
    [
        (0, "", None),
        (1, "heatmap is wrong\n", "heatmap is wrong"),
        (1, "", "its trial ended with exit code 1"),
        (-signal.SIGSEGV, "", "its trial crashed (SIGSEGV)"),
        (-signal.SIGABRT, "", "its trial crashed (SIGABRT)"),
        (-signal.SIGXCPU, "", "its trial took too much processor time"),
    ],
)
def test_every_end_of_a_trial_has_its_words(returncode, said, why):
    assert why_refused(returncode, said) == why
