"""Triton's own server with a model in Python, as PyTriton starts it."""

import os
from typing import Any

import numpy as np
from model import Onnx
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

onnx = Onnx()


def predict(requests: list[Any]) -> list[Any]:
    return [onnx.outputs(request["image"]) for request in requests]


if __name__ == "__main__":
    http, grpc, metrics = (int(os.environ[name]) for name in ("PORT", "PORT2", "PORT3"))
    with Triton(
        config=TritonConfig(http_port=http, grpc_port=grpc, metrics_port=metrics)
    ) as triton:
        triton.bind(
            model_name="m",
            infer_func=predict,
            inputs=[Tensor(name="image", dtype=np.uint8, shape=tuple(onnx.shape))],
            outputs=[
                Tensor(name=output.name, dtype=np.float32, shape=tuple(output.shape))
                for output in onnx.session.get_outputs()
            ],
            config=ModelConfig(batching=False),
        )
        triton.serve()
