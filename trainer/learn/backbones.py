"""The backbones by name: ours, torchvision's, or any file."""

from pathlib import Path

from trainer.learn import adapt, backbone
from trainer.learn.backbone import Backbone
from trainer.shipped import OURS, TORCHVISION, backbone_file


def find(name: str, taps: tuple[str, str] | None = None) -> Backbone:
    """`ours`, `torchvision:NAME` or a path. Raises LinegateError if it cannot be had."""
    if name == OURS:
        return backbone.load(backbone_file(), taps)
    if name.startswith(TORCHVISION):
        from trainer.learn import torchvision_nets

        return torchvision_nets.load(name.removeprefix(TORCHVISION), taps)
    return backbone.load(Path(name), taps)


def fitted(net: Backbone, size_px: tuple[int, int] | None, grey: bool) -> Backbone:
    """Made to fit the size (width, height) and the colours that were asked for."""
    sized = net if size_px is None else adapt.resized(net, *size_px)
    return adapt.grey(sized) if grey else sized
