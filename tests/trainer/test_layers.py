"""Which layers of an int8 net lose most, on a net of three."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from edge.core.errors import LinegateError
from trainer.learn import backbone, layers
from trainer.learn.backbone import Backbone
from trainer.learn.quantize import float_twin, quantize

pytestmark = pytest.mark.torch


@pytest.fixture
def net(tiny_backbone: Path) -> Backbone:
    return backbone.load(tiny_backbone)


def pictures(n: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (1, 64, 64, 1), np.uint8) for _ in range(n)]


def compare(net: Backbone, int8: onnx.ModelProto) -> list[layers.Layer]:
    twin = float_twin(net)
    return layers.compare(int8.SerializeToString(), twin.SerializeToString(), pictures(3, seed=1))


def test_every_quantised_map_is_judged_worst_first(net: Backbone) -> None:
    found = compare(net, quantize(net, pictures(10), full_range=False))
    assert {layer.name for layer in found} >= {"map0", "fine", "coarse"}
    added = [layer.added for layer in found]
    assert added == sorted(added, reverse=True)
    for layer in [layer for layer in found if layer.made_by == "Conv"]:
        assert 20 < layer.after_db < 60  # seven bits of weights
        assert layer.after_db < layer.rounding_db < 70  # eight bits of maps


def test_spoilt_layer_stands_at_the_top(net: Backbone) -> None:
    """Weights of the second layer, with half of their bits gone."""
    int8 = quantize(net, pictures(10), full_range=False)
    clean = {layer.name: layer for layer in compare(net, int8)}
    for constant in int8.graph.initializer:
        if constant.name == "w1_quantized":
            coarse = onnx.numpy_helper.to_array(constant) // 16 * 16
            constant.CopyFrom(onnx.numpy_helper.from_array(coarse, constant.name))
    worst = compare(net, int8)[0]
    assert worst.name == "fine"
    assert worst.after_db < clean[worst.name].after_db - 10


def test_rounding_alone_is_that_of_the_grid() -> None:
    """A map of whole steps loses nothing; a uniform one 1/12 of a step squared: 6 dB a bit."""
    grid = layers._Map("x", "y", onnx.NodeProto(), scale=1 / 255, zero_point=0)
    steps = np.arange(256, dtype=np.float32) / np.float32(255)
    assert np.allclose(grid.round(steps), steps, atol=1e-7)
    values = np.random.default_rng(0).random(100_000).astype(np.float32)
    noise = np.square(values - grid.round(values), dtype=np.float64).mean()
    assert noise == pytest.approx((1 / 255) ** 2 / 12, rel=0.02)


def test_files_of_two_nets_are_not_compared(net: Backbone) -> None:
    int8 = quantize(net, pictures(4), full_range=False)
    twin = float_twin(net)
    for node in twin.graph.node:
        node.input[:] = [f"other_{name}" for name in node.input]
        node.output[:] = [f"other_{name}" for name in node.output]
    with pytest.raises(LinegateError, match="no map in common"):
        layers.compare(int8.SerializeToString(), twin.SerializeToString(), pictures(1))
