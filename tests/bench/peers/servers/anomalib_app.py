"""anomalib's PatchCore through its own inferencer: random weights take the time of trained ones.

It has no server: the leanest one stands before it, which adds less than a hundredth.
"""

import os
import struct
from importlib.metadata import version
from tempfile import TemporaryDirectory

os.environ["TRUST_REMOTE_CODE"] = "1"  # of the file that it writes itself, below

import numpy as np
import onnxruntime as ort
import torch

if torch.version.cuda is None and "+cpu" not in version("torchvision"):
    # Beside torch for the CPU, torchvision's usual wheel lacks what it looks for when it is
    # imported. Nothing here calls it.
    lacking = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        lacking.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from anomalib.deploy import TorchInferencer
from anomalib.models import Patchcore
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BANK, FEATURES = 2048, 384  # patches kept, numbers of each from the two layers

torch.set_num_threads(1)
torch.manual_seed(1)


def opened() -> TorchInferencer:
    model = Patchcore(backbone="resnet18", layers=["layer2", "layer3"], pre_trained=False)
    bank = torch.nn.functional.normalize(torch.randn(BANK, FEATURES), dim=1)
    model.model.memory_bank = bank
    with TemporaryDirectory() as folder:
        return TorchInferencer(path=model.to_torch(folder), device="cpu")


inferencer = opened()
_, *shape = ort.InferenceSession(os.environ["MODEL"]).get_inputs()[0].shape


async def predict(request: Request) -> Response:
    pixels = np.frombuffer(await request.body(), np.uint8).reshape(shape)
    colour = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float().expand(3, -1, -1) / 255
    return Response(struct.pack("<f", float(inferencer.predict(colour).pred_score)))


app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
