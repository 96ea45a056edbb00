"""How the cameras are, in figures, as they are shown: pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.core.orders import CameraFigures, PixelFigures, ViewFigures

NOT_SEEN = "not to be told"  # in the dark, or without its mark


@dataclass(frozen=True, slots=True)
class Figure:
    """One line. `good` None: nothing is known of it now."""

    label: str
    value: str
    limit: str
    good: bool | None


@dataclass(frozen=True, slots=True)
class Watched:
    """A view, or a camera's sensor."""

    title: str
    figures: tuple[Figure, ...]


def cameras_view(figures: CameraFigures) -> tuple[Watched, ...]:
    """The views against their references, then the pixels of each camera."""
    views = (Watched(_title(view), tuple(_of_a_view(view))) for view in figures.views)
    sensors = (Watched(f"Camera {one.camera}", (_of_pixels(one),)) for one in figures.pixels)
    return (*views, *sensors)


def _title(view: ViewFigures) -> str:
    return f"{view.recipe}, view {view.view}" + (
        f", camera {view.camera}" if view.camera != view.view else ""
    )


def _of_a_view(view: ViewFigures) -> Iterator[Figure]:
    moved, sharpness = view.moved_px, view.sharpness
    yield Figure(
        "Place",
        NOT_SEEN if moved is None else f"{moved:.1f} px off",
        f"at most {view.moved_max_px:g} px",
        None if moved is None else moved <= view.moved_max_px,
    )
    yield Figure(
        "Focus",
        NOT_SEEN if sharpness is None else _percent(sharpness),
        f"at least {_percent(view.sharpness_min)}",
        None if sharpness is None else sharpness >= view.sharpness_min,
    )
    yield Figure(
        "Light",
        _percent(view.light),
        f"{100 - 100 * view.light_max:.0f} to {_percent(1 + view.light_max)} of "
        f"{view.reference_light:.0f} grey levels",
        abs(view.light - 1) <= view.light_max,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _of_pixels(pixels: PixelFigures) -> Figure:
    accepted = f", {pixels.accepted} accepted" if pixels.accepted else ""
    return Figure("Pixels", f"{pixels.new} new{accepted}", "no new bad ones", pixels.new == 0)
