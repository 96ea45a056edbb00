"""OpenVINO beside ONNX Runtime on the shipped model, one thread each: time, and the same scores?

It is no dependency (docs/decisions/0151): `pip install openvino`, then
`pytest tests/bench/test_openvino.py -s` on the box in question.
"""

import importlib.metadata
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.predict.bundle import read_bundle
from edge.predict.golden import read_golden
from edge.predict.session import ModelSession

openvino = pytest.importorskip("openvino", reason="pip install openvino to compare it")

DEMO = Path(__file__).parents[2] / "models" / "demo"
ROUNDS = 300
PRECISIONS = {"float32": {"INFERENCE_PRECISION_HINT": "f32"}, "as it likes": {}}


def openvino_score(model: bytes, precision: dict[str, str]) -> Callable[[np.ndarray], float]:
    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    compiled = core.compile_model(core.read_model(model, b""), "CPU", settings | precision)
    request = compiled.create_infer_request()

    def score(image: np.ndarray) -> float:
        request.set_input_tensor(openvino.Tensor(image, shared_memory=True))
        request.infer()
        return float(request.get_tensor("score").data[0])

    return score


def test_openvino_agrees_within_the_models_tolerance() -> None:
    bundle = read_bundle(DEMO)
    golden = read_golden(bundle)
    ways = {"ONNX Runtime": ModelSession(bundle.model, bundle.manifest).score}
    for name, precision in PRECISIONS.items():
        ways[f"OpenVINO, {name}"] = openvino_score(bundle.model, precision)
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for n in range(ROUNDS):  # interleaved: what else the machine does hits all alike
        for name, score in ways.items():
            began = time.perf_counter()
            score(golden[n % len(golden)][0])
            spent[name].append((time.perf_counter() - began) * 1000)
    print(f"\nopenvino {importlib.metadata.version('openvino')}; ms: least, p50; score change")
    for name, score in ways.items():
        change = max(abs(score(image) - wanted) for image, wanted in golden)
        print(f"{name:24} {min(spent[name]):6.2f} {np.median(spent[name]):6.2f}   {change:.6f}")
        assert change <= bundle.manifest.parity.golden_tolerance
