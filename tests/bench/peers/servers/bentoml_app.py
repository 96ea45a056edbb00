"""BentoML: base64 in its own JSON."""

import bentoml
from model import Onnx


@bentoml.service(workers=1)
class Model:
    def __init__(self) -> None:
        self.onnx = Onnx()

    @bentoml.api
    def predict(self, image: str) -> dict[str, str]:
        return {"outputs": self.onnx.base64(image)}
