"""From rows to what is shown."""

from datetime import UTC, datetime, timedelta, timezone

import cv2
import numpy as np
import pytest

from edge.core.messages import By, Level, Reason, StateMessage, StateWord, Verdict
from edge.core.orders import Condition, Status
from edge.core.recipe import Recipe, Roi, View
from edge.core.records import ViewRecord
from edge.page import words
from edge.page.pictures import WHOLE_FRAME, Box, heat_box, png_size, thumbnail
from edge.page.station_view import missed, station_view
from edge.page.views import Setting, card, detail, question, record_of

AT = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
SETTING = Setting(lambda sha256: None, UTC, lambda roi, frame: WHOLE_FRAME)


def setting_of(plant):
    recipes = {recipe.sha256: recipe for recipe in plant.recipes.values()}
    return Setting(recipes.get, UTC, lambda roi, frame: heat_box(roi, plant.store.path(frame)))


def part_of(plant, **kinds):
    return plant.reader.inspection(plant.part(at=AT, **kinds))


def status(state, *conditions):
    return Status(
        state=state, conditions=conditions, in_flight=0, waiting=0, heartbeat=1, counters={}
    )


def condition(code, fault=False):
    return Condition(code=code, fault=fault, cause=f"{code}!", action=f"mend {code}", since=AT)


# ---- words ----


def test_every_code_has_a_word():
    assert set(words.REASONS) == set(Reason)
    assert set(words.VERDICTS) == set(words.OPINIONS) == set(Verdict)
    assert set(words.STATES) == set(words.MEANINGS) == set(StateWord)
    assert set(words.LEVELS) == set(Level)
    assert set(words.DECIDERS) == set(By)


# ---- the station ----


def test_first_cause_and_action_stand_first_and_the_others_below():
    camera, disk = condition("camera_lost", fault=True), condition("disk_low")
    state = StateMessage(
        state=StateWord.FAULT, cause=camera.cause, action=camera.action, level=Level.PARTIAL
    )
    view = station_view(status(state, camera, disk), None, UTC)
    assert (view.word, view.cause, view.action) == ("Fault", "camera_lost!", "mend camera_lost")
    assert view.others == (disk,)
    assert view.level == "Partial: the model decides where it is sure, else a person"


def test_ready_says_what_it_means():
    view = station_view(status(StateMessage(state=StateWord.READY, since=AT)), None, UTC)
    assert view.cause == "Every part gets its verdict."
    assert view.since == "06:30:00, 21 Nov"


def test_gate_away_is_offline_with_what_to_do():
    view = station_view(None, "connection refused", UTC)
    assert (view.key, view.word) == ("offline", "Offline")
    assert "restarts by itself" in view.action
    assert view.detail == "connection refused"
    assert view.level_key is None


def test_cameras_that_missed_something_say_so_with_how_many_of_how_many():
    assert missed(
        {
            "top": {"shots": 1204, "frames": 1204, "opened": 1, "missed_frames": 0},
            "side": {"shots": 1204, "frames": 1202, "opened": 3},
            "rim": {"shots": 7, "frames": 6, "opened": 1, "missed_frames": 1},
        }
    ) == (
        ("side", "2 of 1,204 pictures did not come"),
        ("rim", "1 of 7 pictures did not come, 1 frame lost on the way"),
    )


# ---- parts ----


def test_rework_card_says_why_in_words(plant):
    part = part_of(plant, verdict=Verdict.REWORK, score=0.973, reasons=(Reason.DEFECT,))
    shown = card(part, SETTING)
    assert (shown.key, shown.word, shown.score) == ("rework", "REWORK", "0.973")
    assert shown.reasons == ("The model sees a defect",)
    assert (shown.at, shown.latency, shown.by) == ("06:30:00", "21 ms", "decided by the model")


def test_times_are_those_of_the_box(plant):
    setting = Setting(lambda sha256: None, timezone(timedelta(hours=2)), SETTING.place_heat)
    assert card(part_of(plant), setting).at == "08:30:00"


