"""What can be known to be wrong with a station before its line runs, one sentence each.

Read only: nothing is started, written or connected to.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from edge.camera.frame_list import read_frame_list
from edge.camera.lateness import camera_delay_ms, frame_limits_ms
from edge.config import Camera, StationConfig
from edge.core.errors import ConfigError, ModelRefused
from edge.core.recipe import Recipe
from edge.predict.bundle import Shelf, find_bundles, read_bundle


def problems(config: StationConfig, recipes: Iterable[Recipe], shelf: Shelf) -> Iterator[str]:
    """Models that are missing or damaged, regions beyond the frame, frames and passwords that
    cannot be read."""
    yield from shelf.refused.values()
    for recipe in recipes:
        yield from model_problem(config, recipe, shelf)
        yield from _beyond_the_frame(config, recipe)
        yield from _too_late_for_the_diverter(config, recipe)
        yield from _any_later_pulse(config, recipe)
        yield from _slower_than_its_limit(config, recipe)
        yield from _next_part_in_time(config, recipe)
    for camera in config.camera:
        yield from _unreadable_frames(camera)
    yield from _unreadable("plc.password_file", config.plc.password_file)
    yield from _unreadable("sync.password_file", config.sync.password_file)


def limits_of(config: StationConfig, recipe: Recipe) -> dict[str, float | None]:
    """How long after the trigger each view may be exposed, by its name; None: without a limit."""
    delays_ms = {camera.name: camera_delay_ms(camera) for camera in config.camera}
    return frame_limits_ms(recipe, delays_ms)


def require_model(config: StationConfig, recipe: Recipe) -> None:
    """Raises ConfigError unless the recipe's model is there and whole."""
    for problem in model_problem(config, recipe, find_bundles(config.predict.models)):
        raise ConfigError(problem)


def model_problem(config: StationConfig, recipe: Recipe, shelf: Shelf) -> Iterator[str]:
    entry = shelf.newest.get(recipe.model)
    if entry is None:
        yield (
            f"recipe {recipe.name!r} asks for model {recipe.model!r}, but {config.predict.models} "
            f"holds {', '.join(sorted(shelf.newest)) or 'no bundle'}"
        )
        return
    try:
        read_bundle(entry.folder)
    except ModelRefused as error:
        yield f"recipe {recipe.name!r}: {error}"


def _beyond_the_frame(config: StationConfig, recipe: Recipe) -> Iterator[str]:
    """Only a simulator's frame size is written down."""
    cameras = {camera.name: camera for camera in config.camera}
    for view in recipe.views:
        camera = cameras[view.camera]
        if camera.kind != "simulator":
            continue
        width_px, height_px = camera.simulator.width_px, camera.simulator.height_px
        code = None if view.code is None else view.code.roi
        for key, roi in (("roi", view.roi), ("reference", view.reference), ("code.roi", code)):
            if roi is None or (
                roi.x_px + roi.w_px <= width_px and roi.y_px + roi.h_px <= height_px
            ):
                continue
            yield (
                f"recipe {recipe.name!r}, view {view.name!r}: the {key} ends at "
                f"{roi.x_px + roi.w_px} x {roi.y_px + roi.h_px} px, the frame of camera "
                f"{camera.name!r} at {width_px} x {height_px} px"
            )


def _too_late_for_the_diverter(config: StationConfig, recipe: Recipe) -> Iterator[str]:
    """Only a belt without an encoder has a speed that is written down."""
    gpio = config.gpio
    if gpio is None or gpio.diverter is None or gpio.belt_mm_s is None:
        return
    camera_mm = gpio.trigger.camera_mm if gpio.trigger else 0.0
    way_mm = gpio.diverter.at_mm - gpio.diverter.window_mm - camera_mm
    there_ms = way_mm / gpio.belt_mm_s * 1000
    if there_ms <= recipe.deadline_ms:
        yield (
            f"recipe {recipe.name!r}: deadline_ms is {recipe.deadline_ms}, but the part is at the "
            f"diverter {there_ms:.0f} ms after its trigger (gpio.diverter.at_mm, belt_mm_s)"
        )


def _any_later_pulse(config: StationConfig, recipe: Recipe) -> Iterator[str]:
    """A pulse that the camera missed leaves no gap in its frame ids."""
    cameras = {camera.name: camera for camera in config.camera}
    for view in recipe.views:
        gige = cameras[view.camera].gige
        if cameras[view.camera].kind != "gige" or not gige.trigger.startswith("Line"):
            continue
        limit_ms = limits_of(config, recipe)[view.name]
        if limit_ms is not None and recipe.frame_within_ms is None:
            yield (
                f"recipe {recipe.name!r}, view {view.name!r}: set frame_within_ms, shorter than "
                f"parts are apart: a sensor triggers camera {view.camera!r}, and where it misses a "
                f"part the next part's frame must not be taken for it. Without it frames count up "
                f"to {limit_ms:.0f} ms after the PLC's trigger, whatever the sensor's place"
            )


def _slower_than_its_limit(config: StationConfig, recipe: Recipe) -> Iterator[str]:
    """A limit that even a box with nothing else to do cannot always keep."""
    if recipe.frame_within_ms is None:
        return
    cameras = {camera.name: camera for camera in config.camera}
    needed = limits_of(config, recipe.model_copy(update={"frame_within_ms": None}))
    for view in recipe.views:
        delay_ms = camera_delay_ms(cameras[view.camera])
        if delay_ms is not None and recipe.frame_within_ms < delay_ms:
            yield (
                f"recipe {recipe.name!r}, view {view.name!r}: frame_within_ms is "
                f"{recipe.frame_within_ms:g}, but camera {view.camera!r} may begin its exposure "
                f"{delay_ms:.0f} ms after it was asked: good parts would go to rework. Set "
                f"{needed[view.name]:.0f}, if a part stays that long, or take a faster camera"
            )


def _next_part_in_time(config: StationConfig, recipe: Recipe) -> Iterator[str]:
    """Where the belt's speed is written down, so is how soon the next part can come."""
    gpio = config.gpio
    if gpio is None or gpio.diverter is None or gpio.belt_mm_s is None:
        return
    apart_ms = gpio.diverter.min_gap_mm / gpio.belt_mm_s * 1000
    for view, limit_ms in limits_of(config, recipe).items():
        if limit_ms is not None and limit_ms >= apart_ms:
            yield (
                f"recipe {recipe.name!r}, view {view!r}: parts may be {apart_ms:.0f} ms apart "
                f"(gpio.diverter.min_gap_mm, belt_mm_s), but a frame counts up to {limit_ms:.0f} "
                f"ms after its trigger: set frame_within_ms below {apart_ms:.0f}"
            )


def _unreadable_frames(camera: Camera) -> Iterator[str]:
    if camera.kind != "replay" or camera.replay is None:
        return
    try:
        read_frame_list(camera.replay)
    except ConfigError as error:
        yield f"camera {camera.name!r}: {error}"
    except OSError as error:
        yield (f"camera {camera.name!r}: {camera.replay.frames}: cannot be read: {error.strerror}")


def _unreadable(key: str, file: Path | None) -> Iterator[str]:
    try:
        if file is not None:
            file.read_text()
    except OSError as error:
        yield f"{key} {file}: cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        yield f"{key} {file}: not UTF-8 text"
