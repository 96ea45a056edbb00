"""The model as every peer serves it: MODEL in one ONNX Runtime thread, with Linegate's options."""

import base64
import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray


def _open() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])


class Onnx:
    """Asked for one picture at a time; may be asked by several threads."""

    def __init__(self) -> None:
        self.session = _open()
        self.shape = self.session.get_inputs()[0].shape
        self.names = [output.name for output in self.session.get_outputs()]

    def outputs(self, image: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """By name."""
        return dict(zip(self.names, self.session.run(self.names, {"image": image}), strict=True))

    def raw(self, image: bytes) -> bytes:
        """All outputs, one after the other, of the bytes of a picture."""
        found = self.outputs(np.frombuffer(image, np.uint8).reshape(self.shape))
        return b"".join(found[name].tobytes() for name in self.names)

    def base64(self, image: str) -> str:
        """The same in text, for servers that take nothing but JSON."""
        return base64.b64encode(self.raw(base64.b64decode(image))).decode()
