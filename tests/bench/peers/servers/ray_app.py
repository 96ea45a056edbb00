"""Ray Serve: one replica, bytes in, bytes out."""

import os
import time

import ray
from model import Onnx
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment
class Served:
    def __init__(self) -> None:
        self.onnx = Onnx()

    async def __call__(self, request: Request) -> Response:
        return Response(self.onnx.raw(await request.body()))


if __name__ == "__main__":
    ray.init(include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Served.bind(), route_prefix="/predict")
    while True:
        time.sleep(3600)
