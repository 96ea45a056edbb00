"""One model in ONNX Runtime: from bytes, never from a path; one thread, no spinning.

The server's workers use it, and so does whoever wants the same numbers in-process (explain).
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.core.errors import ModelRefused, PredictorUnavailable
from edge.core.manifest import Manifest, check_face
from edge.core.runtime import ort
from edge.predict.answer import Input, Outputs, output_names
from edge.predict.onnx_check import check_onnx

ort.set_default_logger_severity(4)  # what fails is raised; it need not be printed, too


class ModelSession:
    """A model ready to answer. `run` may be called from several threads at once."""

    def __init__(self, model: bytes, manifest: Manifest, threads: int = 1) -> None:
        """Raises ModelRefused if the file is unsafe, unsound, or has not the manifest's face.

        It may also crash or take all memory: a file that this box has not yet seen belongs into
        probation (probation.py) first.
        """
        check_onnx(model)
        self.manifest = manifest
        self._session = _open(model, _options(threads))
        inputs = _tensors(self._session.get_inputs())
        check_face(manifest.face, inputs, _tensors(self._session.get_outputs()))
        self._names = output_names(manifest.face)

    def run(self, image: Input) -> Outputs:
        """All outputs by name for one uint8 image [1, H, W, C], as the model gave them.

        Raises PredictorUnavailable if ONNX Runtime fails (usually for want of memory).
        """
        try:
            outputs = self._session.run(self._names, {"image": image})
        except Exception as error:  # ONNX Runtime's errors share no other base
            raise PredictorUnavailable(f"model {self.manifest.label}: {_short(error)}") from error
        return dict(zip(self._names, outputs, strict=True))

    def score(self, image: Input) -> float:
        """The score alone, unjudged."""
        score: NDArray[np.float32] = self.run(image)["score"]
        return float(score[0])


def _open(model: bytes, options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no other base
        raise ModelRefused(f"ONNX Runtime refuses the model: {_short(error)}") from error


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _tensors(described: list[Any]) -> Mapping[str, tuple[str, list[int | str | None]]]:
    return {tensor.name: (tensor.type, tensor.shape) for tensor in described}


def _short(error: Exception) -> str:
    """ONNX Runtime's words without its source files and C++ signatures."""
    text = re.sub(r"/\S+\.cc:\d+ .*?\) ", "", " ".join(str(error).split()))
    return text.removeprefix("[ONNXRuntimeError] : ")[:300] or type(error).__name__