def test_open_part_is_neither_passed_nor_reworked(plant):
    shown = card(part_of(plant, verdict=None), SETTING)
    assert (shown.key, shown.word, shown.by) == ("open", "OPEN", "still being looked at")


def test_part_without_frame_says_so(plant):
    part = part_of(
        plant,
        verdict=Verdict.REWORK,
        reasons=(Reason.NO_FRAME,),
        by=By.FAILSAFE,
        score=None,
        picture=False,
    )
    (picture,) = card(part, SETTING).pictures
    assert (picture.frame, picture.missing) == (None, "No picture: the camera gave none")


def test_card_shows_the_worst_view(plant):
    part = part_of(plant)
    record = record_of(part).model_copy(
        update={
            "views": (ViewRecord(view="top", score=0.1), ViewRecord(view="rim", score=0.9)),
        }
    )
    object.__setattr__(part, "body", record.model_dump_json())
    assert card(part, SETTING).worst.view == "rim"


def test_person_has_the_recipes_time(plant):
    part = part_of(plant, verdict=Verdict.REVIEW, score=0.5, reasons=(Reason.LOW_CONFIDENCE,))
    asked = question(part, setting_of(plant))
    assert asked.until == AT + timedelta(milliseconds=300, seconds=120)
    assert asked.until_text == "06:32:00"


def test_unknown_recipe_gives_no_time(plant):
    assert question(part_of(plant, verdict=Verdict.REVIEW), SETTING).until is None


@pytest.mark.parametrize("level", [Level.ASSIST, Level.PARTIAL])
def test_assisted_person_sees_the_opinion(plant, level):
    part = part_of(plant, verdict=Verdict.REVIEW, level=level, opinion=Verdict.REWORK)
    asked = question(part, SETTING)
    assert (asked.unswayed, asked.opinion) == (False, "The model would reject it")


def test_three_words_are_kept_apart(plant):
    part = part_of(plant, verdict=Verdict.REWORK, reasons=(Reason.DEFECT,))
    said = {w.name: w.holds for w in detail(part, (), False, SETTING).words}
    assert said == {"Decided": True, "Durable": True, "Delivered": False}


def test_waiting_part_is_durable_but_not_decided(plant):
    part = part_of(plant, verdict=Verdict.REVIEW)
    decided, durable, delivered = detail(part, (), None, SETTING).words
    assert (decided.holds, durable.holds, delivered.holds) == (False, True, None)
    assert decided.sentence == "The line was told to wait for a person."


def test_open_part_is_none_of_the_three(plant):
    part = part_of(plant, verdict=None)
    assert [w.holds for w in detail(part, (), False, SETTING).words] == [False, False, False]


# ---- pictures ----


def test_heatmap_lies_on_the_region_that_the_model_saw(plant):
    roi = Roi(x_px=40, y_px=20, w_px=80, h_px=80)
    plant.recipe = Recipe(name="flange", model="flange", views=(View(roi=roi),))
    part = part_of(plant)
    setting = Setting(lambda sha256: plant.recipe, UTC, setting_of(plant).place_heat)
    (picture,) = card(part, setting).pictures
    assert picture.heat.box == Box(canvas_w=160, canvas_h=120, x=40, y=20, w=80, h=80)


def test_heatmap_of_an_unknown_recipe_is_not_guessed(plant):
    (picture,) = card(part_of(plant), SETTING).pictures
    assert picture.frame is not None
    assert picture.heat is None


def test_png_size_of_what_is_no_png(tmp_path):
    for content in (b"", b"short", b"x" * 100):
        (tmp_path / "x.png").write_bytes(content)
        assert png_size(tmp_path / "x.png") is None
    assert png_size(tmp_path / "missing.png") is None


def test_thumbnail_is_small_and_keeps_its_shape(tmp_path):
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "big.png"), rng.integers(0, 255, (900, 1200, 3), np.uint8))
    jpeg = thumbnail(tmp_path / "big.png")
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (270, 360, 3)
    (tmp_path / "no.png").write_bytes(b"no picture")
    with pytest.raises(OSError, match="not a picture"):
        thumbnail(tmp_path / "no.png")
