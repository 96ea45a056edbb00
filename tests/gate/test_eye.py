"""What the eye makes of cameras and models that misbehave."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from bundles import make_bundle
from gate_world import RECIPE

from edge.camera.source import Frame, Shot
from edge.camera.steady import SteadyCamera
from edge.core.automation import permit
from edge.core.clock import ns
from edge.core.decide import SerialRead
from edge.core.errors import BadPrediction, CameraLost, CameraTimeout, PredictorUnavailable
from edge.core.manifest import Manifest
from edge.core.messages import Level, Reason
from edge.core.recipe import Code, Recipe, Roi, View
from edge.gate.events import LookAt
from edge.gate.eye import Eye
from edge.gate.judge import Judge
from edge.gate.pace import LANES
from edge.gate.sight import Sight


@dataclass
class FakeClock:
    now_ns: int = 0

    def monotonic_ns(self) -> int:
        return self.now_ns


@dataclass
class FakeCamera:
    """Delivers noise; `fails` is raised instead; `early_ms` exposes before the trigger."""

    clock: FakeClock
    fails: Exception | None = None
    grey: int = 120
    early_ms: float = 0.0
    frozen: bool = False
    live: bool = True
    wears: str | None = None  # a code
    _seq: int = 0
    _rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def __enter__(self):
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def grab(self, shot: Shot, timeout_s: float) -> Frame:
        if self.fails is not None:
            raise self.fails
        if not self.frozen:
            self._seq += 1
        noise = self._rng.integers(0, 40, (64, 64, 3))
        image = np.clip(noise + self.grey, 0, 255).astype(np.uint8)
        if self.wears is not None:
            made = zxingcpp.create_barcode(self.wears, zxingcpp.BarcodeFormat.DataMatrix)
            tag = np.array(made.to_image(scale=3, add_quiet_zones=True))
            image[: tag.shape[0], : tag.shape[1]] = tag[..., None]
        return Frame(image, self._seq, self.clock.now_ns - ns(self.early_ms))


@dataclass
class FakeAnswer:
    score: float
    heatmap: np.ndarray
    model_sha256: str


@dataclass
class FakePredictor:
    sha256: str
    fails: Exception | None = None
    asked: int = 0

    def predict(self, model, image, timeout_s, manifest):
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        return FakeAnswer(0.25, np.zeros((8, 8), np.float32), self.sha256)

    def loaded(self, model: str, timeout_s: float) -> bool:
        return self.fails is None


class Rig:
    waits_ms = 0.0  # for other parts, between the frame and the model

    def __init__(self, manifest: Manifest, delay_ms: float | None = None) -> None:
        self.clock = FakeClock(ns(1000))
        self.camera = FakeCamera(self.clock)
        self.predictor = FakePredictor(manifest.sha256)
        steady = SteadyCamera(self.camera, "main", self.clock)  # type: ignore[arg-type]
        self.eye = Eye(
            {"main": steady},
            {"main": 0.1},
            {"main": delay_ms},
            self.predictor,
            ["toy"],
            self.clock,  # type: ignore[arg-type]
        )
        self.judge = Judge({"toy": manifest}, self.clock)  # type: ignore[arg-type]

    def look(
        self, recipe: Recipe = RECIPE, level: Level = Level.FULL, within_ms: float = 100
    ) -> Sight:
        until_ns = self.clock.now_ns + ns(within_ms)
        request = LookAt("I1", "P1", recipe, permit(level), self.clock.now_ns, until_ns)
        taken = self.eye.take(request)
        self.noticed = taken.noticed
        self.clock.now_ns += ns(self.waits_ms)
        for view in taken.views:
            self.judge.judge(view, request, self.predictor)
        return taken.sight()


@pytest.fixture
def rig(tmp_path) -> Rig:
    return Rig(make_bundle(tmp_path / "toy"))


def missing(sight: Sight) -> set[Reason | None]:
    return {look.missing for look in sight.seen.looks}


def test_all_views_of_a_good_part_bring_frame_and_score(rig: Rig) -> None:
    sight = rig.look()
    assert [look.view for look in sight.seen.looks] == ["top", "side"]
    assert missing(sight) == {None}
    assert all(look.frame and look.prediction for look in sight.seen.looks)
    assert set(sight.frames) == {"top", "side"}
    assert rig.noticed.seen_working == ("main",)
    assert sight.noticed.seen_working == ("model",)


def test_lost_camera_is_no_frame_and_a_cause(rig: Rig) -> None:
    rig.camera.fails = CameraLost("cable")
    sight = rig.look()
    assert missing(sight) == {Reason.NO_FRAME}
    assert rig.noticed.raised == (("camera_lost", "main: cable"),)
    assert sight.noticed.raised == ()  # told at once, and not again when its part is judged
    assert rig.predictor.asked == 0


def test_timeout_is_no_frame(rig: Rig) -> None:
    rig.camera.fails = CameraTimeout("nothing in 100 ms")
    assert missing(rig.look()) == {Reason.NO_FRAME}


def test_frozen_camera_is_a_stale_frame(rig: Rig) -> None:
    rig.look()
    rig.camera.frozen = True
    sight = rig.look()
    assert Reason.STALE_FRAME in missing(sight)
    assert "camera_frozen" in dict(rig.noticed.raised)


def test_frame_exposed_before_the_trigger_is_stale_unless_the_recipe_allows_it(rig: Rig) -> None:
    rig.camera.early_ms = 30
    assert missing(rig.look()) == {Reason.STALE_FRAME}
    allowed = RECIPE.model_copy(update={"frame_lead_ms": 50.0})
    assert missing(rig.look(allowed)) == {None}


def test_frame_exposed_when_the_part_has_moved_on_is_stale(rig: Rig) -> None:
    """An eye that was held up by the part before takes its picture too late."""
    within = RECIPE.model_copy(update={"frame_within_ms": 80.0})
    rig.camera.early_ms = -81
    assert missing(rig.look(within)) == {Reason.STALE_FRAME}
    assert missing(rig.look()) == {None}
    rig.camera.early_ms = -79
    assert missing(rig.look(within)) == {None}


def test_recipe_without_a_limit_gets_the_cameras_own_and_the_boxs(tmp_path: Path) -> None:
    rig = Rig(make_bundle(tmp_path / "toy"), delay_ms=20)
    rig.camera.early_ms = -71
    top, side = rig.look().seen.looks
    assert (top.missing, side.missing) == (Reason.STALE_FRAME, None)  # the second may be later
    rig.camera.early_ms = -91
    assert missing(rig.look()) == {Reason.STALE_FRAME}
    rig.camera.early_ms = -69
    assert missing(rig.look()) == {None}


def test_station_says_that_frames_are_late_after_three_parts_and_takes_it_back(rig: Rig) -> None:
    within = RECIPE.model_copy(update={"frame_within_ms": 80.0})
    rig.camera.early_ms = -90
    raised = []
    for _ in range(3):
        rig.look(within)
        raised.append(dict(rig.noticed.raised).get("frames_late"))
    assert raised == [None, None, "main: exposed 90 ms after the trigger, 80 are allowed"]
    rig.camera.early_ms = 0
    rig.look(within)
    assert "frames_late" in rig.noticed.cleared


def test_camera_without_frames_is_not_called_late_nor_in_time(rig: Rig) -> None:
    rig.camera.fails = CameraLost("cable")
    rig.look()
    assert "frames_late" not in {*rig.noticed.cleared, *dict(rig.noticed.raised)}


def test_black_frame_is_unusable_but_scored_for_the_record(rig: Rig) -> None:
    rig.camera.grey = -60
    sight = rig.look()
    assert missing(sight) == {Reason.IMAGE_QUALITY}
    assert all(look.frame is None for look in sight.seen.looks)
    assert all(view.score == 0.25 for view in sight.seen.views)


def test_station_says_that_frames_are_unusable_after_three_and_takes_it_back(rig: Rig) -> None:
    rig.camera.grey = -60
    raised = [dict(rig.look().noticed.raised) for _ in range(2)]
    assert "image_unusable" in raised[1]
    rig.camera.grey = 120
    assert "image_unusable" in rig.look().noticed.cleared


def test_predictor_away_keeps_the_frame_as_evidence_for_a_person(rig: Rig) -> None:
    rig.predictor.fails = PredictorUnavailable("no socket")
    sight = rig.look()
    assert missing(sight) == {Reason.PREDICTOR_UNAVAILABLE}
    assert all(look.frame is not None for look in sight.seen.looks)
    assert dict(sight.noticed.raised) == {"predictor_unavailable": "no socket"}


def test_part_that_waited_until_its_time_was_over_does_not_blame_the_predictor(rig: Rig) -> None:
    rig.predictor.fails = PredictorUnavailable("no answer within 0 ms")
    rig.waits_ms = 100
    sight = rig.look(within_ms=100)
    assert missing(sight) == {Reason.DEADLINE}
    assert "predictor_unavailable" not in dict(sight.noticed.raised)
    rig.waits_ms = 0
    assert missing(rig.look(within_ms=100)) == {Reason.PREDICTOR_UNAVAILABLE}


def test_nonsense_from_the_model_is_a_bad_prediction(rig: Rig) -> None:
    rig.predictor.fails = BadPrediction("score is nan")
    sight = rig.look()
    assert missing(sight) == {Reason.BAD_PREDICTION}
    assert "bad_prediction" in dict(sight.noticed.raised)


def test_level_human_asks_no_model(rig: Rig) -> None:
    sight = rig.look(level=Level.HUMAN)
    assert missing(sight) == {None} and rig.predictor.asked == 0
    assert all(look.frame and not look.prediction for look in sight.seen.looks)


def test_people_can_judge_where_no_model_is_installed(rig: Rig) -> None:
    recipe = RECIPE.model_copy(update={"model": "none-yet"})
    assert missing(rig.look(recipe, Level.HUMAN)) == {None}
    assert missing(rig.look(recipe)) == {Reason.PREDICTOR_UNAVAILABLE}


def test_region_outside_the_frame_is_said_in_words(rig: Rig) -> None:
    roi = Roi(x_px=60, y_px=0, w_px=20, h_px=20)
    recipe = RECIPE.model_copy(update={"views": (View(name="top", roi=roi),)})
    (view,) = rig.look(recipe).seen.views
    assert "lies outside" in (view.problem or "")


def test_probe_between_parts_notices_that_the_model_is_away_and_back(rig: Rig) -> None:
    rig.predictor.fails = PredictorUnavailable("gone")
    assert "predictor_unavailable" in dict(rig.eye.probe().raised)
    rig.predictor.fails = None
    assert "predictor_unavailable" in rig.eye.probe().cleared


def test_probe_tells_what_each_camera_counted(rig: Rig) -> None:
    rig.look()
    rig.camera.fails = CameraTimeout("nothing in 100 ms")
    rig.look()
    views = len(RECIPE.views)
    counted = {"shots": 2 * views, "frames": views, "opened": 1}
    assert rig.eye.probe().cameras == {"main": counted}


# ---- codes ----


def coded(**more: object) -> Recipe:
    view = View(name="top", code=Code(**more))  # type: ignore[arg-type]
    return RECIPE.model_copy(update={"views": (view, View(name="side"))})


def test_serial_is_read_from_the_frame_that_the_model_judges(rig: Rig) -> None:
    rig.camera.wears = "S1"
    sight = rig.look(coded())
    top, side = sight.seen.looks
    assert top.serial == SerialRead("I1", "top", "S1") and side.serial is None
    assert top.frame is not None and top.unread is None and missing(sight) == {None}
    assert set(sight.seen.stages_ms) == {"grab", "wait", "quality", "predict", "code"}


def test_recipe_without_a_code_reads_none(rig: Rig) -> None:
    rig.camera.wears = "S1"
    sight = rig.look()
    assert {look.serial for look in sight.seen.looks} == {None}
    assert "code" not in sight.seen.stages_ms


def test_unreadable_code_is_said_beside_the_score_and_becomes_a_cause(rig: Rig) -> None:
    sights = [rig.look(coded()) for _ in range(3)]
    view = sights[0].seen.views[0]
    assert view.score == 0.25 and view.problem == "no code could be read"
    assert sights[0].seen.looks[0].unread is Reason.CODE_UNREADABLE
    raised = [dict(sight.noticed.raised).get("codes_unreadable") for sight in sights]
    assert raised == [None, None, "main: no code could be read"]
    rig.camera.wears = "S1"
    assert "codes_unreadable" in rig.look(coded()).noticed.cleared


def test_code_of_another_part_than_the_plcs_is_a_mismatch(rig: Rig) -> None:
    rig.camera.wears = "P2"
    (top, _) = rig.look(coded(is_part_id=True)).seen.looks
    assert (top.serial and top.serial.text, top.unread) == ("P2", Reason.SERIAL_MISMATCH)


def test_code_is_read_where_no_model_is_asked_and_where_it_fails(rig: Rig) -> None:
    rig.camera.wears = "S1"
    assert rig.look(coded(), Level.HUMAN).seen.looks[0].serial is not None
    rig.predictor.fails = PredictorUnavailable("gone")
    assert rig.look(coded()).seen.looks[0].serial is not None


def test_camera_without_a_frame_is_not_blamed_on_the_code(rig: Rig) -> None:
    rig.camera.fails = CameraLost("cable")
    for _ in range(4):
        sight = rig.look(coded())
    assert sight.seen.looks[0].unread is None
    assert "codes_unreadable" not in dict(sight.noticed.raised)


def test_code_that_is_not_read_in_time_costs_the_part_its_pass_only(rig: Rig) -> None:
    rig.camera.wears = "S1"
    slow = threading.Event()
    for _ in range(LANES):
        rig.judge._reader.submit(slow.wait, 30)  # a reader that is still busy with something else
    sight = rig.look(coded(), within_ms=20)
    assert sight.seen.looks[0].unread is Reason.DEADLINE
    assert "smaller roi" in (sight.seen.views[0].problem or "")
    slow.set()
    assert rig.look(coded()).seen.looks[0].serial is not None
