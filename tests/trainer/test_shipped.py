"""The backbone that comes along."""

from hashlib import sha256
from pathlib import Path

import pytest

from trainer import shipped, training
from trainer.learn import backbone


def test_shipped_backbone_is_a_net_with_its_card() -> None:
    net = backbone.load(shipped.backbone_file())
    assert (net.name, net.channels) == ("procedural", 3)
    assert len(net.narrow) == 2 and net.ratio == 2
    card = shipped.backbone_file().with_suffix(".md").read_text()
    assert "linegate-trainer pretrain" in card
    assert sha256(shipped.backbone_file().read_bytes()).hexdigest() in card


def test_it_is_the_default_and_fits_any_size_and_grey() -> None:
    net = training.backbone(training.Options(size_px=(96, 64), grey=True))
    assert (net.width_px, net.height_px, net.channels) == (96, 64, 1)
    assert net.face.heatmap == (4, 6) and net.procedural


@pytest.mark.torch
def test_deep_trains_more_of_it_and_for_longer_than_of_one_that_knows_photographs(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    from trainer.learn import learners

    copied = tmp_path / "own.onnx"
    copied.write_bytes(shipped.backbone_file().read_bytes())  # by whatever name
    ours, other = backbone.load(copied), backbone.load(tiny_backbone)
    mine, usual = (learners.settings(training.Options("deep"), net) for net in (ours, other))
    assert (mine.stem_stride, usual.stem_stride) == (4, 8)
    assert mine.steps(100) == 1250 > usual.steps(100)
    assert learners.settings(training.Options("deep", epochs=1), ours).steps(160) == 10


@pytest.mark.torch
def test_steps_of_deep_that_are_usual_anyhow_change_nothing() -> None:
    from trainer.learn import deep, learners

    net, steps = training.backbone(training.Options()), deep.Settings().tails.fitting.steps
    asked, usual = (training.Options("deep", steps=asked) for asked in (steps, None))
    assert learners.settings(asked, net) == learners.settings(usual, net)
