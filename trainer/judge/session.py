"""Running a model file exactly as the box does: one thread, sequential, bytes in."""

import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.core.preprocess import Image
from edge.core.runtime import ort


def open_session(model: bytes, threads: int = 1) -> ort.InferenceSession:
    """An ONNX Runtime session on the CPU, from bytes, without spinning threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def runtime() -> str:
    """The runtime that a guarantee is bound to."""
    return f"onnxruntime {ort.__version__}"


def scores(model: bytes, inputs: Iterable[Image]) -> NDArray[np.float32]:
    """`score` of every input [1,H,W,C], shape (n,)."""
    session = open_session(model)
    found = [session.run(["score"], {"image": image})[0][0] for image in inputs]
    return np.asarray(found, dtype=np.float32)


def latency_ms(model: bytes, inputs: Sequence[Image], threads: int = 1, rounds: int = 200) -> float:
    """Median milliseconds of one inference, bytes to all outputs."""
    session = open_session(model, threads)
    taken = []
    for n in range(rounds + 10):
        begun = time.perf_counter_ns()
        session.run(None, {"image": inputs[n % len(inputs)]})
        taken.append(time.perf_counter_ns() - begun)
    return float(np.median(taken[10:])) / 1e6
