"""How late after its trigger a frame may be exposed and still show the part: pure.

On a moving belt a picture that is taken too late shows the gap, or the next part. A recipe that
sets no `frame_within_ms` gets what its cameras and the box need when all is well, and no more.
"""

from collections.abc import Mapping

from edge.config import Camera
from edge.core.recipe import Recipe

# Once: until the part's opening is durable, and for the way here of the frames before a view's.
BOX_MS = 50.0


def camera_delay_ms(camera: Camera) -> float | None:
    """The longest from asking for a frame until its exposure begins. None if a frame that is asked
    for late shows the same part all the same."""
    match camera.kind:
        case "simulator":
            return None if camera.simulator.belt is None else 0.0
        case "replay":
            return None
        case "usb":
            return _period_ms(camera, None if camera.usb is None else camera.usb.fps)
        case "picamera":
            return _period_ms(camera, None if camera.picamera is None else camera.picamera.fps)
        case "gige":
            return _gige_delay_ms(camera)


def frame_limits_ms(
    recipe: Recipe, delays_ms: Mapping[str, float | None]
) -> dict[str, float | None]:
    """For each view of the recipe, how long after the trigger its exposure may begin; None: as
    long as there is time. `delays_ms` is camera_delay_ms by the camera's name. A view is asked for
    when the frame of the one before it is here, also where that is another camera's."""
    limits: dict[str, float | None] = {}
    late_ms = BOX_MS
    for view in recipe.views:
        delay_ms = delays_ms[view.camera]
        late_ms += delay_ms or 0.0
        limits[view.name] = recipe.frame_within_ms or (None if delay_ms is None else late_ms)
    return limits


def _gige_delay_ms(camera: Camera) -> float | None:
    """Blocks of lines wait in their queue, dated, whoever is late: only a trigger's own delay or a
    free-running camera's frame rate counts."""
    gige = camera.gige
    if gige.linescan is not None:
        return None
    if gige.trigger == "free":
        fps = gige.features.get("AcquisitionFrameRate")
        return _period_ms(camera, float(fps) if isinstance(fps, int | float) else None)
    delay_us = gige.features.get("TriggerDelay", 0.0)
    return float(delay_us) / 1000 if isinstance(delay_us, int | float) else 0.0


def _period_ms(camera: Camera, fps: float | None) -> float:
    """Of a camera that runs free. Where nobody said how fast, a frame that takes longer than its
    timeout is none anyhow."""
    return 1000 / fps if fps else float(camera.grab_timeout_ms)
