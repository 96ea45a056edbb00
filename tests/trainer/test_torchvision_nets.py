"""Nets of torchvision: the same answers to the same picture, though it comes in as ours do."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from edge.core.errors import LinegateError  # noqa: E402
from trainer import training  # noqa: E402
from trainer.judge.session import open_session  # noqa: E402
from trainer.learn import torchvision_nets  # noqa: E402

pytestmark = pytest.mark.torch


class Small(nn.Module):  # type: ignore[misc]
    """Strides 8 and 16, no padding at the rim, as torchvision's nets are built."""

    def __init__(self, bias: bool = False) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(3, 8, 8, 8, bias=bias), nn.BatchNorm2d(8), nn.ReLU6())
        self.coarse = nn.Sequential(nn.Conv2d(8, 12, 2, 2), nn.ReLU6())

    def forward(self, x):
        return self.coarse(self.fine(x))


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A torchvision that offers what the test puts here, as its models module does."""
    nets: dict[str, object] = {}

    def get_model(name: str, weights: object) -> nn.Module:
        net = nets[name]
        if isinstance(net, Exception):
            raise net
        return net

    models = types.SimpleNamespace(
        list_models=lambda module: list(nets),
        get_model=get_model,
        get_model_weights=lambda name: types.SimpleNamespace(
            DEFAULT=types.SimpleNamespace(url=f"https://example.org/{name}.pth")
        ),
    )
    monkeypatch.setitem(sys.modules, "torchvision", types.SimpleNamespace(models=models))
    return nets


@pytest.mark.parametrize("bias", [False, True])
def test_net_answers_as_before_to_pixels_that_come_in_as_ours(bias: bool, offered) -> None:
    torch.manual_seed(0)
    net = Small(bias).eval()
    pixels = torch.randint(0, 256, (1, 3, 224, 224)).float()
    mean = torch.tensor(torchvision_nets.MEAN).view(1, 3, 1, 1)
    deviation = torch.tensor(torchvision_nets.DEVIATION).view(1, 3, 1, 1)
    with torch.no_grad():
        wanted = net((pixels / 255 - mean) / deviation).numpy()
    offered["small"] = net
    backbone = torchvision_nets.load("small")
    assert backbone.name == "torchvision-small"
    session = open_session(backbone.model.SerializeToString())
    (coarse,) = session.run(["coarse"], {"image": ((pixels - 128) / 128).numpy()})
    assert np.abs(coarse - wanted).max() < 1e-4


def test_it_is_named_on_the_command_line(offered) -> None:
    offered["small"] = Small().eval()
    net = training.backbone(training.Options(backbone="torchvision:small", grey=True))
    assert (net.name, net.channels) == ("torchvision-small", 1)


def test_unknown_net_is_named(offered) -> None:
    with pytest.raises(LinegateError, match="no net 'mobilnet'"):
        torchvision_nets.load("mobilnet")


def test_missing_weights_are_said_with_the_way_round(offered) -> None:
    offered["small"] = OSError("no route to host")
    with pytest.raises(LinegateError, match=r"no route to host.*put https://example.org/small.pth"):
        torchvision_nets.load("small")


def test_missing_torchvision_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(LinegateError, match="needs torchvision"):
        torchvision_nets.load("mobilenet_v2")


def test_file_that_is_not_there_is_said(workshop, home: Path) -> None:
    result = workshop("train", "--data", "any", "--backbone", "nowhere.onnx", code=2)
    assert "nowhere.onnx" in result.output and "torchvision:NAME" in result.output
