"""FastAPI as most people serve a model: bytes in, bytes out, the model in its thread pool."""

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from model import Onnx

onnx = Onnx()
app = FastAPI()


@app.post("/predict")
async def predict(request: Request) -> Response:
    outputs = await run_in_threadpool(onnx.raw, await request.body())
    return Response(outputs, media_type="application/octet-stream")
