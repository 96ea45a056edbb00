"""LitServe reads JSON or forms only: base64."""

import os
from typing import Any

import litserve
from model import Onnx


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.onnx = Onnx()

    def decode_request(self, request: dict[str, str]) -> str:
        return request["image"]

    def predict(self, x: str) -> str:
        return self.onnx.base64(x)

    def encode_response(self, output: str) -> dict[str, Any]:
        return {"outputs": output}


if __name__ == "__main__":
    litserve.LitServer(Api(), accelerator="cpu", timeout=30).run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        generate_client_file=False,
        log_level="warning",
    )
