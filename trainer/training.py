"""READ SECOND: one training run from data set to judged model, as one walk.

`check_leakage -> train (pictures, int8 backbone, features, head) -> judge (val: scores,
thresholds, parity, reference) -> record`
"""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.core.errors import LinegateError
from edge.core.manifest import Face
from edge.core.preprocess import to_input
from edge.core.recipe import Orientation
from trainer import shipped
from trainer.config import Home
from trainer.data import leakage
from trainer.data.items import GOOD, Dataset
from trainer.judge import evaluate, record, reference, scores
from trainer.judge.thresholds import Risk
from trainer.report import preview, sheet
from trainer.runs import Run, Runs
from trainer.track import Track

if TYPE_CHECKING:
    from trainer.learn.backbone import Backbone
    from trainer.learn.trained import Trained

LEARNERS = ("supervised", "deep", "good-only")
LAYER_PICTURES = 16


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose; None where the learner's own default holds."""

    learner: str = "supervised"
    good: int | None = None  # of the good pictures, for the learner good-only
    backbone: str = shipped.OURS  # or torchvision:NAME, or a file
    taps: tuple[str, str] | None = None
    seed: int = 0
    steps: int | None = None
    epochs: int | None = None
    size_px: tuple[int, int] | None = None
    grey: bool = False
    orientation: Orientation = "fixed"
    full_range: bool = False
    knobs: Mapping[str, Any] | None = None  # what a search found

    def check(self) -> None:
        """Raises LinegateError for a choice that this learner would not heed."""
        for option, value, learner in (
            ("--good", self.good, "good-only"),
            ("--epochs", self.epochs, "deep"),
        ):
            if value is not None and self.learner not in (learner, "auto"):
                raise LinegateError(f"{option} is for --learner {learner}, not for {self.learner}")


def check_leakage(dataset: Dataset) -> list[tuple[str, str]]:
    """Near-copies between splits, for a person to look at. Raises LinegateError for copies."""
    train = dataset.of("train")
    held_out = [i for i in dataset.items if i.split in ("val", "test") and i.label is not None]
    leaks = leakage.find(train, held_out)
    if leaks.same:
        first, second = leaks.same[0]
        raise LinegateError(
            f"{len(leaks.same)} held-out picture(s) are also trained on, such as {first} = "
            f"{second}: `linegate-trainer split --data {dataset.name} --again` mends it"
        )
    return leaks.near


def train(dataset: Dataset, options: Options, work: Path, track: Track) -> "Trained":
    """Run the learner. `work` is scratch space, gone afterwards; what an interruption leaves there
    is gone on with by the next run in it."""
    from trainer.learn import learners  # torch takes seconds to load: only when it is needed

    work.mkdir(parents=True, exist_ok=True)
    try:
        net = backbone(options)
        trained = learners.train(dataset, net, options, work, track)
    except LinegateError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    finally:
        drop_features(work)
    shutil.rmtree(work, ignore_errors=True)
    return trained


def drop_features(work: Path) -> None:
    """The cached features: gigabytes, and whoever goes on makes them anew."""
    from trainer.learn import features

    for name in features.FILES:
        for file in work.rglob(name):
            file.unlink(missing_ok=True)


def backbone(options: Options) -> "Backbone":
    """The net that features are taken from, made to fit the size and the colours asked for."""
    from trainer.learn import backbones

    net = backbones.find(options.backbone, options.taps)
    return backbones.fitted(net, options.size_px, options.grey)


def judge(
    runs: Runs, run: Run, dataset: Dataset, trained: "Trained", risk: Risk, track: Track
) -> None:
    """Everything that is known before the test split is opened goes into the run's record."""
    from trainer.learn import saturation

    face, val = trained.backbone.face, dataset.of("val")
    scored = evaluate.score(trained.int8, face, dataset, val, track)
    twin = evaluate.score(trained.float32, face, dataset, val, track)
    table = scores.rows(scored, twin)
    sums = saturation.of_file(trained.int8)
    normal = [item for item in dataset.of("train") if item.label == GOOD]
    run.results |= {
        "backbone": trained.backbone.name,
        "about": trained.about,
        "face": face.model_dump(mode="json"),
        "val": evaluate.figures(scored),
        "reference": reference.statistics(dataset, normal, scored.of(GOOD)),
        "saturation": {**asdict(sums), "target": sums.target},
        **record.thresholds(table, risk),
    }
    runs.keep(run, "backbone.onnx", trained.backbone.model.SerializeToString(deterministic=True))
    runs.keep(run, "model.onnx", trained.int8)
    runs.keep(run, "float.onnx", trained.float32)
    runs.keep(run, "scores-val.csv", scores.write(table))


def keep_sheet(runs: Runs, run: Run, dataset: Dataset, options: Options) -> None:
    """What the run learnt from, as a picture for a person to judge."""
    drawn = preview.sheet(dataset, face_of(run), options.orientation, options.seed)
    runs.keep(run, preview.ARTIFACT, sheet.png(drawn))


def face_of(run: Run) -> Face:
    return Face.model_validate(run.results["face"])


def held_out_scores(runs: Runs, run: Run) -> dict[str, float]:
    """Scores of the val split by path."""
    return {row.path: row.score for row in scores.read(runs.artifact(run, "scores-val.csv"))}


def layers(runs: Runs, run: Run, dataset: Dataset, track: Track) -> list[dict[str, Any]]:
    """Where the int8 file loses most against its float twin, over some pictures of val."""
    from trainer.learn import layers as inside

    items, face = dataset.of("val"), face_of(run)
    some = items[:: max(1, len(items) // LAYER_PICTURES)][:LAYER_PICTURES]
    inputs = (to_input(dataset.image(item), face) for item in track(some, "layers"))
    int8, twin = (runs.artifact(run, name) for name in ("model.onnx", "float.onnx"))
    return [asdict(layer) for layer in inside.compare(int8, twin, inputs)]


def work_folder(home: Home, run: Run) -> Path:
    return home.work / run.id
