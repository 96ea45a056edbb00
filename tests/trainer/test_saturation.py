"""Pair sums of int8 weights on processors that add them up in 16 bits."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from edge.core.errors import LinegateError
from trainer.learn import backbone, saturation
from trainer.learn.quantize import quantize

pytestmark = pytest.mark.torch

weight = st.integers(-128, 127)


@given(weight, weight)
def test_pair_is_unsafe_exactly_if_some_activation_overflows(first: int, second: int) -> None:
    extremes = np.array([[0, 0], [0, 255], [255, 0], [255, 255]], np.uint8)
    columns = np.array([[first], [second]], np.int8)
    exact = extremes.astype(int) @ columns.astype(int)
    cut_off = (saturation.product(extremes, columns) != exact).any()
    assert saturation.overflowing(columns).tolist() == [[cut_off]]


@pytest.mark.parametrize(
    ("first", "second", "unsafe"),
    [(64, 64, False), (64, 65, True), (127, -128, False), (-64, -64, False), (-65, -64, True)],
)
def test_seven_bits_are_safe_and_eight_are_not(first: int, second: int, unsafe: bool) -> None:
    assert saturation.overflowing(np.array([[first], [second]], np.int8)).item() == unsafe


@given(st.integers(0, 2**32 - 1))
def test_reduced_range_computes_the_exact_product(seed: int) -> None:
    rng = np.random.default_rng(seed)
    activations = rng.integers(0, 256, (3, 9), np.uint8)
    columns = rng.integers(-64, 65, (9, 4)).astype(np.int8)
    assert not saturation.overflowing(columns).any()
    exact = activations.astype(np.int32) @ columns.astype(np.int32)
    assert np.array_equal(saturation.product(activations, columns), exact)


def conv(weights: np.ndarray, group: int = 1) -> onnx.GraphProto:
    """A graph of one int8 convolution, as QDQ writes it."""
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["w_float"]),
        helper.make_node("Conv", ["x", "w_float"], ["y"], group=group),
    ]
    return helper.make_graph(nodes, "conv", [], [], [numpy_helper.from_array(weights, "w")])


def test_neighbours_are_input_channels_of_one_place() -> None:
    """(out 1, in 2, rows 1, columns 2): channels lie side by side, not places."""
    weights = np.array([[[[1, 2]], [[3, 4]]]], np.int8)
    (columns,) = saturation.matrices(conv(weights))
    assert columns[:, 0].tolist() == [1, 3, 2, 4]


def test_groups_are_products_of_their_own_and_depthwise_is_none() -> None:
    grouped = np.arange(16, dtype=np.int8).reshape(4, 2, 1, 2)
    assert [m.shape for m in saturation.matrices(conv(grouped, group=2))] == [(4, 2), (4, 2)]
    assert list(saturation.matrices(conv(np.full((4, 1, 3, 3), 127, np.int8), group=4))) == []


def test_model_for_any_processor_has_no_unsafe_pair(tiny_backbone: Path) -> None:
    net = backbone.load(tiny_backbone)
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (1, 64, 64, 1), np.uint8) for _ in range(4)]
    found = saturation.count(quantize(net, pictures, full_range=False))
    assert (
        found.may_saturate == 0
        and found.pairs == 8 * 6 + 12 * 8 + 16 * 12
        and found.target == "any"
    )
    full = quantize(net, pictures, full_range=True)
    found = saturation.count(full)
    assert found.may_saturate > 0 and found.target == "VNNI or Arm"
    with pytest.raises(LinegateError, match="weight pairs may saturate"):
        saturation.check(full, full_range=False)
