"""The leanest that is still HTTP: one route, the model on the event loop."""

from model import Onnx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

onnx = Onnx()


async def predict(request: Request) -> Response:
    return Response(onnx.raw(await request.body()), media_type="application/octet-stream")


app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
