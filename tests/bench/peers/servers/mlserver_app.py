"""MLServer's own runtime for any model. Its REST has no binary tensors: base64, or numbers."""

import base64

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from model import Onnx


class Model(MLModel):
    async def load(self) -> bool:
        self.onnx = Onnx()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        tensor = payload.inputs[0]
        if tensor.datatype == "BYTES":
            image = np.frombuffer(base64.b64decode(tensor.data[0]), np.uint8)
        else:
            image = NumpyCodec.decode_input(tensor)
        outputs = self.onnx.outputs(image.reshape(self.onnx.shape))
        return InferenceResponse(
            model_name=self.name,
            outputs=[NumpyCodec.encode_output(name, array) for name, array in outputs.items()],
        )
