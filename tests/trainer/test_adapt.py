"""A backbone for another size and for grey pictures: the same numbers where both can look."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.core.errors import LinegateError
from trainer.learn import adapt, backbone
from trainer.learn.backbone import Backbone, fresh_model


def answers(net: Backbone, image: np.ndarray) -> list[np.ndarray]:
    return ort.InferenceSession(net.model.SerializeToString()).run(None, {"image": image})


def colour_net() -> Backbone:
    """Two strided convolutions of random weights on three channels."""
    rng, nodes, weights, name, before = np.random.default_rng(0), [], [], "image", 3
    for n, (channels, stride) in enumerate(((8, 8), (12, 2))):
        kernel = rng.normal(0, 0.1, (channels, before, stride, stride)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w{n}"))
        nodes.append(helper.make_node("Conv", [name, f"w{n}"], [f"m{n}"], strides=[stride] * 2))
        name, before = f"m{n}", channels
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])
    last = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 12, 4, 4])
    graph = helper.make_graph(nodes, "colour", [image], [last], weights)
    return backbone.cut(fresh_model(graph), "colour")


def test_resized_net_gives_the_same_map_for_the_same_place(tiny_backbone: Path) -> None:
    net = backbone.load(tiny_backbone)
    wide = adapt.resized(net, 96, 64)
    assert (wide.width_px, wide.height_px) == (96, 64)
    assert wide.shape("coarse")[1:] == (4, 6)
    image = np.random.default_rng(1).normal(0, 1, (1, 1, 64, 96)).astype(np.float32)
    for small, large in zip(answers(net, image[..., :64]), answers(wide, image), strict=True):
        assert np.array_equal(small, large[..., : small.shape[3]])


def test_net_for_one_channel_answers_to_grey_as_the_colour_net() -> None:
    net = colour_net()
    single = adapt.grey(net)
    assert single.channels == 1 and single.face.colour == "grey" and net.channels == 3
    image = np.random.default_rng(1).normal(0, 1, (1, 1, 64, 64)).astype(np.float32)
    for one, three in zip(
        answers(single, image), answers(net, image.repeat(3, axis=1)), strict=True
    ):
        assert np.allclose(one, three, atol=1e-5)


def test_grey_net_stays_as_it_is(tiny_backbone: Path) -> None:
    net = backbone.load(tiny_backbone)
    assert adapt.grey(net) is net


@pytest.mark.parametrize("size", [(100, 64), (64, 40)])
def test_size_that_does_not_divide_is_refused(tiny_backbone: Path, size: tuple[int, int]) -> None:
    with pytest.raises(LinegateError, match="multiples of 16"):
        adapt.resized(backbone.load(tiny_backbone), *size)


def test_net_with_a_fixed_size_inside_says_so() -> None:
    net = colour_net()
    fixed = helper.make_node("Reshape", ["fine", "shape"], ["flat"])
    back = helper.make_node("Reshape", ["flat", "shape"], ["coarse"])
    shape = numpy_helper.from_array(np.asarray([1, 12, 4, 4]), "shape")
    for node in net.model.graph.node:
        node.output[:] = ["middle" if name == "coarse" else name for name in node.output]
    fixed.input[0] = "middle"
    net.model.graph.node.extend([fixed, back])
    net.model.graph.initializer.append(shape)
    with pytest.raises(LinegateError, match="cannot take 128x128"):
        adapt.resized(net, 128, 128)
