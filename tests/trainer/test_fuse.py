"""The fused file against the tails by hand, on nets of a few layers."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from trainer.judge.session import open_session
from trainer.learn import backbone, features, fuse, memory
from trainer.learn.backbone import Backbone
from trainer.learn.head import HeadWeights
from trainer.learn.memory import Memory
from trainer.learn.quantize import float_twin, quantize
from trainer.learn.tails import Blend, Tails

pytestmark = pytest.mark.torch
BLEND = Blend(head_gain=0.7, memory_gain=1.3, offset=-2.0)


@pytest.fixture
def net(tiny_backbone: Path) -> Backbone:
    return backbone.load(tiny_backbone)


@pytest.fixture
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (1, 64, 64, 1), np.uint8) for _ in range(20)]


def head_for(net: Backbone, seed: int = 1) -> HeadWeights:
    rng = np.random.default_rng(seed)
    channels = 2 * net.shape("fine")[0] + net.shape("coarse")[0]

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.2, shape).astype(np.float32)

    return HeadWeights(
        mix=draw(8, channels, 1, 1),
        mix_bias=draw(8),
        near=draw(8, 1, 3, 3),
        near_bias=draw(8),
        patch=draw(1, 8, 1, 1),
        patch_bias=draw(1),
        whole=draw(1, 8),
        whole_bias=draw(1),
        top=2,
        reach=4.0,
    )


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    return open_session(model.SerializeToString())


def taps(front: onnx.ModelProto, net: Backbone, picture: np.ndarray) -> list[np.ndarray]:
    names = ["features", "coarse", *net.narrow]
    return [tap[0] for tap in session(front).run(names, {"image": picture})]


def memory_for(front: onnx.ModelProto, net: Backbone, pictures: list[np.ndarray]) -> Memory:
    maps = [features.stack_narrow(taps(front, net, p)[2:], net.face.heatmap) for p in pictures]
    return memory.fit(np.stack(maps), [net.shape(tap)[0] for tap in net.narrow], dims=6)


def by_hand(
    front: onnx.ModelProto, net: Backbone, tails: Tails, picture: np.ndarray
) -> tuple[np.ndarray, float]:
    """(heatmap, score) of a picture in plain numpy."""
    wide, _, *narrow = taps(front, net, picture)
    patches, odd = np.full(net.face.heatmap, BLEND.offset), BLEND.offset
    if tails.head is not None:
        logits, logit = head_by_hand(wide.transpose(1, 2, 0), tails.head)
        patches, odd = patches + BLEND.head_gain * logits, odd + BLEND.head_gain * logit
    if tails.memory is not None:
        maps = features.stack_narrow(narrow, net.face.heatmap)[None]
        distances = memory.distances(tails.memory, maps)[0]
        patches = patches + BLEND.memory_gain * distances
        odd += BLEND.memory_gain * float(np.sort(distances.ravel())[-tails.memory.top :].mean())
    return (1 + patches / (1 + abs(patches))) / 2, (1 + odd / (1 + abs(odd))) / 2


@pytest.mark.parametrize("kind", ["head", "memory", "both"])
@pytest.mark.parametrize("twin", [False, True])
def test_fused_file_has_the_face_and_the_tails_very_numbers(
    net: Backbone, pictures: list[np.ndarray], kind: str, twin: bool
) -> None:
    front = float_twin(net) if twin else quantize(net, pictures, full_range=False)
    tails = Tails(
        head=None if kind == "memory" else head_for(net),
        memory=None if kind == "head" else memory_for(front, net, pictures),
        blend=BLEND,
    )
    fused = session(fuse.fuse(front, net, tails))
    shapes = {o.name: o.shape for o in fused.get_outputs()}
    assert shapes == {"score": [1], "heatmap": [1, 4, 4], "embedding": [1, 12]}
    near = 1e-4 if twin or kind == "memory" else 0.02  # the int8 head, on a coarse grid
    for picture in pictures[:3]:
        score, heatmap, embedding = fused.run(None, {"image": picture})
        wanted_map, wanted_score = by_hand(front, net, tails, picture)
        assert heatmap[0] == pytest.approx(wanted_map, abs=near)
        assert score[0] == pytest.approx(wanted_score, abs=near)
        coarse = taps(front, net, picture)[1]
        assert embedding[0] == pytest.approx(coarse.mean(axis=(1, 2)), abs=1e-5)


def test_memory_alone_carries_no_features_of_the_head(
    net: Backbone, pictures: list[np.ndarray]
) -> None:
    front = quantize(net, pictures, full_range=False)
    tails = Tails(head=None, memory=memory_for(front, net, pictures), blend=BLEND)
    fused = fuse.fuse(front, net, tails)
    assert not {"fine_max", "features"} & {o for n in fused.graph.node for o in n.output}
    assert not [t.name for t in fused.graph.initializer if t.name.startswith("cells")]


def head_by_hand(stacked: np.ndarray, head: HeadWeights) -> tuple[np.ndarray, float]:
    """The head as its docstring tells it: stacked (rows, columns, channels) -> patches, logit."""
    own = np.maximum(stacked @ head.mix[:, :, 0, 0].T + head.mix_bias, 0)
    padded = np.pad(own, ((1, 1), (1, 1), (0, 0)))
    beside = np.zeros_like(own)
    for dy in range(3):
        for dx in range(3):
            window = padded[dy : dy + own.shape[0], dx : dx + own.shape[1]]
            beside += window * head.near[:, 0, dy, dx]
    seen = own + np.maximum(beside + head.near_bias, 0)
    patches = seen @ head.patch[0, :, 0, 0] + head.patch_bias[0]
    highest = np.sort(patches.ravel())[-head.top :].mean()
    whole = seen.mean(axis=(0, 1)) @ head.whole[0] + head.whole_bias[0]
    return patches, float(highest + whole)


def residual_net() -> onnx.ModelProto:
    """Sums of 2 channels at stride 8 and of 3 at stride 16, each before a wider map."""
    rng, nodes, weights = np.random.default_rng(5), [], []

    def conv(source: str, name: str, shape: tuple[int, int, int], stride: int) -> str:
        kernel = rng.normal(0, 0.3, (shape[0], shape[1], shape[2], shape[2])).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w_{name}"))
        nodes.append(helper.make_node("Conv", [source, f"w_{name}"], [name], strides=[stride] * 2))
        return name

    def add(one: str, other: str, name: str) -> str:
        nodes.append(helper.make_node("Add", [one, other], [name]))
        return name

    a = conv("picture", "a", (2, 1, 8), 8)
    for name in ("first", "second"):
        a = add(a, conv(a, f"{name}_conv", (2, 2, 1), 1), name)
    b = conv(conv(a, "wide8", (6, 2, 1), 1), "b", (3, 6, 2), 2)
    c = add(b, conv(b, "c_conv", (3, 3, 1), 1), "third")
    conv(c, "wide16", (9, 3, 1), 1)
    graph = helper.make_graph(
        nodes,
        "residual",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["N", 1, 64, 64])],
        [helper.make_tensor_value_info("wide16", TensorProto.FLOAT, ["N", 9, None, None])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model


@pytest.fixture
def residual(tmp_path: Path) -> Backbone:
    onnx.save(residual_net(), str(tmp_path / "residual.onnx"))
    return backbone.load(tmp_path / "residual.onnx")


def test_memory_looks_at_the_last_sum_of_each_width(residual: Backbone) -> None:
    assert residual.narrow == ["narrow0", "narrow1"]
    assert [residual.shape(tap) for tap in residual.narrow] == [(2, 8, 8), (3, 4, 4)]
    assert [residual.shape(tap)[0] for tap in ("fine", "coarse")] == [6, 9]


def test_net_without_sums_gives_the_memory_the_heads_maps(net: Backbone) -> None:
    assert net.narrow == ["fine", "coarse"]


def test_narrow_maps_reach_the_fused_file(residual: Backbone, pictures: list[np.ndarray]) -> None:
    front = quantize(residual, pictures, full_range=False)
    known = memory.fit(
        np.stack(
            [
                features.stack_narrow(taps(front, residual, p)[2:], residual.face.heatmap)
                for p in pictures
            ]
        ),
        [2, 3],
        dims=5,
    )
    tails = Tails(head=None, memory=known, blend=BLEND)
    score, *_ = session(fuse.fuse(front, residual, tails)).run(None, {"image": pictures[0]})
    assert score[0] == pytest.approx(by_hand(front, residual, tails, pictures[0])[1], abs=1e-4)
