"""What every learner returns: the file for the box, its float twin, and what they are built on."""

from dataclasses import dataclass

from onnx import ModelProto

from trainer.learn import fuse
from trainer.learn.backbone import Backbone
from trainer.learn.quantize import float_twin
from trainer.learn.tails import Tails


@dataclass(frozen=True, slots=True)
class Trained:
    int8: bytes
    float32: bytes
    backbone: Backbone
    about: str  # what was learnt from what, for people


def finish(net: ModelProto, backbone: Backbone, tails: Tails, about: str) -> Trained:
    """Fuse the tails with the int8 `net` and with the float backbone."""
    files = (fuse.fuse(front, backbone, tails) for front in (net, float_twin(backbone)))
    int8, float32 = (file.SerializeToString(deterministic=True) for file in files)
    return Trained(int8, float32, backbone, about)
