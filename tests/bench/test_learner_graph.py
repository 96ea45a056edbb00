"""What a learner's graph costs, variant beside variant. Nothing is asserted by time.

Random weights and pictures where they do not matter: time does not depend on them. The backbones
are the outside MobileNetV2 of LINEGATE_SHARED and our own. Run: make bench
"""

import os
import random
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

from trainer import shipped
from trainer.judge.session import open_session
from trainer.learn import backbone, backbones, fuse
from trainer.learn.backbone import Backbone
from trainer.learn.head import HeadWeights
from trainer.learn.quantize import float_twin, quantize
from trainer.learn.stacked import FEATURES
from trainer.learn.tails import Blend, Tails

pytestmark = [pytest.mark.shared, pytest.mark.torch, pytest.mark.slow]

ROUNDS = 300
PICTURES = 100  # that a quantisation looks at
HIDDEN = 128


@pytest.fixture(params=["mobilenet_v2", "ours"])
def net(request: pytest.FixtureRequest) -> Backbone:
    if request.param == "ours":
        return backbones.find(shipped.OURS)
    default = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("LINEGATE_SHARED", default)) / "weights"
    if not folder.is_dir():
        pytest.skip(f"no backbone in {folder}: set LINEGATE_SHARED to run this")
    return backbone.load(folder / "mobilenet_v2_1.0_224_quant.fp32.onnx")


def head_for(net: Backbone) -> HeadWeights:
    rng = np.random.default_rng(0)
    channels = 2 * net.shape("fine")[0] + net.shape("coarse")[0]

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.05, shape).astype(np.float32)

    return HeadWeights(
        mix=draw(HIDDEN, channels, 1, 1),
        mix_bias=draw(HIDDEN),
        near=draw(HIDDEN, 1, 3, 3),
        near_bias=draw(HIDDEN),
        patch=draw(1, HIDDEN, 1, 1),
        patch_bias=draw(1),
        whole=draw(1, HIDDEN),
        whole_bias=draw(1),
        top=6,
        reach=6.0,
    )


def off_the_grid(net: onnx.ModelProto) -> onnx.ModelProto:
    """The same net, but the head cannot see that its features are int8, and stays in float."""
    changed = onnx.ModelProto()
    changed.CopyFrom(net)
    for node in changed.graph.node:
        node.output[:] = ["on_grid" if name == FEATURES else name for name in node.output]
    changed.graph.node.append(onnx.helper.make_node("Identity", ["on_grid"], [FEATURES]))
    return changed


def test_learner_graph(net: Backbone) -> None:
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, net.face.input_shape, np.uint8) for _ in range(PICTURES)]
    tails = Tails(head_for(net), None, Blend(1.0, 0.0, 0.0))
    begun = time.perf_counter()
    int8 = quantize(net, pictures, full_range=False)
    print(
        f"\n{net.name}: quantised over {PICTURES} pictures in {time.perf_counter() - begun:.1f} s"
    )
    fronts = {"float": float_twin(net), "int8, float head": off_the_grid(int8), "int8": int8}
    files = {
        name: fuse.fuse(front, net, tails).SerializeToString() for name, front in fronts.items()
    }
    ways = {(n, t): open_session(file, threads=t) for n, file in files.items() for t in (1, 2)}
    times: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
    order, shuffle = list(ways), random.Random(1).shuffle
    for number in range(ROUNDS):
        shuffle(order)
        for way in order:
            begun = time.perf_counter_ns()
            ways[way].run(None, {"image": pictures[number % len(pictures)]})
            times[way].append((time.perf_counter_ns() - begun) / 1e6)
    print(f"{'ms a picture':20} {'threads':>7} {'MB':>6} {'least':>7} {'p50':>7} {'p99':>7}")
    for (name, threads), taken in times.items():
        p50, p99 = np.percentile(taken[10:], [50, 99])
        size = len(files[name]) / 1e6
        print(f"{name:20} {threads:7} {size:6.2f} {min(taken):7.3f} {p50:7.3f} {p99:7.3f}")
