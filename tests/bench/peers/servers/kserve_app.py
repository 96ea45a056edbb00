"""KServe's Python server."""

import os

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from model import Onnx


class Served(Model):
    def __init__(self) -> None:
        super().__init__("m")
        self.onnx = Onnx()
        self.ready = True

    def predict(self, payload: InferRequest, headers=None, response_headers=None) -> InferResponse:
        outputs = []
        for name, array in self.onnx.outputs(payload.inputs[0].as_numpy()).items():
            output = InferOutput(name=name, shape=list(array.shape), datatype="FP32")
            output.set_data_from_numpy(array, binary_data=bool(payload.use_binary_outputs))
            outputs.append(output)
        return InferResponse(response_id="", model_name=self.name, infer_outputs=outputs)


if __name__ == "__main__":
    ports = {"http_port": int(os.environ["PORT"]), "grpc_port": int(os.environ["PORT2"])}
    ModelServer(**ports, workers=1).start([Served()])
